#include "ingest/book/order_book.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <utility>

namespace spreadwatch::ingest {
namespace {

struct BidOrder {
  bool operator()(const Decimal& a, const Decimal& b) const { return a > b; }
};
struct AskOrder {
  bool operator()(const Decimal& a, const Decimal& b) const { return a < b; }
};

/// A whole side: best first, one level a price (the later one wins), nothing of size zero.
template <class Before>
void load_side(std::vector<Level>& side, const std::vector<Level>& levels, Before before) {
  side.assign(levels.begin(), levels.end());
  const auto out_of_order = [&](const Level& a, const Level& b) {
    return !before(a.price, b.price);
  };
  if (std::adjacent_find(side.begin(), side.end(), out_of_order) != side.end()) {
    std::stable_sort(side.begin(), side.end(),
                     [&](const Level& a, const Level& b) { return before(a.price, b.price); });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < side.size(); ++i) {
      if (i + 1 < side.size() && side[i].price == side[i + 1].price) continue;
      side[kept++] = side[i];
    }
    side.resize(kept);
  }
  std::erase_if(side, [](const Level& level) { return level.size.is_zero(); });
}

/// Sets, inserts or removes levels one by one, in the order they came.
template <class Before>
void change_one_by_one(std::vector<Level>& side, const std::vector<Level>& changes, Before before) {
  for (const Level& change : changes) {
    const auto at = std::lower_bound(
        side.begin(), side.end(), change.price,
        [&](const Level& level, const Decimal& price) { return before(level.price, price); });
    const bool exists = at != side.end() && at->price == change.price;
    if (change.size.is_zero()) {
      if (exists) side.erase(at);
    } else if (exists) {
      *at = change;  // the price too: its written digits may differ
    } else {
      side.insert(at, change);
    }
  }
}

/// As change_one_by_one(). Changes that come best first, as nearly all do, move the levels behind
/// them once for all removals and once for all insertions instead of once each, which is what a
/// deep book's time goes into.
template <class Before>
void change_side(std::vector<Level>& side, const std::vector<Level>& changes, Before before,
                 SideScratch& scratch) {
  const auto out_of_order = [&](const Level& a, const Level& b) {
    return !before(a.price, b.price);
  };
  if (changes.size() < 2 ||
      std::adjacent_find(changes.begin(), changes.end(), out_of_order) != changes.end()) {
    change_one_by_one(side, changes, before);
    return;
  }
  scratch.removed.clear();
  scratch.inserted.clear();
  auto at = side.begin();
  for (const Level& change : changes) {
    at = std::lower_bound(
        at, side.end(), change.price,
        [&](const Level& level, const Decimal& price) { return before(level.price, price); });
    const auto index = static_cast<std::size_t>(at - side.begin());
    if (at != side.end() && at->price == change.price) {
      if (change.size.is_zero()) {
        scratch.removed.push_back(index);
      } else {
        *at = change;
      }
    } else if (!change.size.is_zero()) {
      // Where it goes once the removed ones before it are gone.
      scratch.inserted.emplace_back(index - scratch.removed.size(), &change);
    }
  }
  if (!scratch.removed.empty()) {
    auto to = side.begin() + static_cast<std::ptrdiff_t>(scratch.removed.front());
    for (std::size_t i = 0; i < scratch.removed.size(); ++i) {
      const auto from = side.begin() + static_cast<std::ptrdiff_t>(scratch.removed[i]) + 1;
      const auto until = i + 1 < scratch.removed.size()
                             ? side.begin() + static_cast<std::ptrdiff_t>(scratch.removed[i + 1])
                             : side.end();
      to = std::move(from, until, to);
    }
    side.erase(to, side.end());
  }
  if (!scratch.inserted.empty()) {
    std::size_t until = side.size();
    side.resize(side.size() + scratch.inserted.size());
    for (std::size_t i = scratch.inserted.size(); i-- > 0;) {
      const auto [index, level] = scratch.inserted[i];
      const auto begin = side.begin();
      std::move_backward(begin + static_cast<std::ptrdiff_t>(index),
                         begin + static_cast<std::ptrdiff_t>(until),
                         begin + static_cast<std::ptrdiff_t>(until + i + 1));
      side[index + i] = *level;
      until = index;
    }
  }
}

/// Writes the digits of `value` without its point, with at least `scale` decimals; returns the end.
/// REQUIRES: room for kMantissaText characters.
constexpr std::size_t kMantissaText = 1 + Decimal::kMaxDigits + Decimal::kMaxScale;
char* write_mantissa(char* out, const Decimal& value, int scale) {
  out = value.write_mantissa(out);
  for (int zeros = scale - value.scale(); zeros > 0; --zeros) *out++ = '0';
  return out;
}

/// Digits without point and leading zeros of the `levels` best levels, padded to at least the
/// scales given.
void append_digits(std::string& out, const std::vector<Level>& side, std::size_t levels,
                   int price_scale, int size_scale) {
  std::array<char, 2 * kMantissaText> text;  // written before it is read
  for (std::size_t i = 0; i < std::min(levels, side.size()); ++i) {
    char* const price_end = write_mantissa(text.data(), side[i].price, price_scale);
    out.append(text.data(), write_mantissa(price_end, side[i].size, size_scale));
  }
}

/// The CRC32 of what `before` is the checksum of, followed by the text.
std::uint32_t crc32_of(std::uint32_t before, const std::string& text) {
  return ::libdeflate_crc32(before, text.data(), text.size());
}

}  // namespace

