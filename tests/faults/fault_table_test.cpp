// Each fault of the simulator at each exchange it applies to, against the live layer and the engine
// as `run` has them. What is printed is the table of ingest/faults.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <variant>

#include "config/loader.h"
#include "ingest/live_feeds.h"
#include "metrics/registry.h"
#include "sim/simulator.h"
#include "spread/engine.h"
#include "tests/app/process.h"

namespace spreadwatch {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kLiveness{4000};
constexpr milliseconds kQuiet{6000};

/// Where the faults strike; every other market of the venue must not notice.
constexpr std::string_view kStruck = "BTC";

std::string name_of(const Instrument& instrument) {
  return instrument.base + "-" + instrument.quote;
}

/// What became of one market since the last mark().
struct MarketLog {
  bool synced = false;
  Origin origin = Origin::kWs;
  std::optional<std::int64_t> sequence;
  std::vector<Level> bids;
  std::vector<Level> asks;
  // since the mark:
  std::optional<SteadyClock::time_point> lost_at;
  std::string lost_as;  // state and reason
  std::optional<SteadyClock::time_point> back_at;
  std::optional<SteadyClock::time_point> one_sided_at;
  int crossed = 0;
  int shown_over_rest = 0;
};

/// Everything the live layer says, and what the engine makes of it. The engine runs on the feeds'
/// thread.
class Watch final : public ingest::LiveSink, private spread::EventSink {
 public:
  Watch(const config::Settings& settings, const config::AssetRegistry& registry)
      : settings_(settings), engine_(settings, registry, *this) {}

  void on_event(MarketEvent event) override {
    const Timestamp now = clock_.now();
    const std::lock_guard lock(mutex_);
    engine_.on(event, now);
    if (const auto* const book = std::get_if<OrderBook>(&event)) take(*book);
    if (const auto* const error = std::get_if<FeedError>(&event)) {
      errors_[error->venue].insert(std::string{to_string(error->error.code)});
    }
  }

  void mark() {
    const std::lock_guard lock(mutex_);
    for (auto& [key, log] : logs_) {
      log.lost_at.reset(), log.back_at.reset(), log.one_sided_at.reset();
      log.lost_as.clear();
      log.crossed = log.shown_over_rest = 0;
    }
    errors_.clear();
    reasons_.clear();
    numbers_without_book_ = 0;
  }

  MarketLog log(VenueId venue, const std::string& symbol) const {
    const std::lock_guard lock(mutex_);
    const auto at = logs_.find({venue, symbol});
    return at == logs_.end() ? MarketLog{} : at->second;
  }
  std::map<std::pair<VenueId, std::string>, MarketLog> logs() const {
    const std::lock_guard lock(mutex_);
    return logs_;
  }
  std::set<std::string> errors(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = errors_.find(venue);
    return at == errors_.end() ? std::set<std::string>{} : at->second;
  }
  /// Reasons that pair rows of the struck asset at this venue have had.
  std::set<std::string> reasons(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = reasons_.find(venue);
    return at == reasons_.end() ? std::set<std::string>{} : at->second;
  }
  int numbers_without_book() const {
    const std::lock_guard lock(mutex_);
    return numbers_without_book_;
  }

 private:
  void take(const OrderBook& book) {
    MarketLog& log = logs_[{book.venue, name_of(book.instrument)}];
    const auto now = SteadyClock::now();
    if (!book.synced()) {
      if (log.synced && !log.lost_at) {
        log.lost_at = now;
        log.lost_as = std::string{to_string(book.state)} + "/" +
                      (book.reason ? std::string{to_string(*book.reason)} : "-");
      }
      log.synced = false;
      log.bids.clear(), log.asks.clear();
      return;
    }
    if (!log.synced && log.lost_at && !log.back_at && book.origin == Origin::kWs) log.back_at = now;
    if (book.origin == Origin::kRest) ++log.shown_over_rest;
    if (log.lost_at && book.origin == Origin::kWs && log.origin == Origin::kRest && !log.back_at)
      log.back_at = now;
    log.synced = true;
    log.origin = book.origin;
    log.sequence = book.sequence;
    log.bids = book.bids, log.asks = book.asks;
    if (book.bids.empty() || book.asks.empty()) {
      if (!log.one_sided_at) log.one_sided_at = now;
    } else if (book.bids.front().price >= book.asks.front().price) {
      ++log.crossed;
    }
  }

