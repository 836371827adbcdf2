#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/live/test_server.h"

namespace spreadwatch::test {

/// As much of Bybit as a session needs: tickers, order books whose update id rises by one, pongs
/// and a market list, on one port. What it does wrong is switched on from the test's thread.
class FakeBybit {
 public:
  FakeBybit();

  std::string ws_url() const { return server_.url("ws") + "/v5/public/spot"; }
  std::string rest_url() const { return server_.url("http"); }
  int connections() const { return server_.connections(); }

  /// Answers nothing at all from now on.
  void go_silent(bool silent) { silent_ = silent; }
  /// Refuses upgrades with this HTTP status ("429 Too Many Requests"); empty = accepts.
  void refuse(std::string status, std::string headers);
  /// Topics that are acknowledged but never served.
  void withhold(const std::string& topic, bool withheld);
  /// The next update of this book skips an update id.
  void skip_one(const std::string& topic);
  /// Every open connection is closed by the server.
  void close_all() { ++closes_; }
  /// Symbols in the market list; empty = the list is refused with 500.
  void list(std::set<std::string> symbols);

  /// How often a topic was subscribed so far.
  int subscribed(const std::string& topic) const;
  int unsubscribed(const std::string& topic) const;
  int pings() const { return pings_; }
  /// Upgrades asked for, accepted or not.
  int upgrades() const { return upgrades_; }

 private:
  void serve(Peer& peer);
  void serve_rest(Peer& peer);
  void answer(Peer& peer, const std::string& message, std::map<std::string, std::int64_t>& books);
  void push_updates(Peer& peer, std::map<std::string, std::int64_t>& books);

  std::atomic<bool> silent_{false};
  std::atomic<int> closes_{0};
  std::atomic<int> pings_{0};
  std::atomic<int> upgrades_{0};
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::string refusal_;
  std::string refusal_headers_;
  std::set<std::string> withheld_;
  std::set<std::string> skipping_;
  std::set<std::string> listed_{"BTCUSDT", "ETHUSDT"};
  std::map<std::string, int> subscribed_;
  std::map<std::string, int> unsubscribed_;

  TestServer server_;  // last: its threads use the rest
};

}  // namespace spreadwatch::test