MaintainedBook::MaintainedBook(const VenueProfile& venue, Instrument instrument) : venue_(&venue) {
  book_.venue = venue.id;
  book_.instrument = std::move(instrument);
}

MaintainedBook::Outcome MaintainedBook::apply(const BookMessage& message, Origin origin) {
  rule_ = message.rule;
  // A snapshot is a new attempt: should it fail too, that is worth a report and another
  // subscription.
  const bool starts_anew = message.snapshot && message.rule != BookRule::kReplace;
  if (starts_anew) reported_ = false;
  switch (message.rule) {
    case BookRule::kReplace:
      return apply_replace(message, origin);
    case BookRule::kBufferedDiff:
      return apply_buffered(message, origin);
    case BookRule::kLinked:
      return apply_linked(message, origin);
    case BookRule::kNumbered:
      return apply_numbered(message, origin);
    case BookRule::kChecksum:
      return apply_checksum(message, origin);
  }
  return {};
}

bool MaintainedBook::is_continued_by(const BookMessage& message) const {
  switch (message.rule) {
    case BookRule::kReplace:
      return !message.exchange_time || !book_.exchange_time ||
             *message.exchange_time >= *book_.exchange_time;
    case BookRule::kBufferedDiff:
      return message.snapshot ||
             (message.first_sequence && last_ && *message.first_sequence <= *last_ + 1);
    case BookRule::kLinked:
    case BookRule::kNumbered:
    case BookRule::kChecksum:
      return message.snapshot;
  }
  return false;
}

// Whole books. An older one is dropped by its number. A lower number with a later time is a venue
// that began to count anew, and so are several lower ones in a row on a socket, where the numbers
// are made from a clock that was set back: what is only late does not come in such numbers. Over
// REST the same number again confirms the book and is shown.
MaintainedBook::Outcome MaintainedBook::apply_replace(const BookMessage& message, Origin origin) {
  if (message.sequence && last_ && *message.sequence <= *last_) {
    const bool renumbered = message.exchange_time && book_.exchange_time &&
                            *message.exchange_time > *book_.exchange_time;
    const bool confirmed = *message.sequence == *last_ && origin == Origin::kRest;
    if (!renumbered && !confirmed && !counts_anew(*message.sequence, origin)) return duplicate();
  }
  older_in_a_row_ = 0;
  // Behind a REST address several machines may answer, one later than the other.
  if (book_.connection == kPolledConnection && !message.sequence && message.exchange_time &&
      book_.exchange_time && *message.exchange_time < *book_.exchange_time) {
    return duplicate();
  }
  load(message);
  return follow(message, origin);
}

bool MaintainedBook::counts_anew(std::int64_t sequence, Origin origin) {
  if (origin != Origin::kWs || sequence == *last_) return false;
  older_in_a_row_ = older_in_a_row_ > 0 && sequence > older_ ? older_in_a_row_ + 1 : 1;
  older_ = sequence;
  return older_in_a_row_ >= kOlderInARow;
}

