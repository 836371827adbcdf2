// Each fault of the simulator at each exchange it applies to, against the live layer and the engine
// as `run` has them. What is printed is the table of ingest/recovery.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "ingest/book/normalizer.h"
#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "publish/records.h"
#include "tests/app/process.h"
#include "tests/faults/expectations.h"
#include "tests/faults/simulated.h"
#include "tests/faults/watch.h"

namespace spreadwatch::test {
namespace {

/// How long a book may stand still when its venue's clock jumps, which it does by more.
constexpr milliseconds kClockSteps{5000};
/// How soon after a loss the metric and the pairs' reasons have to show it.
constexpr milliseconds kShownWithin{1000};
/// How soon a venue's other markets are back when one of them is denied after a reconnect.
constexpr milliseconds kOthersBack{5000};

class World {
 public:
  explicit World(bool keep)
      : venues_(config(), "liveness_ms: " + std::to_string(kLiveness.count()),
                "spread: { max_quiet_ms: " + std::to_string(kQuiet.count()) + " }\n") {
    std::vector<VenueId> venues;
    for (const config::VenueSettings& venue : settings().venues) venues.push_back(venue.id);
    metrics_.emplace(registry_, venues);
    metric_watch_.emplace(registry_);
    const config::Loaded& loaded = venues_.loaded();
    watch_.emplace(loaded.settings, loaded.registry, keep);
    ingest::LiveOptions options;
    options.first_rejection = kFirstRejection;
    feeds_.emplace(loaded.settings, loaded.registry,
                   ingest::wanted_instruments(loaded.settings, loaded.registry), clock_, *watch_,
                   *metrics_, options);
    feeds_->start();
  }
  ~World() { feeds_->stop(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const config::Settings& settings() const { return venues_.loaded().settings; }
  Watch& watch() { return *watch_; }
  MetricWatch& metrics() { return *metric_watch_; }
  std::string struck(VenueId venue) const {
    return std::string{kStruck} + "-" + settings().venue(venue)->quote;
  }

  Json control(const std::string& path, const std::string& method = "GET",
               const std::string& body = "") const {
    return venues_.control(path, method, body);
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
    config.assets = {std::string{kStruck}, std::string{kOther}};
    config.seed = 11;
    config.base_port = 0;
    return config;
  }

  SimulatedVenues venues_;
  SystemClock clock_;
  metrics::Registry registry_;
  std::optional<metrics::IngestMetrics> metrics_;
  std::optional<MetricWatch> metric_watch_;
  std::optional<Watch> watch_;
  std::optional<ingest::LiveFeeds> feeds_;
};

std::string joined(const FirstSeen& words) {
  std::string out;
  for (const auto& [word, at] : words) out.append(out.empty() ? "" : ", ").append(word);
  return out.empty() ? "-" : out;
}

// --- nobody else's output
// --------------------------------------------------------------------------------

/// Whether a payload is about the struck market alone, told without our decoders.
bool about_struck(const RawFrame& raw) {
  if (!raw.symbol.empty()) return names(raw.symbol, kStruck);
  if (names(raw.payload, kOther) || names(raw.payload, "USDT-KRW") ||
      names(raw.payload, "USDT_KRW") || names(raw.payload, "KRW-USDT")) {
    return false;
  }
  if (names(raw.payload, kStruck)) return true;
  // What the fault has made unreadable; a venue's own words are JSON, but for a pong.
  return raw.payload != "pong" && !Json::accept(raw.payload);
}

/// The records of the markets that were not struck, as they would be published.
class Records final : public ingest::MarketSink {
 public:
  void on_ticker(const Ticker& ticker) override {
    if (ticker.instrument.base != kStruck) add(publish::make_record(ticker));
  }
  void on_order_book(const std::string&, const OrderBook& book) override {
    constexpr int kDepth = 30;
    if (book.instrument.base != kStruck) add(publish::make_record(book, kDepth));
  }
  void on_error(const FeedError&) override {}

  std::vector<std::string> lines;

 private:
  void add(const publish::KafkaRecord& record) {
    lines.push_back(std::to_string(static_cast<int>(record.topic)) + "/" +
                    std::to_string(record.partition) + " " + record.key + " " + record.value);
  }
};

/// What was received is decoded twice, with and without the struck market's messages: what comes
/// out for the others must be the same to the byte.
void check_others(VenueId venue, const std::vector<RawFrame>& raw,
                  SteadyClock::time_point struck_at, std::size_t& compared) {
  ingest::Normalizer with(venue);
  ingest::Normalizer without(venue);
  Records all;
  Records others;
  std::size_t left_out = 0;
  const bool replaces = with.adapter().profile().subscribe_replaces;
  for (const RawFrame& one : raw) {
    if (one.venue != venue) continue;
    if (one.sent) {
      // Only the struck market may be asked for again, but where every list is the whole list.
      if (one.at > struck_at && !replaces) {
        INFO(to_string(venue), " was sent ", one.payload);
        CHECK_FALSE(names(one.payload, kOther));
      }
      continue;
    }
    if (one.channel == ingest::kPolledChannel || one.channel == ingest::kAuditChannel) continue;
    with.feed(one.frame(), all);
    if (about_struck(one)) {
      ++left_out;
    } else {
      without.feed(one.frame(), others);
    }
  }
  CHECK(left_out > 0);
  CHECK(!all.lines.empty());
  CHECK(all.lines == others.lines);
  compared += all.lines.size();
}

/// The row of the printed table for one fault at one venue.
struct Seen {
  std::string as = "goes on";
  std::optional<long> noticed_ms;
  std::optional<long> recovered_ms;
  FirstSeen errors;
  FirstSeen metrics;
};

void strike(World& world, const Row& row, const std::vector<VenueId>& venues,
            std::map<VenueId, Seen>& seen) {
  REQUIRE(test::eventually(milliseconds{40'000}, [&] { return world.all_synced_over_ws(); }));
  for (const VenueId venue : venues) {
    CHECK(test::eventually(milliseconds{5000},
                           [&] { return world.true_book(venue, world.struck(venue)); }));
  }
  world.watch().mark();
  world.metrics().mark();
  std::map<VenueId, SteadyClock::time_point> start;
  const bool clock_skew = row.fault == "clock_skew";
  const bool for_good = row.fault == "delist";
  for (const VenueId venue : venues) {
    Json order = row.parameters.is_null() ? Json::object() : row.parameters;
    order["fault"] = row.fault;
    order["venue"] = to_string(venue);
    const bool whole_venue = row.fault == "ban" || row.fault == "maintenance" || clock_skew;
    order["symbol"] = whole_venue ? Json() : Json(world.struck(venue));
    start[venue] = SteadyClock::now();
    world.control("/v1/faults", "POST", order.dump());
    if (row.then_close) {
      world.control(
          "/v1/faults", "POST",
          Json{{"fault", "close"}, {"venue", to_string(venue)}, {"symbol", nullptr}}.dump());
    }
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
      if (for_good) return log.lost_at && !log.synced && log.told_inactive;
      return log.lost_at || log.shown_over_rest > 0;
    };
    const auto reported = [&] {
      const FirstSeen errors = world.watch().errors(venue);
      return expected.errors.empty() || std::ranges::any_of(expected.errors, [&](const auto& e) {
               return errors.contains(e);
             });
    };
    const auto reasoned = [&] {
      const FirstSeen reasons = world.watch().reasons(venue);
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
    if (!for_good) {
      CHECK(test::eventually(expected.recovered, [&] {
        const MarketLog log = world.watch().log(venue, symbol);
        return log.synced && log.origin == Origin::kWs && world.true_book(venue, symbol);
      }));
    }
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
    // The counter and the pairs' reasons say so within a second.
    const auto shown = [&](const auto& where, const std::string& what,
                           SteadyClock::time_point since) {
      static_cast<void>(test::eventually(kShownWithin, [&] { return where().contains(what); }));
      const FirstSeen all = where();
      const auto at = all.find(what);
      INFO(what, " in ", joined(all), " after ", at == all.end() ? -1 : ms_since(since, at->second),
           " ms");
      CHECK((at != all.end() && at->second - since <= kShownWithin));
    };
    const auto metrics = [&] { return world.metrics().changed(venue); };
    if (log.lost_at) {
      const std::size_t slash = log.lost_as.find('/');
      const std::string reason = log.lost_as.substr(slash + 1);
      if (reason != "-") {
        shown(metrics, metric_of(log.lost_as.substr(0, slash), reason), *log.lost_at);
      }
      // What is over sooner than the pairs are told anew need not be told.
      const bool lasted = !log.back_at || *log.back_at - *log.lost_at > kShownWithin;
      if (lasted && log.shown_over_rest == 0) {
        shown([&] { return world.watch().reasons(venue); }, "book_not_synced", *log.lost_at);
      }
    } else if (log.shown_over_rest > 0) {
      CHECK(metrics().contains("rest_fallback_active"));
    }
    for (const auto& [error, at] : s.errors) {
      if (!expected.errors.contains(error)) continue;
      const bool ended_connection = log.lost_as == "down/" + error;
      shown(metrics, metric_of(ended_connection ? "down" : "", error), at);
    }
    s.metrics = metrics();
    if (!log.lost_at && log.shown_over_rest > 0) s.as = "polled over REST";
    if (for_good) CHECK_FALSE(world.watch().log(venue, symbol).synced);
    CHECK(log.crossed == 0);
    if (row.fault == "unknown_symbol") {
      // The venue's other market did not wait for it.
      const MarketLog other = world.watch().log(
          venue, std::string{kOther} + "-" + world.settings().venue(venue)->quote);
      CHECK((other.lost_at && other.back_at && *other.back_at - *other.lost_at < kOthersBack));
    }
    if (clock_skew) {
      const bool ahead = row.parameters["ms"].get<int>() > 0;
      const auto clock_right =
          start[venue] + milliseconds{row.parameters["duration_ms"].get<int>()};
      const auto stale = [&]() -> std::optional<SteadyClock::time_point> {
        const FirstSeen reasons = world.watch().reasons(venue);
        const auto at = reasons.find("stale_leg");
        return at == reasons.end() ? std::nullopt : std::optional{at->second};
      };
      if (ahead) {
        // Stale only from when the clock comes back, which is a clock that is set back.
        CHECK(test::eventually(milliseconds{6000}, [&] { return stale().has_value(); }));
        CHECK((stale() && *stale() > clock_right - milliseconds{200}));
      } else {
        CHECK(test::eventually(milliseconds{6000},
                               [&] { return world.watch().has_fresh_pair(venue); }));
      }
      // Numbers made from that clock fall with it, and the book goes on all the same.
      CHECK(test::eventually(kClockSteps, [&] {
        return world.watch().log(venue, symbol).shown_at > clock_right + milliseconds{500};
      }));
      CHECK(world.watch().log(venue, symbol).longest_pause < kClockSteps);
    }
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
  table << "| fault | exchange | book becomes | noticed | back after | errors | metrics |\n| --- "
           "| --- | --- | --- | --- | --- | --- |\n";
  std::size_t compared = 0;
  for (const Row& row : rows()) {
    if (only != nullptr && row.fault != only) continue;
    std::optional<World> world;
    std::map<VenueId, Seen> seen;
    // Half of the exchanges at a time, so that the other half can show that it does not notice.
    for (const bool even : {true, false}) {
      // A new world each, since repeated failure cools a book off; what is delisted
      // and which clocks were set back stays.
      if (!world || row.fault == "delist" || row.fault == "clock_skew") {
        world.reset();
        world.emplace(spoils_messages(row.fault));
      }
      REQUIRE(test::eventually(milliseconds{20'000}, [&] { return world->all_synced_over_ws(); }));
      std::set<std::string> applies;
      for (const Json& fault : world->control("/v1/faults")) {
        if (fault["fault"] == row.fault) applies = fault["venues"].get<std::set<std::string>>();
      }
      std::vector<VenueId> venues;
      for (const config::VenueSettings& venue : world->settings().venues) {
        if ((static_cast<int>(venue.id) % 2 == 0) != even) continue;
        if (applies.contains(std::string{to_string(venue.id)})) venues.push_back(venue.id);
      }
      if (venues.empty()) continue;
      const auto struck_at = SteadyClock::now();
      strike(*world, row, venues, seen);
      CHECK(world->control("/v1/violations") == Json::array());
      if (!spoils_messages(row.fault)) continue;
      CHECK(test::eventually(milliseconds{10'000}, [&] {
        return std::ranges::all_of(venues, [&](VenueId venue) {
          return world->watch().heard_of_other(venue, struck_at) >= 5;
        });
      }));
      const std::vector<RawFrame> raw = world->watch().raw();
      for (const VenueId venue : venues) {
        INFO(row.fault, " at ", to_string(venue));
        check_others(venue, raw, struck_at, compared);
      }
    }
    for (const auto& [venue, s] : seen) {
      const auto ms = [](const std::optional<long>& value) {
        return value ? std::to_string(*value) + " ms" : "-";
      };
      table << "| `" << (row.label.empty() ? row.fault : row.label) << "` | " << to_string(venue)
            << " | " << s.as << " | " << ms(s.noticed_ms) << " | " << ms(s.recovered_ms) << " | "
            << joined(s.errors) << " | " << joined(s.metrics) << " |\n";
    }
  }
  std::cout << table.str() << "\nrecords of other markets, the same to the byte: " << compared
            << "\n";
  std::ofstream(std::string{SPREADWATCH_BINARY_DIR} + "/fault_table.md") << table.str();
}

}  // namespace
}  // namespace spreadwatch::test