  void on_fx(const fx::FxEvent&) override {}
  void on_premium(const spread::PremiumEvent&) override {}
  void on_spread(const spread::SpreadEvent& event) override {
    if (event.asset != kStruck) return;
    for (const VenueId venue : {event.buy, event.sell}) {
      event.reasons.for_each(
          [&](Reason reason) { reasons_[venue].insert(std::string{to_string(reason)}); });
      const config::VenueSettings* const settings = settings_.venue(venue);
      const auto leg = logs_.find({venue, event.asset + "-" + settings->quote});
      if (event.net_ratio && (leg == logs_.end() || !leg->second.synced)) ++numbers_without_book_;
    }
  }
  void on_opportunity(const spread::OpportunityEvent&) override {}

  const config::Settings& settings_;
  SystemClock clock_;
  mutable std::mutex mutex_;
  spread::Engine engine_;
  std::map<std::pair<VenueId, std::string>, MarketLog> logs_;
  std::map<VenueId, std::set<std::string>> errors_;
  std::map<VenueId, std::set<std::string>> reasons_;
  int numbers_without_book_ = 0;
};

/// What a fault has to do to the market it strikes.
enum class Effect : std::uint8_t {
  kNothing,     // the book goes on
  kBook,        // this book alone is invalidated
  kConnection,  // every book of the venue is
  kEither,      // the venue's rule or the socket decides; other venues go on
};

struct Expected {
  Effect effect = Effect::kNothing;
  std::set<std::string> as;           ///< allowed "state/reason" of the loss; empty = any
  std::set<std::string> errors = {};  ///< one of these codes is reported; empty = none asked for
  std::set<std::string> pair_reasons =
      {};  ///< one of these is a reason of the asset's pairs at the venue
  milliseconds noticed{1000};
  milliseconds recovered{15'000};
};

struct Row {
  std::string fault;
  Json parameters = Json::object();
  bool then_close = false;  ///< the fault shows only when the venue is connected to anew
  /// By venue, since the integrity rules differ.
  std::function<Expected(VenueId)> expected;
};

bool has_sequence(VenueId venue) {
  return venue == VenueId::kOkx || venue == VenueId::kBybit || venue == VenueId::kGateio ||
         venue == VenueId::kBinance;
}
bool sends_changes(VenueId venue) { return has_sequence(venue) || venue == VenueId::kKraken; }

Expected lost_message(VenueId venue) {
  if (has_sequence(venue)) return {Effect::kBook, {"faulted/sequence_gap"}, {"sequence_gap"}};
  if (venue == VenueId::kKraken)
    return {Effect::kBook, {"faulted/checksum_mismatch"}, {"checksum_mismatch"}};
  return {};  // the next message is the whole book
}

Expected unreadable_message(VenueId venue, const std::string& code) {
  Expected e = lost_message(venue);
  e.as.clear();
  e.errors = {code};
  // A frame that cannot be read does not say whose it is. Whole books heal with the next one.
  if (!sends_changes(venue)) e.effect = Effect::kEither;
  return e;
}

std::vector<Row> rows() {
  const auto all = [](const Expected& e) { return [e](VenueId) { return e; }; };
  return {
      {"gap", {}, false, lost_message},
      {"bad_checksum",
       {},
       false,
       [](VenueId) {
         return Expected{Effect::kBook, {"faulted/checksum_mismatch"}, {"checksum_mismatch"}};
       }},
      {"duplicate", {}, false, all({})},
      {"reorder",
       {},
       false,
       [](VenueId venue) {
         Expected e = lost_message(venue);
         // The checksum of the second is right again when the two did not touch the same levels.
         if (venue == VenueId::kKraken) e.effect = Effect::kEither;
         return e;
       }},
      {"crossed", {}, false, all({Effect::kBook, {"faulted/crossed_book"}, {"crossed_book"}})},
      {"one_sided", {}, false, all({Effect::kNothing, {}, {}, {"one_sided"}})},
      {"malformed", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"truncated", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"binary", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"oversized",
       {},
       false,
       all({Effect::kConnection, {"down/oversized_frame"}, {"oversized_frame"}})},
      {"drip", {}, false, all({})},
      {"late",
       {{"duration_ms", 8000}, {"ms", 6000}},
       false,
       all({Effect::kEither, {}, {}, {"stale_leg"}, milliseconds{10'000}})},
      {"close", {}, false, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"reset",
       {},
       false,
       all({Effect::kConnection, {"down/closed_by_peer", "down/connect_failed"}})},
      {"stale_snapshot", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"http_429", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"http_418",
       {{"retry_after_s", 2}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {},
            {},
            milliseconds{1000},
            milliseconds{25'000}})},
      {"http_5xx", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"ban",
       {{"duration_ms", 3000}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {},
            {},
            milliseconds{1000},
            milliseconds{30'000}})},
      {"maintenance",
       {{"notice_ms", 300}},
       false,
       [](VenueId venue) {
         Expected e{Effect::kConnection, {}, {}, {}, milliseconds{2000}};
         if (venue == VenueId::kKraken) e.effect = Effect::kEither;  // its connections stay
         return e;
       }},
      {"freeze_stream",
       {{"duration_ms", 9000}},
       false,
       all({Effect::kBook, {}, {}, {}, kQuiet + milliseconds{2000}, milliseconds{30'000}})},
      {"freeze_socket",
       {},
       false,
       all({Effect::kConnection,
            {"down/timeout"},
            {},
            {},
            kLiveness + milliseconds{2000},
            milliseconds{25'000}})},
  };
}

class World {
 public:
  World() : simulator_(config()) {
    simulator_.start();
    thread_ = std::jthread([this] { simulator_.run(); });
    ready_ = Json::parse(simulator_.ready_line());
    std::ostringstream text;
    text << "assets: [BTC, ETH]\nvenues:\n";
    for (const auto& [venue, urls] : ready_["venues"].items()) {
      text << "  " << venue << ": { liveness_ms: " << kLiveness.count()
           << ", ws_url: " << urls["ws_url"] << ", rest_url: " << urls["rest_url"] << " }\n";
    }
    text << "spread: { max_quiet_ms: " << kQuiet.count() << " }\n";
    loaded_ = config::load_text(text.str(), "faults.yaml");
    for (const config::Finding& finding : loaded_.errors) MESSAGE(finding.text());
    REQUIRE(loaded_.ok());
    std::vector<VenueId> venues;
    for (const config::VenueSettings& venue : loaded_.settings.venues) venues.push_back(venue.id);
    metrics_.emplace(registry_, venues);
    watch_.emplace(loaded_.settings, loaded_.registry);
    feeds_.emplace(loaded_.settings, loaded_.registry,
                   ingest::wanted_instruments(loaded_.settings, loaded_.registry), clock_, *watch_,
                   *metrics_);
    feeds_->start();
  }
  ~World() {
    feeds_->stop();
    simulator_.stop();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const config::Settings& settings() const { return loaded_.settings; }
  Watch& watch() { return *watch_; }
  std::string struck(VenueId venue) const {
    return std::string{kStruck} + "-" + settings().venue(venue)->quote;
  }

  Json control(const std::string& path, const std::string& method = "GET",
               const std::string& body = "") const {
    const test::HttpAnswer answer =
        test::http_get(ready_["control_url"].get<std::string>() + path, method, body);
    INFO(method, " ", path, " ", body, " -> ", answer.status, " ", answer.body);
    REQUIRE(answer.status / 100 == 2);
    return answer.body.empty() ? Json() : Json::parse(answer.body);
  }

  bool all_synced_over_ws() const {
    const auto logs = watch_->logs();
    std::size_t books = 0;
    for (const auto& [key, log] : logs) {
      if (!log.synced || log.origin != Origin::kWs) return false;
      ++books;
    }
    return books == ingest_books();
  }
  /// Two assets a venue, and five FX markets.
  std::size_t ingest_books() const { return settings().venues.size() * 2 + 5; }

  /// The book shown is the venue's true one: by number where it has one, else by its levels.
  bool true_book(VenueId venue, const std::string& symbol) const {
    const Json truth = control("/v1/books/" + std::string{to_string(venue)} + "/" + symbol);
    const MarketLog log = watch_->log(venue, symbol);
    if (!log.synced || log.bids.empty() || log.asks.empty()) return false;
    if (truth["sequence"].is_number() && log.sequence &&
        *log.sequence != truth["sequence"].get<std::int64_t>())
      return false;
    const auto same = [](const Json& levels, const std::vector<Level>& shown) {
      for (std::size_t i = 0; i < std::min<std::size_t>({levels.size(), shown.size(), 5}); ++i) {
        if (levels[i][0].get<double>() != shown[i].price.to_double()) return false;
        if (levels[i][1].get<double>() != shown[i].size.to_double()) return false;
      }
      return true;
    };
    return same(truth["bids"], log.bids) && same(truth["asks"], log.asks);
  }

 private:
  static sim::SimulatorConfig config() {
    sim::SimulatorConfig config;
    config.assets = {"BTC", "ETH"};
    config.seed = 11;
    config.base_port = 0;
    return config;
  }

  sim::Simulator simulator_;
  std::jthread thread_;
  Json ready_;
  config::Loaded loaded_;
  SystemClock clock_;
  metrics::Registry registry_;
  std::optional<metrics::IngestMetrics> metrics_;
  std::optional<Watch> watch_;
  std::optional<ingest::LiveFeeds> feeds_;
};

std::string joined(const std::set<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out.empty() ? "-" : out;
}

/// The row of the printed table for one fault at one venue.
struct Seen {
  std::string as = "goes on";
  std::optional<long> noticed_ms;
  std::optional<long> recovered_ms;
  std::set<std::string> errors;
};

void strike(World& world, const Row& row, const std::vector<VenueId>& venues,
            std::map<VenueId, Seen>& seen) {
  REQUIRE(test::eventually(milliseconds{40'000}, [&] { return world.all_synced_over_ws(); }));
  for (const VenueId venue : venues) {
    CHECK(test::eventually(milliseconds{5000},
                           [&] { return world.true_book(venue, world.struck(venue)); }));
  }
  world.watch().mark();
  std::map<VenueId, SteadyClock::time_point> start;
  for (const VenueId venue : venues) {
    Json order = row.parameters.is_null() ? Json::object() : row.parameters;
    order["fault"] = row.fault;
    order["venue"] = to_string(venue);
    const bool whole_venue = row.fault == "ban" || row.fault == "maintenance";
    order["symbol"] = whole_venue ? Json() : Json(world.struck(venue));
    world.control("/v1/faults", "POST", order.dump());
    if (row.then_close) {
      world.control(
          "/v1/faults", "POST",
          Json{{"fault", "close"}, {"venue", to_string(venue)}, {"symbol", nullptr}}.dump());
    }
    start[venue] = SteadyClock::now();
  }
  const auto ms_since = [](SteadyClock::time_point from, SteadyClock::time_point to) {
    return static_cast<long>(std::chrono::duration_cast<milliseconds>(to - from).count());
  };
  for (const VenueId venue : venues) {
    const Expected expected = row.expected(venue);
    const std::string symbol = world.struck(venue);
    INFO(row.fault, " at ", to_string(venue));
    // Taken back, or already replaced by what is polled.
    const auto lost = [&] {
      const MarketLog log = world.watch().log(venue, symbol);
      return log.lost_at || log.shown_over_rest > 0;
    };
    const auto reported = [&] {
      const std::set<std::string> errors = world.watch().errors(venue);
      return expected.errors.empty() || std::ranges::any_of(expected.errors, [&](const auto& e) {
               return errors.contains(e);
             });
    };
    const auto reasoned = [&] {
      const std::set<std::string> reasons = world.watch().reasons(venue);
      return expected.pair_reasons.empty() ||
             std::ranges::any_of(expected.pair_reasons,
                                 [&](const auto& r) { return reasons.contains(r); });
    };
    // The next book change of a market may be most of a second away, so that much is added to the
    // bound.
    const milliseconds notice = expected.noticed + milliseconds{1500};
    CHECK(test::eventually(notice, [&] {
      const bool effect =
          expected.effect == Effect::kNothing || expected.effect == Effect::kEither || lost();
      return effect && reported() && reasoned();
    }));
    if (row.fault == "duplicate" ||
        row.fault == "drip") {  // nothing may come of it: let it have passed
      CHECK(test::eventually(milliseconds{5000}, [&] {
        for (const Json& fault : world.control("/v1/faults")) {
          if (fault["fault"] != row.fault) continue;
          for (const Json& one : fault["started"]) {
            if (one["venue"] == to_string(venue) && one["touched"].get<int>() == 0) return false;
          }
        }
        return true;
      }));
    }
  }
  for (const VenueId venue : venues) {
    const Expected expected = row.expected(venue);
    const std::string symbol = world.struck(venue);
    INFO(row.fault, " at ", to_string(venue));
    CHECK(test::eventually(expected.recovered, [&] {
      const MarketLog log = world.watch().log(venue, symbol);
      return log.synced && log.origin == Origin::kWs && world.true_book(venue, symbol);
    }));
    const MarketLog log = world.watch().log(venue, symbol);
    Seen& s = seen[venue];
    s.errors = world.watch().errors(venue);
    if (log.lost_at) {
      s.as = log.lost_as;
      s.noticed_ms = ms_since(start[venue], *log.lost_at);
      if (log.back_at) s.recovered_ms = ms_since(*log.lost_at, *log.back_at);
      CHECK(expected.effect != Effect::kNothing);
      if (expected.effect != Effect::kEither && !expected.as.empty()) {
        INFO("lost as ", log.lost_as);
        CHECK(expected.as.contains(log.lost_as));
      }
    }
    if (!log.lost_at && log.shown_over_rest > 0) s.as = "polled over REST";
    CHECK(log.crossed == 0);
  }
  // Nobody else has noticed.
  for (const auto& [key, log] : world.watch().logs()) {
    const bool at_struck_venue = std::ranges::find(venues, key.first) != venues.end();
    if (at_struck_venue && (key.second == world.struck(key.first))) continue;
    const Effect effect = at_struck_venue ? row.expected(key.first).effect : Effect::kNothing;
    if (effect == Effect::kConnection || effect == Effect::kEither) continue;
    INFO(row.fault, ": ", to_string(key.first), " ", key.second, " ", log.lost_as);
    CHECK_FALSE(log.lost_at.has_value());
  }
  CHECK(world.watch().numbers_without_book() == 0);
  world.control("/v1/faults", "DELETE");
}

TEST_CASE("every fault at every exchange is noticed, hurts nobody else and is recovered from") {
  const char* const only =
      std::getenv("SPREADWATCH_FAULT");  // NOLINT(concurrency-mt-unsafe): one thread reads it
  std::ostringstream table;
  table << "| fault | exchange | book becomes | noticed | back after | errors |\n| --- | --- | --- "
           "| --- | --- | --- |\n";
  for (const Row& row : rows()) {
    if (only != nullptr && row.fault != only) continue;
    World world;  // a new one each, since repeated failure cools a book off
    REQUIRE(test::eventually(milliseconds{20'000}, [&] { return world.all_synced_over_ws(); }));
    std::set<std::string> applies;
    for (const Json& fault : world.control("/v1/faults")) {
      if (fault["fault"] == row.fault) applies = fault["venues"].get<std::set<std::string>>();
    }
    std::map<VenueId, Seen> seen;
    // Half of the exchanges at a time, so that the other half can show that it does not notice.
    for (const bool even : {true, false}) {
      std::vector<VenueId> venues;
      for (const config::VenueSettings& venue : world.settings().venues) {
        if ((static_cast<int>(venue.id) % 2 == 0) != even) continue;
        if (applies.contains(std::string{to_string(venue.id)})) venues.push_back(venue.id);
      }
      if (!venues.empty()) strike(world, row, venues, seen);
    }
    CHECK(world.control("/v1/violations") == Json::array());
    for (const auto& [venue, s] : seen) {
      const auto ms = [](const std::optional<long>& value) {
        return value ? std::to_string(*value) + " ms" : "-";
      };
      table << "| `" << row.fault << "` | " << to_string(venue) << " | " << s.as << " | "
            << ms(s.noticed_ms) << " | " << ms(s.recovered_ms) << " | " << joined(s.errors)
            << " |\n";
    }
  }
  std::cout << table.str();
  std::ofstream(std::string{SPREADWATCH_BINARY_DIR} + "/fault_table.md") << table.str();
}

}  // namespace
}  // namespace spreadwatch