// Deltas over a REST snapshot: they wait for it, then must follow each other without a hole.
MaintainedBook::Outcome MaintainedBook::apply_buffered(const BookMessage& message, Origin origin) {
  if (message.snapshot) {
    if (origin == Origin::kWs) {  // a full push replaces whatever there is
      buffered_.clear();
      load(message);
      truncate(message.depth);
      return follow(message, origin);
    }
    return join(message, origin);
  }
  if (!message.sequence || !message.first_sequence) {
    return fault(ErrorCode::kSchemaMismatch, "a change without update ids");
  }
  last_delta_ = message.sequence;
  if (!book_.synced()) return wait(message);
  const std::int64_t last = last_.value_or(0);
  if (*message.sequence <= last) return duplicate();
  if (*message.first_sequence > last + 1) {
    Outcome outcome = gap("change starts at " + std::to_string(*message.first_sequence) +
                          ", expected " + std::to_string(last + 1));
    buffered_.push_back(message);
    return outcome;
  }
  change(message);
  truncate(message.depth);
  return follow(message, origin);
}

MaintainedBook::Outcome MaintainedBook::wait(const BookMessage& delta) {
  if (buffered_.size() >= kMaxBuffered) {
    // The oldest goes; a later snapshot can still join what is left.
    buffered_.pop_front();
    ++duplicates_;
  }
  buffered_.push_back(delta);
  return {false, Need::kSnapshot, std::nullopt};
}

MaintainedBook::Outcome MaintainedBook::join(const BookMessage& snapshot, Origin origin) {
  if (!snapshot.sequence) return fault(ErrorCode::kSchemaMismatch, "a snapshot without update id");
  const std::int64_t base = *snapshot.sequence;
  if (book_.synced() && last_ && base < *last_) return duplicate();

  while (!buffered_.empty() && *buffered_.front().sequence <= base) buffered_.pop_front();
  const bool too_old = buffered_.empty() ? last_delta_ && base < *last_delta_
                                         : *buffered_.front().first_sequence > base + 1;
  if (too_old) {
    // Older than what waits, or than what a fault has cost: what lies between is lost to this
    // snapshot, not to a newer one.
    return {false, Need::kSnapshot, std::nullopt};
  }
  load(snapshot);
  truncate(snapshot.depth);
  const BookMessage* newest = &snapshot;
  std::int64_t last = base;
  for (const BookMessage& delta : buffered_) {
    if (*delta.sequence <= last) {
      ++duplicates_;
      continue;
    }
    if (*delta.first_sequence > last + 1) {
      while (&buffered_.front() != &delta) buffered_.pop_front();
      std::deque<BookMessage> rest = std::move(buffered_);
      Outcome outcome = gap("change starts at " + std::to_string(*delta.first_sequence) +
                            ", expected " + std::to_string(last + 1));
      buffered_ = std::move(rest);
      return outcome;
    }
    change(delta);
    truncate(delta.depth);
    last = *delta.sequence;
    newest = &delta;
  }
  // Kept until it is read: a book that turns out crossed forgets what waits.
  const std::deque<BookMessage> joined = std::exchange(buffered_, {});
  Outcome outcome = follow(*newest, newest == &snapshot ? origin : Origin::kWs);
  if (outcome.show) book_.origin = origin;
  return outcome;
}

// The number that a change follows must be the last one, which jumps and after maintenance falls.
// Recordings from before the numbers carry a CRC32 instead.
MaintainedBook::Outcome MaintainedBook::apply_linked(const BookMessage& message, Origin origin) {
  if (message.snapshot) {
    load(message);
  } else {
    if (!book_.synced()) return missing_snapshot();
    if (message.sequence || last_) {
      if (!message.sequence || !message.previous_sequence || !last_ ||
          *message.previous_sequence != *last_) {
        // The same state again is harmless. A lower number is not proof of age, since numbers may
        // fall.
        if (message.sequence && last_ && *message.sequence == *last_) return duplicate();
        return gap(
            std::string{venue_->proof.previous} + " " +
            (message.previous_sequence ? std::to_string(*message.previous_sequence) : "missing") +
            ", expected " + (last_ ? std::to_string(*last_) : "none"));
      }
    }
    change(message);
  }
  if (!message.sequence && message.checksum && !checksum_matches(*message.checksum)) {
    return checksum_mismatch();
  }
  return follow(message, origin);
}

