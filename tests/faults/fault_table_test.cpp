// Each fault of the simulator at each exchange it applies to, against the live layer and the engine
// as `run` has them. What is printed is the table of ingest/recovery.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
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

#include "ingest/live_feeds.h"
#include "ingest/normalizer.h"
#include "metrics/registry.h"
#include "publish/records.h"
#include "spread/engine.h"
#include "tests/app/process.h"
#include "tests/faults/simulated.h"

namespace spreadwatch {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kLiveness{4000};
constexpr milliseconds kQuiet{6000};
/// Of what a venue does not know; 60 s in earnest.
constexpr milliseconds kFirstRejection{3000};
/// How soon after a loss the metric and the pairs' reasons have to show it.
// How long a book may stand still when its venue's clock jumps, which it does by more.
constexpr milliseconds kClockSteps{5000};
constexpr milliseconds kShownWithin{1000};
/// How soon a venue's other markets are back when one of them is denied after a reconnect.
constexpr milliseconds kOthersBack{5000};

/// Where the faults strike; every other market of the venue must not notice.
constexpr std::string_view kStruck = "BTC";
/// Which is this one, besides FX. Not ETH: every "method" names that.
constexpr std::string_view kOther = "XRP";

std::string name_of(const Instrument& instrument) {
  return instrument.base + "-" + instrument.quote;
}

/// Whether a text names an asset, in whatever case and spelling.
bool names(std::string_view text, std::string_view asset) {
  return std::ranges::search(text, asset, [](char a, char b) {
           return std::toupper(static_cast<unsigned char>(a)) == b;
         }).begin() != text.end();
}

/// What became of one market since the last mark().
struct MarketLog {
  bool synced = false;
  Origin origin = Origin::kWs;
  SteadyClock::time_point shown_at{};  // the last time
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
  SteadyClock::duration longest_pause{};  // between two books shown
  bool told_inactive = false;
};

/// One payload as the live layer had it.
struct RawFrame {
  VenueId venue{};
  bool sent = false;
  SteadyClock::time_point at;
  Origin origin = Origin::kWs;
  std::string payload;
  std::string channel;
  std::string symbol;
  std::optional<Timestamp> receive_time;
  std::uint32_t connection = 0;

  ingest::Frame frame() const {
    return {origin, payload, channel, symbol, receive_time, connection};
  }
};

using FirstSeen = std::map<std::string, SteadyClock::time_point>;

/// When counters of a venue first changed after the mark, by their names without prefix and venue.
/// Threads: samples on one of its own.
class MetricWatch {
 public:
  explicit MetricWatch(const metrics::Registry& registry)
      : registry_(registry), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void mark() {
    const std::lock_guard lock(mutex_);
    first_.clear();
  }
  FirstSeen changed(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = first_.find(std::string{to_string(venue)});
    return at == first_.end() ? FirstSeen{} : at->second;
  }

 private:
  void run(const std::stop_token& stop) {
    constexpr milliseconds kEvery{50};
    std::mutex never;
    std::condition_variable_any wake;
    while (!stop.stop_requested()) {
      sample(registry_.text());
      std::unique_lock lock(never);
      wake.wait_for(lock, stop, kEvery, [] { return false; });
    }
  }
  void sample(const std::string& text) {
    static const std::set<std::string> kWatched{"gaps_total",           "checksum_mismatches_total",
                                                "decode_errors_total",  "duplicates_total",
                                                "disconnections_total", "rest_fallback_active"};
    constexpr std::string_view kPrefix = "spreadwatch_ingest_";
    const auto now = SteadyClock::now();
    const std::lock_guard lock(mutex_);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(kPrefix)) continue;
      const std::size_t brace = line.find('{');
      const std::size_t space = line.rfind(' ');
      if (brace == std::string::npos || space == std::string::npos) continue;
      std::string name = line.substr(kPrefix.size(), brace - kPrefix.size());
      if (!kWatched.contains(name)) continue;
      const auto label = [&](const std::string& key) {
        const std::size_t at = line.find(key + "=\"");
        if (at == std::string::npos) return std::string{};
        const std::size_t from = at + key.size() + 2;
        return line.substr(from, line.find('"', from) - from);
      };
      if (const std::string reason = label("reason"); !reason.empty()) name += "{" + reason + "}";
      const double value = std::stod(line.substr(space + 1));
      const std::string venue = label("venue");
      const auto [last, fresh] = last_.try_emplace(venue + " " + name, value);
      if (!fresh && value > last->second) first_[venue].try_emplace(name, now);
      last->second = value;
    }
  }

  const metrics::Registry& registry_;
  mutable std::mutex mutex_;
  std::map<std::string, double> last_;
  std::map<std::string, FirstSeen> first_;  // by venue
  std::jthread thread_;                     // last: joined before the rest goes
};

