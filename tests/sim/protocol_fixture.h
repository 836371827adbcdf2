#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/faulty_venue.h"
#include "sim/venues.h"

/// A simulated venue without sockets: a fake connection, a clock that is moved by hand, and a
/// decoder for books that shares nothing with the simulator.
namespace spreadwatch::sim::venue_test {

using Json = nlohmann::json;

inline constexpr std::int64_t kStartMs = 1'790'000'000'000;

/// Keeps what a protocol sent.
class FakeConnection final : public Connection {
 public:
  FakeConnection(std::uint64_t id, HttpRequest upgrade) : id_(id), upgrade_(std::move(upgrade)) {}

  void send(Frame frame) override {
    if (open()) frames.push_back(std::move(frame));
  }
  void ping(std::string_view payload) override { pings.emplace_back(payload); }
  void close(std::uint16_t code, std::string_view) override { close_code = code; }
  void drop() override { dropped = true; }
  void reset() override { was_reset = dropped = true; }
  void freeze() override { frozen = true; }
  [[nodiscard]] const HttpRequest& upgrade() const override { return upgrade_; }
  [[nodiscard]] std::uint64_t id() const override { return id_; }

  [[nodiscard]] bool open() const { return close_code == 0 && !dropped; }

  /// The texts sent since the last call.
  std::vector<std::string> take() {
    std::vector<std::string> texts;
    for (const Frame& frame : std::exchange(frames, {})) texts.push_back(*frame.payload);
    return texts;
  }
  /// The same, parsed.
  std::vector<Json> take_json() {
    std::vector<Json> parsed;
    for (const std::string& text : take()) parsed.push_back(Json::parse(text));
    return parsed;
  }

  std::vector<Frame> frames;
  std::vector<std::string> pings;
  std::uint16_t close_code = 0;
  bool dropped = false;
  bool was_reset = false;
  bool frozen = false;
  bool gone = false;  // the protocol knows

 private:
  std::uint64_t id_;
  HttpRequest upgrade_;
};

/// One venue over its market.
class Bench : public MarketObserver {
 public:
  explicit Bench(VenueId venue, std::vector<std::string> assets = {"BTC", "XRP", "DOGE"})
      : venue_(venue),
        market(MarketConfig{std::move(assets), 7, {venue}}, kStartMs),
        view(venue, market),
        faults({venue}, market),
        inner(make_venue({venue, view, violations})),
        protocol(
            std::make_unique<FaultyVenue>(VenueContext{venue, view, violations}, *inner, faults)) {}

  void on_book(const BookEvent& event) override { protocol->on_book(event); }
  void on_ticker(const Listing& listing) override { protocol->on_ticker(listing); }
  void on_instant(VenueId, std::int64_t ts_ms) override { protocol->on_instant(ts_ms); }

  /// Orders a fault as the control route does; it must be possible.
  void order(const FaultOrder& wanted) {
    REQUIRE(faults.check(wanted) == std::vector<std::string>{});
    REQUIRE_FALSE(faults.start(wanted, now_ms).empty());
    protocol->on_faults_started(now_ms);
  }
  void end_faults() {
    faults.end_all();
    protocol->on_faults_ended(now_ms);
  }

  /// A request as the server hands it over; `target` needs no percent-decoding.
  [[nodiscard]] HttpRequest request(const std::string& target) const {
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    request.remote = "127.0.0.1";
    request.now_ms = now_ms;
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark == std::string::npos) return request;
    const std::string query = target.substr(mark + 1);
    for (std::size_t begin = 0; begin < query.size();) {
      const std::size_t end = std::min(query.find('&', begin), query.size());
      const std::string item = query.substr(begin, end - begin);
      const std::size_t equals = std::min(item.find('='), item.size());
      request.query.emplace_back(item.substr(0, equals),
                                 equals < item.size() ? item.substr(equals + 1) : "");
      begin = end + 1;
    }
    return request;
  }

  HttpAnswer get(const std::string& target) { return protocol->on_http(request(target)); }
  Json get_json(const std::string& target, int status = 200) {
    const HttpAnswer answer = get(target);
    CHECK(answer.status == status);
    return Json::parse(answer.body);
  }

  FakeConnection& connect() { return connect(protocol->ws_path()); }
  FakeConnection& connect(const std::string& target) {
    connections_.push_back(
        std::make_unique<FakeConnection>(connections_.size() + 1, request(target)));
    FakeConnection& connection = *connections_.back();
    protocol->attach(connection);
    protocol->on_open(connection, now_ms);
    return connection;
  }
  /// Status of the answer to an upgrade: 101, or a refusal's.
  int upgrade_status(const std::string& target) {
    const UpgradeAnswer answer = protocol->on_upgrade(request(target));
    return answer.refusal ? answer.refusal->status : 101;
  }

