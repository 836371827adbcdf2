#include "ingest/live/book_audit.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "ingest/live/rest_fallback.h"

namespace spreadwatch::ingest {
namespace {

constexpr double kSpareForAll = 0.5;  // of the REST budget

using metrics::AuditOutcome;

struct HighestFirst {
  bool operator()(const Decimal& a, const Decimal& b) const { return a > b; }
};
struct LowestFirst {
  bool operator()(const Decimal& a, const Decimal& b) const { return a < b; }
};

/// One side of a snapshot, brought forward by later changes.
template <class Before>
class Side {
 public:
  explicit Side(const std::vector<Level>& levels) {
    for (const Level& level : levels) {
      if (!level.size.is_zero()) levels_.insert_or_assign(level.price, level.size);
    }
    if (!levels_.empty()) worst_ = levels_.rbegin()->first;
  }

  void change(const std::vector<Level>& changes) {
    for (const Level& level : changes) {
      if (level.size.is_zero()) {
        levels_.erase(level.price);
      } else {
        levels_.insert_or_assign(level.price, level.size);
      }
    }
  }

  /// The best levels, no more than `most`. With `cut` only those that the snapshot has covered: it
  /// knows nothing of what lies behind its last level.
  std::vector<Level> best(std::size_t most, bool cut) const {
    std::vector<Level> out;
    for (const auto& [price, size] : levels_) {
      if (out.size() == most) break;
      if (cut && worst_ && Before{}(*worst_, price)) break;
      out.push_back({price, size});
    }
    return out;
  }

 private:
  std::map<Decimal, Decimal, Before> levels_;
  std::optional<Decimal> worst_;
};

std::string level_text(const Level* level) {
  return level == nullptr ? "nothing" : level->price.to_string() + " x " + level->size.to_string();
}

/// What differs first between the two sides' best levels, or an empty text.
std::string difference_of(const char* side, const std::vector<Level>& expected,
                          const std::vector<Level>& maintained, std::size_t levels) {
  for (std::size_t i = 0; i < levels; ++i) {
    const Level* const a = i < expected.size() ? &expected[i] : nullptr;
    const Level* const b = i < maintained.size() ? &maintained[i] : nullptr;
    if (a == nullptr && b == nullptr) break;
    if (a != nullptr && b != nullptr && a->price == b->price && a->size == b->size) continue;
    return std::string{side} + " " + std::to_string(i + 1) + " is " + level_text(b) +
           ", the venue says " + level_text(a);
  }
  return {};
}

}  // namespace

BookAudit::BookAudit(VenueContext context, Settings settings, OnMismatch on_mismatch)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url),
      on_mismatch_(std::move(on_mismatch)),
      match_(context_.normalizer.adapter().profile().match) {}

BookAudit::~BookAudit() { context_.normalizer.set_tap({}, nullptr); }

void BookAudit::watch(const Instrument& instrument) {
  streams_[instrument] = context_.normalizer.adapter().book_stream(instrument, settings_.depth);
}

void BookAudit::forget(const Instrument& instrument) {
  streams_.erase(instrument);
  if (suspect_ == instrument) suspect_.reset();
  if (phase_ != Phase::kIdle && instrument_ == instrument) broken_ = true;
}

/// Where a message lies on the line that REST and socket have in common.
std::optional<std::int64_t> BookAudit::position(const BookMessage& message) const {
  if (match_ == VenueProfile::Match::kSequence) {
    return message.cross_sequence ? message.cross_sequence : message.sequence;
  }
  // Bithumb's socket counts microseconds, its REST milliseconds.
  if (message.exchange_time) return to_ms(*message.exchange_time);
  return std::nullopt;
}

void BookAudit::tick(SteadyTime now) {
  if (stopping_ || match_ == VenueProfile::Match::kNothing || settings_.interval.count() == 0) {
    return;
  }
  switch (phase_) {
    case Phase::kIdle:
      if (!next_at_) next_at_ = now + settings_.interval;
      if (now >= *next_at_) begin(now);
      break;
    case Phase::kRecording:
      if (now >= deadline_) request(now);
      break;
    case Phase::kRequested:
      break;
    case Phase::kComparing:
      compare(now);
      break;
  }
}

