#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "core/market_data.h"
#include "ingest/decoded.h"

namespace spreadwatch::ingest {

/// Keeps one order book stream under its venue's integrity rule.
///
/// The book is either provably the venue's or not shown: any doubt (gap, wrong checksum, crossed, delta
/// without snapshot) empties it at once, raises the epoch and leaves it faulted until the next snapshot.
/// A duplicate or older message that the rule allows is dropped and counted. Bounds: kMaxLevels a side,
/// kMaxBuffered deltas waiting for a REST snapshot.
/// Threads: one at a time.
class MaintainedBook {
 public:
  static constexpr std::size_t kMaxLevels = 20'000;
  static constexpr std::size_t kMaxBuffered = 1'000;

  enum class Need : std::uint8_t {
    kNothing,
    kSnapshot,    ///< fetch a REST snapshot (again); buffered deltas are kept
    kResubscribe  ///< unsubscribe and subscribe this stream
  };

  struct Outcome {
    bool show = false;            ///< book() is synced and may be shown
    Need need = Need::kNothing;
    std::optional<Error> error;   ///< why the message was refused or the book invalidated
  };

  MaintainedBook(VenueId venue, Instrument instrument);

  /// Takes one message of the stream. The exchange time, sequence, origin and levels of book() follow it.
  Outcome apply(const BookMessage& message, Origin origin);

  /// The stream is gone or not to be trusted: empties the book, raises the epoch.
  void invalidate(FeedState state, std::optional<ErrorCode> reason);

  /// The depth the stream is cut to, from an ack or a setting; 0 = take it from the messages.
  void set_depth(int depth) { depth_ = depth; }

  const OrderBook& book() const { return book_; }
  OrderBook& mutable_book() { return book_; }

  std::uint64_t gaps() const { return gaps_; }
  std::uint64_t checksum_mismatches() const { return checksum_mismatches_; }
  std::uint64_t duplicates() const { return duplicates_; }
  std::uint64_t resyncs() const { return resyncs_; }

 private:
  OrderBook book_;
  int depth_ = 0;
  std::deque<BookMessage> buffered_;
  std::uint64_t gaps_ = 0;
  std::uint64_t checksum_mismatches_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t resyncs_ = 0;
};

}  // namespace spreadwatch::ingest
