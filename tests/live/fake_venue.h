#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/live/test_server.h"

namespace spreadwatch::test {

/// As much of Bybit as a session needs: tickers, order books whose update id rises by one, pongs,
/// and over REST the same books, tickers and a market list, on one port. What it does wrong is
/// switched on from the test's thread.
class FakeBybit {
 public:
  FakeBybit();
  ~FakeBybit() { hold_rest(false); }
  FakeBybit(const FakeBybit&) = delete;
  FakeBybit& operator=(const FakeBybit&) = delete;

  std::string ws_url() const { return server_.url("ws") + "/v5/public/spot"; }
  std::string rest_url() const { return server_.url("http"); }
  int connections() const { return server_.connections(); }

  /// Answers nothing at all from now on.
  void go_silent(bool silent) { silent_ = silent; }
  /// Refuses upgrades with this HTTP status ("429 Too Many Requests"); empty = accepts.
  void refuse(std::string status, std::string headers);
  /// Topics that are acknowledged but not served, from now on.
  void withhold(const std::string& topic, bool withheld);
  /// From now on the topic is acknowledged but not served on the connections that are open.
  void strand(const std::string& topic);
  /// The next update of this book skips an update id.
  void skip_one(const std::string& topic);
  /// Every open connection is closed by the server.
  void close_all() { ++closes_; }
  /// Symbols in the market list; empty = the list is refused with 500.
  void list(std::set<std::string> symbols);

  /// Answers requests for books and tickers with this HTTP status; empty = with what was asked for.
  void refuse_rest(std::string status, std::string headers = {});
  /// Answers to requests for books wait until this is taken back.
  void hold_rest(bool held);
  enum class RestBook : std::uint8_t {
    kTrue,
    kWrong,     ///< another size at the same number
    kCrossed,   ///< the bid above the ask
    kOld,       ///< from an hour ago
    kUnrelated  ///< numbered in a series of its own
  };
  void rest_book(RestBook kind) { rest_book_ = kind; }
  /// Requests for the symbol's book (ticker) so far; of any symbol when it is empty.
  int rest_books(const std::string& symbol = {}) const;
  int rest_tickers() const { return rest_tickers_; }

  /// How often a topic was subscribed so far.
  int subscribed(const std::string& topic) const;
  int unsubscribed(const std::string& topic) const;
  int pings() const { return pings_; }
  /// Upgrades asked for, accepted or not.
  int upgrades() const { return upgrades_; }

 private:
  void serve(Peer& peer);
  void serve_rest(Peer& peer);
  void serve_rest_book(Peer& peer);
  /// One connection's; `number` counts upgrades.
  struct Client {
    Peer& peer;
    int number = 0;
    std::map<std::string, std::int64_t> books{};  // update id sent, by topic
  };
  void answer(Client& client, const std::string& message);
  void push_updates(Client& client);
  bool withholds(const std::string& topic, const Client& client) const;  // with mutex_

  std::atomic<bool> silent_{false};
  std::atomic<int> closes_{0};
  std::atomic<int> pings_{0};
  std::atomic<int> upgrades_{0};
  std::atomic<RestBook> rest_book_{RestBook::kTrue};
  std::atomic<int> rest_tickers_{0};
  mutable std::mutex mutex_;
  std::condition_variable rest_released_;
  // Guarded by mutex_:
  std::string refusal_;
  std::string refusal_headers_;
  std::set<std::string> withheld_;
  std::map<std::string, int> stranded_;  // up to which connection
  std::set<std::string> skipping_;
  std::set<std::string> listed_{"BTCUSDT", "ETHUSDT"};
  std::map<std::string, int> subscribed_;
  std::map<std::string, int> unsubscribed_;
  std::map<std::string, std::int64_t> latest_;  // update id sent, by symbol
  std::map<std::string, int> rest_books_;
  std::string rest_refusal_;
  std::string rest_refusal_headers_;
  bool rest_held_ = false;

  TestServer server_;  // last: its threads use the rest
};

}  // namespace spreadwatch::test