/// The metric that counts a reason.
std::string metric_of(const std::string& state, const std::string& reason) {
  if (state == "down" && reason != "unknown_symbol") return "disconnections_total{" + reason + "}";
  if (reason == "sequence_gap") return "gaps_total";
  if (reason == "checksum_mismatch") return "checksum_mismatches_total";
  return "decode_errors_total{" + reason + "}";
}

/// Everything the live layer says, and what the engine makes of it. The engine runs on the feeds'
/// thread.
class Watch final : public ingest::LiveSink, private spread::EventSink {
 public:
  /// With `keep`, everything received and sent is kept for received().
  Watch(const config::Settings& settings, const config::AssetRegistry& registry, bool keep)
      : settings_(settings), keep_(keep), engine_(settings, registry, *this) {}

  void on_event(MarketEvent event) override {
    const Timestamp now = clock_.now();
    const std::lock_guard lock(mutex_);
    engine_.on(event, now);
    if (const auto* const book = std::get_if<OrderBook>(&event)) take(*book);
    if (const auto* const error = std::get_if<FeedError>(&event)) {
      errors_[error->venue].try_emplace(std::string{to_string(error->error.code)},
                                        SteadyClock::now());
    }
    if (const auto* const status = std::get_if<MarketStatus>(&event)) {
      logs_[{status->venue, name_of(status->instrument)}].told_inactive = !status->active;
    }
  }
  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    if (!keep_) return;
    const std::lock_guard lock(mutex_);
    raw_.push_back({venue, sent, SteadyClock::now(), frame.origin, std::string{frame.payload},
                    std::string{frame.channel}, std::string{frame.symbol}, frame.receive_time,
                    frame.connection});
  }
  std::ptrdiff_t heard_of_other(VenueId venue, SteadyClock::time_point since) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::count_if(raw_, [&](const RawFrame& one) {
      return one.venue == venue && !one.sent && one.at > since && names(one.payload, kOther);
    });
  }
  std::vector<RawFrame> raw() const {
    const std::lock_guard lock(mutex_);
    return raw_;
  }

  void mark() {
    const std::lock_guard lock(mutex_);
    for (auto& [key, log] : logs_) {
      log.lost_at.reset(), log.back_at.reset(), log.one_sided_at.reset();
      log.lost_as.clear();
      log.crossed = log.shown_over_rest = 0;
      log.longest_pause = {};
    }
    marked_at_ = SteadyClock::now();
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
  FirstSeen errors(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = errors_.find(venue);
    return at == errors_.end() ? FirstSeen{} : at->second;
  }
  /// Reasons that pair rows of the struck asset at this venue have had.
  FirstSeen reasons(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = reasons_.find(venue);
    return at == reasons_.end() ? FirstSeen{} : at->second;
  }
  /// Whether a pair of the struck asset with this venue is not called stale now.
  bool has_fresh_pair(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(stale_pairs_, [&](const auto& pair) {
      return (pair.first.first == venue || pair.first.second == venue) && !pair.second;
    });
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
    if (log.shown_at > marked_at_) {
      log.longest_pause = std::max(log.longest_pause, now - log.shown_at);
    }
    log.synced = true;
    log.shown_at = now;
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
    bool& stale = stale_pairs_[{event.buy, event.sell}];
    stale = false;
    event.reasons.for_each([&](Reason reason) { stale = stale || reason == Reason::kStaleLeg; });
    for (const VenueId venue : {event.buy, event.sell}) {
      event.reasons.for_each([&](Reason reason) {
        reasons_[venue].try_emplace(std::string{to_string(reason)}, SteadyClock::now());
      });
      const config::VenueSettings* const settings = settings_.venue(venue);
      const auto leg = logs_.find({venue, event.asset + "-" + settings->quote});
      if (event.net_ratio && (leg == logs_.end() || !leg->second.synced)) ++numbers_without_book_;
    }
  }
  void on_opportunity(const spread::OpportunityEvent&) override {}

  const config::Settings& settings_;
  const bool keep_;
  SystemClock clock_;
  mutable std::mutex mutex_;
  spread::Engine engine_;
  std::map<std::pair<VenueId, std::string>, MarketLog> logs_;
  std::map<VenueId, FirstSeen> errors_;
  std::map<VenueId, FirstSeen> reasons_;
  SteadyClock::time_point marked_at_{};
  std::map<std::pair<VenueId, VenueId>, bool> stale_pairs_;
  std::vector<RawFrame> raw_;
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
  std::string label = {};  ///< in the table, where it is not the fault's name
};