void BookAudit::begin(SteadyTime now) {
  next_at_ = now + settings_.interval;
  const auto fit = [this](const Instrument& instrument, const std::string& stream) {
    const MaintainedBook* const book = context_.normalizer.find(stream);
    const bool polled =
        context_.fallback != nullptr && context_.fallback->active(Channel::kOrderBook, instrument);
    return book != nullptr && book->book().synced() && !polled;
  };
  auto at = streams_.end();
  if (suspect_) at = streams_.find(*suspect_);
  if (at == streams_.end() || !fit(at->first, at->second)) {
    suspect_.reset();
    at = last_ ? streams_.upper_bound(*last_) : streams_.begin();
    for (std::size_t tried = 0; tried < streams_.size(); ++tried, ++at) {
      if (at == streams_.end()) at = streams_.begin();
      if (fit(at->first, at->second)) break;
      if (tried + 1 == streams_.size()) return;
    }
    if (at == streams_.end()) return;
  }
  instrument_ = at->first;
  last_ = instrument_;
  stream_ = at->second;
  broken_ = false;
  kept_.clear();
  const OrderBook& book = context_.normalizer.find(stream_)->book();
  epoch_ = book.epoch;
  // What stands there counts as the first message. Where another number orders the messages than
  // the book shows, the first change tells where it stood.
  BookMessage& first = kept_.emplace_back();
  first.sequence = book.sequence;
  first.exchange_time = book.exchange_time;
  first.bids = book.bids;
  first.asks = book.asks;
  start_ = position(first);
  context_.normalizer.set_tap(stream_, this);
  phase_ = Phase::kRecording;
  deadline_ = now + kLead;
}

void BookAudit::on_message(const BookMessage& message, const OrderBook& book) {
  if (!book.synced() || book.epoch != epoch_ || kept_.size() >= kMaxKept) broken_ = true;
  if (broken_) return;
  const bool whole = message.rule == BookRule::kReplace;
  if (!whole && message.snapshot) {
    broken_ = true;
    return;
  }
  if (!whole) {
    const std::optional<std::int64_t> here = position(message);
    if (kept_.size() == 1 && message.cross_sequence) {
      start_ = here;  // until now it was `u`, which is of another series
    } else {
      const std::optional<std::int64_t> last = kept_.size() == 1 ? start_ : position(kept_.back());
      if (here && last && *here <= *last) {
        // Seen before, or a venue that began to count anew.
        broken_ = message.rule == BookRule::kLinked && *here < *last;
        return;
      }
    }
  }
  kept_.push_back(message);
}

void BookAudit::request(SteadyTime now) {
  if (broken_) return finish(AuditOutcome::kNotComparable, now);
  RestCall call =
      context_.normalizer.adapter().polled_call(std::span{&instrument_, 1}, settings_.depth);
  call.channel = kAuditChannel;
  const auto not_sent =
      rest_.get({.call = std::move(call), .timeout = settings_.timeout, .reserve = kSpareForAll},
                now, [this, audit = audits_](const RestCall& sent, const RestResult& result) {
                  on_answer(audit, sent, result);
                });
  if (not_sent) {
    // Not worth waiting for: the next turn comes.
    context_.normalizer.set_tap({}, nullptr);
    kept_.clear();
    phase_ = Phase::kIdle;
    return;
  }
  phase_ = Phase::kRequested;
}

void BookAudit::on_answer(std::uint64_t audit, const RestCall& call, const RestResult& result) {
  if (stopping_ || audit != audits_) return;
  const SteadyTime now = steady_now();
  if (!result) {
    spdlog::debug("{} {}: no book to compare with: {}", to_string(settings_.venue),
                  instrument_.name(), result.error().error.detail);
    return finish(AuditOutcome::kFailed, now);
  }
  rest_.decode(rest_.record(call, *result, Channel::kOrderBook), decoded_);
  for (const DecodeError& error : decoded_.errors) context_.metrics.decode_error(error.error.code);
  const auto book =
      std::find_if(decoded_.books.begin(), decoded_.books.end(), [this](const BookMessage& m) {
        return context_.normalizer.adapter().instrument(m.symbol) == instrument_;
      });
  if (book == decoded_.books.end()) return finish(AuditOutcome::kFailed, now);
  snapshot_ = *book;
  phase_ = Phase::kComparing;
  deadline_ = now + kPatience;
  compare(now);
}

void BookAudit::compare(SteadyTime now) {
  if (broken_ || !position(snapshot_)) return finish(AuditOutcome::kNotComparable, now);
  const MaintainedBook* const book = context_.normalizer.find(stream_);
  if (book == nullptr || !book->book().synced() || book->book().epoch != epoch_) {
    return finish(AuditOutcome::kNotComparable, now);
  }
  const bool whole = kept_.size() > 1 ? kept_.back().rule == BookRule::kReplace
                                      : match_ == VenueProfile::Match::kTime;
  if (whole) {
    compare_whole(now);
  } else {
    compare_changes(now);
  }
}

