#include "tests/faults/watch.h"

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <set>
#include <sstream>
#include <variant>

namespace spreadwatch::test {

std::string name_of(const Instrument& instrument) {
  return instrument.base + "-" + instrument.quote;
}

bool names(std::string_view text, std::string_view asset) {
  return std::ranges::search(text, asset, [](char a, char b) {
           return std::toupper(static_cast<unsigned char>(a)) == b;
         }).begin() != text.end();
}

void MetricWatch::run(const std::stop_token& stop) {
  constexpr milliseconds kEvery{50};
  std::mutex never;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    sample(registry_.text());
    std::unique_lock lock(never);
    wake.wait_for(lock, stop, kEvery, [] { return false; });
  }
}

void MetricWatch::sample(const std::string& text) {
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

void Watch::on_event(MarketEvent event) {
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

void Watch::on_raw(VenueId venue, const ingest::Frame& frame, bool sent) {
  if (!keep_) return;
  const std::lock_guard lock(mutex_);
  raw_.push_back({venue, sent, SteadyClock::now(), frame.origin, std::string{frame.payload},
                  std::string{frame.channel}, std::string{frame.symbol}, frame.receive_time,
                  frame.connection});
}

void Watch::mark() {
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

void Watch::take(const OrderBook& book) {
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

void Watch::on_spread(const SpreadEvent& event) {
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

}  // namespace spreadwatch::test