/// Faults of single messages: nobody else's output may differ in a byte.
bool spoils_messages(const std::string& fault) {
  static const std::set<std::string> kThese{"gap",     "bad_checksum", "duplicate", "reorder",
                                            "crossed", "one_sided",    "malformed", "truncated",
                                            "binary",  "drip"};
  return kThese.contains(fault);
}

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
      // The venue denies a market that it has: everything else of it comes back as after any close,
      // and the market when it is asked for again after the fault.
      {"unknown_symbol",
       {{"duration_ms", 6000}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {"unknown_symbol"},
            {},
            milliseconds{6000},
            milliseconds{30'000}})},
      // Streams that end are silent streams until the list says why, which is asked for again when
      // the venue denies the market to those who ask about the silence. Kraken tells.
      {"delist",
       {},
       false,
       [](VenueId venue) {
         Expected e{Effect::kBook, {"down/unknown_symbol"}, {"unknown_symbol"}};
         if (venue != VenueId::kKraken) e.noticed = kQuiet + milliseconds{14'000};
         return e;
       }},
      // A venue's clock that is wrong is no delay...
      {"clock_skew",
       {{"duration_ms", 3000}, {"ms", 10'000}},
       false,
       all({Effect::kNothing, {}, {}, {}}),
       "clock_skew, ahead"},
      // ...but one that is set back looks like one until the window of the estimate has passed.
      {"clock_skew",
       {{"duration_ms", 3000}, {"ms", -10'000}},
       false,
       all({Effect::kNothing, {}, {}, {"stale_leg"}}),
       "clock_skew, set back"},
  };
}

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

  test::SimulatedVenues venues_;
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
  explicit Records(const publish::Topics& topics) : topics_(topics) {}
  void on_ticker(const Ticker& ticker) override {
    if (ticker.instrument.base != kStruck) add(publish::make_record(topics_, ticker));
  }
  void on_order_book(const std::string&, const OrderBook& book) override {
    constexpr int kDepth = 30;
    if (book.instrument.base != kStruck) add(publish::make_record(topics_, book, kDepth));
  }
  void on_error(const FeedError&) override {}

  std::vector<std::string> lines;

 private:
  void add(const publish::KafkaRecord& record) {
    lines.push_back(std::to_string(static_cast<int>(record.topic)) + "/" +
                    std::to_string(record.partition) + " " + record.key + " " + record.value);
  }
  const publish::Topics& topics_;
};

/// What was received is decoded twice, with and without the struck market's messages: what comes
/// out for the others must be the same to the byte.
void check_others(VenueId venue, const std::vector<RawFrame>& raw, const publish::Topics& topics,
                  SteadyClock::time_point struck_at, std::size_t& compared) {
  ingest::Normalizer with(venue);
  ingest::Normalizer without(venue);
  Records all(topics);
  Records others(topics);
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
      const publish::Topics topics(world->settings());
      CHECK(test::eventually(milliseconds{10'000}, [&] {
        return std::ranges::all_of(venues, [&](VenueId venue) {
          return world->watch().heard_of_other(venue, struck_at) >= 5;
        });
      }));
      const std::vector<RawFrame> raw = world->watch().raw();
      for (const VenueId venue : venues) {
        INFO(row.fault, " at ", to_string(venue));
        check_others(venue, raw, topics, struck_at, compared);
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
}  // namespace spreadwatch