// A change carries on where the last one ended, by the venue's numbers. Sizes are absolute, so a
// range that overlaps what is known is as good.
MaintainedBook::Outcome MaintainedBook::apply_numbered(const BookMessage& message, Origin origin) {
  const BookProof& proof = venue_->proof;
  const bool ranges = !proof.first.empty();
  if (message.snapshot || (proof.restarts_at_one && message.sequence == 1)) {
    load(message);
  } else {
    if (!book_.synced()) return missing_snapshot();
    const auto& first = ranges ? message.first_sequence : message.sequence;
    if (!message.sequence || !first || !last_) {
      return gap("a change without " + (ranges ? std::string{proof.first} + " and " : "") +
                 std::string{proof.number});
    }
    if (*message.sequence <= *last_) return duplicate();
    if (*first > *last_ + 1) {
      return gap(std::string{ranges ? proof.first : proof.number} + " " + std::to_string(*first) +
                 ", expected " + std::to_string(*last_ + 1));
    }
    change(message);
  }
  truncate(message.depth);
  return follow(message, origin);
}

// No numbers: levels beyond the depth are cut unannounced, and a CRC32 over the best proves the
// rest.
MaintainedBook::Outcome MaintainedBook::apply_checksum(const BookMessage& message, Origin origin) {
  if (message.snapshot) {
    load(message);
    const int levels = static_cast<int>(std::max(book_.bids.size(), book_.asks.size()));
    inferred_depth_ = venue_->offered_depth(std::max(levels, 1));
  } else {
    if (!book_.synced()) return missing_snapshot();
    change(message);
  }
  truncate(depth_ > 0 ? depth_ : message.depth > 0 ? message.depth : inferred_depth_);
  if (message.checksum && !checksum_matches(*message.checksum)) return checksum_mismatch();
  return follow(message, origin);
}

MaintainedBook::Outcome MaintainedBook::reject(const Error& error) {
  return book_.synced() ? fault(error.code, error.detail) : Outcome{};
}

void MaintainedBook::invalidate(FeedState state, std::optional<ErrorCode> reason) {
  // Deltas that are still under way when a faulted stream is subscribed anew are no second fault,
  // and neither are those of a fault that the caller has found.
  reported_ = state == FeedState::kFaulted ||
              (state == FeedState::kSyncing && reported_ && book_.state == FeedState::kFaulted);
  empty(state, reason);
  buffered_.clear();
  if (state != FeedState::kFaulted) last_delta_.reset();
}

void MaintainedBook::load(const BookMessage& message) {
  load_side(book_.bids, message.bids, BidOrder{});
  load_side(book_.asks, message.asks, AskOrder{});
  bids_changed_ = asks_changed_ = true;
}

void MaintainedBook::change(const BookMessage& message) {
  change_side(book_.bids, message.bids, BidOrder{}, scratch_);
  change_side(book_.asks, message.asks, AskOrder{}, scratch_);
  bids_changed_ = bids_changed_ || !message.bids.empty();
  asks_changed_ = asks_changed_ || !message.asks.empty();
}

void MaintainedBook::truncate(int depth) {
  if (depth <= 0) return;
  const auto levels = static_cast<std::size_t>(depth);
  if (book_.bids.size() > levels) book_.bids.resize(levels);
  if (book_.asks.size() > levels) book_.asks.resize(levels);
}

MaintainedBook::Outcome MaintainedBook::follow(const BookMessage& message, Origin origin) {
  truncate(static_cast<int>(kMaxLevels));
  last_ = message.sequence;
  if (!book_.bids.empty() && !book_.asks.empty() &&
      book_.bids.front().price >= book_.asks.front().price) {
    Outcome outcome = fault(ErrorCode::kCrossedBook, "bid " + book_.bids.front().price.to_string() +
                                                         " at or above ask " +
                                                         book_.asks.front().price.to_string());
    if (message.rule == BookRule::kReplace) last_ = message.sequence;  // it was new, if not usable
    return outcome;
  }
  if (!book_.synced()) {
    if (was_synced_) ++resyncs_;
    was_synced_ = true;
    book_.state = FeedState::kSynced;
    book_.reason.reset();
    reported_ = false;
  }
  book_.origin = origin;
  book_.sequence = message.sequence;
  book_.exchange_time = message.exchange_time;
  return {true, Need::kNothing, std::nullopt};
}