void BookAudit::compare_changes(SteadyTime now) {
  const std::int64_t at = *position(snapshot_);
  const std::optional<std::int64_t> newest = kept_.size() > 1 ? position(kept_.back()) : start_;
  if (!start_ || !newest || *newest < at) {
    if (now >= deadline_) finish(AuditOutcome::kNotComparable, now);
    return;
  }
  if (at < *start_) return finish(AuditOutcome::kNotComparable, now);

  Side<HighestFirst> bids(snapshot_.bids);
  Side<LowestFirst> asks(snapshot_.asks);
  for (std::size_t i = 1; i < kept_.size(); ++i) {
    const std::optional<std::int64_t> sequence = position(kept_[i]);
    if (!sequence) return finish(AuditOutcome::kNotComparable, now);
    if (*sequence <= at) continue;
    bids.change(kept_[i].bids);
    asks.change(kept_[i].asks);
  }
  const OrderBook& book = context_.normalizer.find(stream_)->book();
  // A side of fewer levels than were requested is the whole side; else more may lie behind it.
  const auto depth = static_cast<std::size_t>(std::max(1, settings_.depth));
  const std::size_t levels = std::min(kLevels, depth);
  const bool bids_cut = snapshot_.bids.size() >= std::min<std::size_t>(depth, 100);
  const bool asks_cut = snapshot_.asks.size() >= std::min<std::size_t>(depth, 100);
  const std::vector<Level> best_bids = bids.best(levels, bids_cut);
  const std::vector<Level> best_asks = asks.best(levels, asks_cut);
  const std::size_t bid_levels = bids_cut ? best_bids.size() : levels;
  const std::size_t ask_levels = asks_cut ? best_asks.size() : levels;
  if (bid_levels == 0 || ask_levels == 0) return finish(AuditOutcome::kNotComparable, now);
  std::string detail = difference_of("bid", best_bids, book.bids, bid_levels);
  if (detail.empty()) detail = difference_of("ask", best_asks, book.asks, ask_levels);
  if (detail.empty()) return finish(AuditOutcome::kEqual, now);
  differs(detail, now);
}

void BookAudit::compare_whole(SteadyTime now) {
  const std::int64_t at = *position(snapshot_);
  const std::size_t levels =
      std::min(kLevels, static_cast<std::size_t>(std::max(1, settings_.depth)));
  const std::vector<Level> bids = Side<HighestFirst>(snapshot_.bids).best(levels, false);
  const std::vector<Level> asks = Side<LowestFirst>(snapshot_.asks).best(levels, false);
  std::string detail;
  std::optional<std::int64_t> newest;
  for (const BookMessage& message : kept_) {
    const std::optional<std::int64_t> here = position(message);
    if (!here) continue;
    newest = std::max(newest.value_or(*here), *here);
    if (*here != at) continue;
    std::string found =
        difference_of("bid", bids, Side<HighestFirst>(message.bids).best(levels, false), levels);
    if (found.empty()) {
      found =
          difference_of("ask", asks, Side<LowestFirst>(message.asks).best(levels, false), levels);
    }
    if (found.empty()) return finish(AuditOutcome::kEqual, now);
    if (detail.empty()) detail = std::move(found);
  }
  // While the newest message is of the same time, another one may be on its way.
  if ((!newest || *newest <= at) && now < deadline_) return;
  if (detail.empty()) return finish(AuditOutcome::kNotComparable, now);
  differs(detail, now);
}

void BookAudit::differs(const std::string& detail, SteadyTime now) {
  if (match_ == VenueProfile::Match::kTime && suspect_ != instrument_) {
    suspect_ = instrument_;
    finish(AuditOutcome::kSuspect, now);
    next_at_ = now;
    return;
  }
  suspect_.reset();
  const Instrument instrument = instrument_;
  finish(AuditOutcome::kUnequal, now);
  on_mismatch_(instrument, "the book differs from the venue's over REST: " + detail);
}

void BookAudit::finish(AuditOutcome outcome, SteadyTime now) {
  context_.metrics.audit(outcome);
  context_.normalizer.set_tap({}, nullptr);
  kept_.clear();
  phase_ = Phase::kIdle;
  next_at_ = now + settings_.interval;
  ++audits_;
  if (outcome == AuditOutcome::kEqual) suspect_.reset();
}

}  // namespace spreadwatch::ingest