  void say(FakeConnection& connection, const std::string& text) {
    protocol->on_text(connection, text, now_ms);
  }
  /// Says it and returns what came back.
  std::vector<Json> ask(FakeConnection& connection, const std::string& text) {
    connection.take();
    say(connection, text);
    return connection.take_json();
  }

  /// Lets time pass; `each` is called after every market tick.
  void run(std::int64_t ms, const std::function<void()>& each = {}) {
    for (const std::int64_t end = now_ms + ms; now_ms < end;) {
      now_ms += 20;
      market.advance_to(now_ms, *this);
      if (now_ms % 100 == 0) tick();
      if (each) each();
    }
  }
  /// Only the protocol's own timers: for waits in which the market does not matter.
  void wait(std::int64_t ms, const std::function<void()>& each = {}) {
    for (const std::int64_t end = now_ms + ms; now_ms < end;) {
      now_ms += 100;
      tick();
      if (each) each();
    }
  }

  [[nodiscard]] const Listing& listing(std::string_view base, std::string_view quote) const {
    const Listing* const found = market.find(venue_, base, quote);
    REQUIRE(found != nullptr);
    return *found;
  }

  [[nodiscard]] std::uint64_t violations_of(std::string_view rule) const {
    for (const Violations::Row& row : violations.rows()) {
      if (row.rule == rule) return row.count;
    }
    return 0;
  }

 private:
  /// Timers, then the farewell to connections they ended, which comes later from a real loop.
  void tick() {
    faults.expire(now_ms);
    protocol->on_timer(now_ms);
    for (const auto& connection : connections_) {
      if (connection->open() || connection->gone) continue;
      connection->gone = true;
      protocol->on_close(*connection, now_ms);
      protocol->detach(*connection);
    }
  }

  VenueId venue_;
  std::vector<std::unique_ptr<FakeConnection>> connections_;

 public:
  std::int64_t now_ms = kStartMs;
  Violations violations;
  Market market;
  MarketView view;
  Faults faults;
  std::unique_ptr<VenueProtocol> inner;
  std::unique_ptr<FaultyVenue> protocol;
};

/// `token` (text or number) in units of 10^-decimals.
inline std::int64_t units(const Json& token, int decimals) {
  const double value =
      token.is_string() ? std::stod(token.get<std::string>()) : token.get<double>();
  return std::llround(value * std::pow(10.0, decimals));
}

/// A book rebuilt from messages.
struct Rebuilt {
  std::map<std::int64_t, std::int64_t, std::greater<>> bids;
  std::map<std::int64_t, std::int64_t> asks;

  template <class SideMap>
  static void set(SideMap& side, std::int64_t price, std::int64_t size) {
    if (size == 0) {
      side.erase(price);
    } else {
      side[price] = size;
    }
  }
  void truncate(std::size_t depth) {
    while (bids.size() > depth) bids.erase(std::prev(bids.end()));
    while (asks.size() > depth) asks.erase(std::prev(asks.end()));
  }
  /// Whether it is exactly the `depth` best levels of `book`.
  [[nodiscard]] bool equals(const Book& book, std::size_t depth) const {
    return side_equals(bids, book.bids, depth) && side_equals(asks, book.asks, depth);
  }

 private:
  template <class SideMap>
  static bool side_equals(const SideMap& side, const std::vector<Level>& truth, std::size_t depth) {
    if (side.size() != std::min(depth, truth.size())) return false;
    std::size_t place = 0;
    for (const auto& [price, size] : side) {
      if (truth[place] != Level{price, size}) return false;
      ++place;
    }
    return true;
  }
};

/// One side of a book as a client keeps it: sizes by price, of `[["price","size"],…]`.
using Side = std::map<double, double>;

inline Side side_of(const Json& levels) {
  Side side;
  for (const Json& level : levels) {
    side[std::stod(level[0].get<std::string>())] = std::stod(level[1].get<std::string>());
  }
  return side;
}

/// As a client that never trims: a delete must name a level that is there.
inline void apply_levels(Side& side, const Json& levels) {
  for (const auto& [price, size] : side_of(levels)) {
    if (size == 0) {
      CHECK(side.erase(price) == 1);
    } else {
      side[price] = size;
    }
  }
}

}  // namespace spreadwatch::sim::venue_test