MaintainedBook::Outcome MaintainedBook::gap(const std::string& detail) {
  ++gaps_;
  return fault(ErrorCode::kSequenceGap, detail);
}

MaintainedBook::Outcome MaintainedBook::missing_snapshot() {
  if (reported_) return {};
  return fault(ErrorCode::kSnapshotMissing, "a change before the snapshot");
}

MaintainedBook::Outcome MaintainedBook::duplicate() {
  ++duplicates_;
  return {};
}

MaintainedBook::Outcome MaintainedBook::fault(ErrorCode code, std::string detail) {
  const bool again = reported_;
  empty(FeedState::kFaulted, code);
  buffered_.clear();
  reported_ = true;
  Outcome outcome;
  if (rule_ == BookRule::kBufferedDiff) {
    outcome.need = Need::kSnapshot;
  } else if (rule_ != BookRule::kReplace && !again) {
    outcome.need = Need::kResubscribe;
  }
  if (!again) outcome.error = Error{code, std::move(detail)};
  return outcome;
}

void MaintainedBook::empty(FeedState state, std::optional<ErrorCode> reason) {
  book_.bids.clear();
  book_.asks.clear();
  book_.state = state;
  book_.reason = reason;
  book_.sequence.reset();
  book_.exchange_time.reset();
  ++book_.epoch;
  forget_sequence();
}

MaintainedBook::Outcome MaintainedBook::checksum_mismatch() {
  ++checksum_mismatches_;
  return fault(ErrorCode::kChecksumMismatch,
               "CRC32 of the best " + std::to_string(venue_->proof.levels) + " levels differs");
}

bool MaintainedBook::checksum_matches(std::uint32_t expected) {
  switch (venue_->proof.text) {
    case BookProof::Text::kNone:
      return true;
    case BookProof::Text::kByLevel:
      return checksum_by_level_matches(expected);
    case BookProof::Text::kBySide:
      return checksum_by_side_matches(expected);
  }
  return true;
}

bool MaintainedBook::checksum_by_level_matches(std::uint32_t expected) {
  text_.clear();
  const std::size_t levels =
      std::min(venue_->proof.levels, std::max(book_.bids.size(), book_.asks.size()));
  const auto append = [this](const std::vector<Level>& side, std::size_t i) {
    if (i >= side.size()) return;
    if (!text_.empty()) text_.push_back(':');
    side[i].price.append_as_written(text_);
    text_.push_back(':');
    side[i].size.append_as_written(text_);
  };
  for (std::size_t i = 0; i < levels; ++i) {
    append(book_.bids, i);
    append(book_.asks, i);
  }
  return crc32_of(0, text_) == expected;
}

// The text is the best asks, then bids. A message that left a side alone left its part alone.
bool MaintainedBook::checksum_by_side_matches(std::uint32_t expected) {
  const std::size_t levels = venue_->proof.levels;
  if (asks_changed_) {
    text_.clear();
    append_digits(text_, book_.asks, levels, 0, 0);
    asks_crc_ = crc32_of(0, text_);
  }
  if (bids_changed_) {
    bids_text_.clear();
    append_digits(bids_text_, book_.bids, levels, 0, 0);
  }
  asks_changed_ = bids_changed_ = false;
  if (crc32_of(asks_crc_, bids_text_) == expected) return true;
  // The text has the market's full decimals. Whoever wrote the numbers shorter dropped zeros only,
  // and the longest number of the book tells how many belong there.
  int price_scale = 0;
  int size_scale = 0;
  for (const std::vector<Level>* side : {&book_.asks, &book_.bids}) {
    for (const Level& level : *side) {
      price_scale = std::max(price_scale, level.price.scale());
      size_scale = std::max(size_scale, level.size.scale());
    }
  }
  text_.clear();
  append_digits(text_, book_.asks, levels, price_scale, size_scale);
  append_digits(text_, book_.bids, levels, price_scale, size_scale);
  return crc32_of(0, text_) == expected;
}

}  // namespace spreadwatch::ingest
