#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/market_data.h"
#include "core/venue_profile.h"
#include "ingest/decode/decoded.h"

namespace spreadwatch::ingest {

/// Where levels go, noted before any is moved; reused from message to message.
struct SideScratch {
  std::vector<std::size_t> removed;
  std::vector<std::pair<std::size_t, const Level*>> inserted;
};

/// Keeps one order book stream under its venue's integrity rule.
///
/// The book is either provably the venue's or not shown: any doubt (gap, wrong checksum, crossed,
/// delta without snapshot) empties it at once, raises the epoch and leaves it faulted until the
/// next snapshot. A duplicate or older message that the rule allows is dropped and counted. Bounds:
/// kMaxLevels a side, kMaxBuffered deltas waiting for a REST snapshot. Threads: one at a time.
class MaintainedBook {
 public:
  static constexpr std::size_t kMaxLevels = 20'000;
  static constexpr std::size_t kMaxBuffered = 1'000;
  /// Whole books with lower, rising numbers, after which the venue counts anew.
  static constexpr int kOlderInARow = 3;

  enum class Need : std::uint8_t {
    kNothing,
    kSnapshot,    ///< fetch a REST snapshot (again); buffered deltas are kept. Said with every
                  ///< delta that waits: whether one is under way is for whoever fetches to know
    kResubscribe  ///< unsubscribe and subscribe this stream
  };

  struct Outcome {
    bool show = false;  ///< book() is synced and may be shown
    Need need = Need::kNothing;
    std::optional<Error> error;  ///< why the message was refused or the book invalidated
  };

  /// `venue` must outlive it.
  MaintainedBook(const VenueProfile& venue, Instrument instrument);

  /// Takes one message of the stream. The exchange time, sequence, origin and levels of book()
  /// follow it.
  Outcome apply(const BookMessage& message, Origin origin);

  /// A message of the stream could not be decoded and is lost: faults a book that it would have
  /// changed.
  Outcome reject(const Error& error);

  /// The stream is gone or not to be trusted: empties the book, raises the epoch, forgets what was
  /// last seen.
  void invalidate(FeedState state, std::optional<ErrorCode> reason);

  /// `message`, which comes over another connection, can go on with the book as it stands: it is a
  /// whole book and not older, or a change that leaves no hole where the venue numbers changes
  /// alike on all connections. REQUIRES: book() is synced.
  bool is_continued_by(const BookMessage& message) const;

  /// A message of the stream that another connection brings as well: dropped, counted as a
  /// duplicate.
  void pass_over() { ++duplicates_; }

  /// The stream goes on over another connection, where the venue's numbering may start anew.
  void forget_sequence() {
    last_.reset();
    older_in_a_row_ = 0;
  }

  /// A REST snapshot would make it whole: changes have come since the stream was last down, and it
  /// is not synced. Holds until it is, whatever became of earlier requests.
  bool wants_snapshot() const { return !book_.synced() && last_delta_.has_value(); }

  /// The depth the stream is cut to, from an ack or a setting; 0 = take it from the messages.
  void set_depth(int depth) { depth_ = depth; }

  const OrderBook& book() const { return book_; }
  OrderBook& mutable_book() { return book_; }

  std::uint64_t gaps() const { return gaps_; }
  std::uint64_t checksum_mismatches() const { return checksum_mismatches_; }
  std::uint64_t duplicates() const { return duplicates_; }
  std::uint64_t resyncs() const { return resyncs_; }

 private:
  Outcome apply_replace(const BookMessage& message, Origin origin);
  /// Notes a whole book that is older by its number; true when it is one too many to be just late.
  bool counts_anew(std::int64_t sequence, Origin origin);
  Outcome apply_buffered(const BookMessage& message, Origin origin);
  Outcome apply_linked(const BookMessage& message, Origin origin);
  Outcome apply_numbered(const BookMessage& message, Origin origin);
  Outcome apply_checksum(const BookMessage& message, Origin origin);

  /// Joins a REST snapshot to the deltas waiting for it.
  Outcome join(const BookMessage& snapshot, Origin origin);
  /// Keeps a delta until the REST snapshot comes.
  Outcome wait(const BookMessage& delta);

  void load(const BookMessage& message);
  void change(const BookMessage& message);
  void truncate(int depth);
  /// The book follows `message` now; synced unless crossed.
  Outcome follow(const BookMessage& message, Origin origin);
  Outcome gap(const std::string& detail);
  Outcome missing_snapshot();
  Outcome duplicate();
  Outcome fault(ErrorCode code, std::string detail);
  void empty(FeedState state, std::optional<ErrorCode> reason);
  Outcome checksum_mismatch();
  bool checksum_matches(std::uint32_t expected);
  bool checksum_by_level_matches(std::uint32_t expected);
  bool checksum_by_side_matches(std::uint32_t expected);

  const VenueProfile* venue_;
  OrderBook book_;
  int depth_ = 0;
  int inferred_depth_ = 0;              ///< the venue's that the last snapshot fits into
  BookRule rule_ = BookRule::kReplace;  ///< of the last message
  std::optional<std::int64_t> last_;    ///< the venue's number of the last message taken
  bool reported_ = false;               ///< this episode's fault has been reported
  std::optional<std::int64_t>
      last_delta_;  ///< of the newest delta over a REST snapshot, used or not
  bool was_synced_ = false;
  int older_in_a_row_ = 0;  ///< whole books with a lower number, since the last one taken
  std::int64_t older_ = 0;  ///< the number of the last of them
  std::deque<BookMessage> buffered_;
  SideScratch scratch_;
  std::string text_;            ///< scratch for checksums
  std::string bids_text_;       ///< of a checksum by side: the bids' part of its text
  std::uint32_t asks_crc_ = 0;  ///< of a checksum by side: the checksum of the asks' part
  bool bids_changed_ = true;    ///< since the checksum was last computed
  bool asks_changed_ = true;
  std::uint64_t gaps_ = 0;
  std::uint64_t checksum_mismatches_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t resyncs_ = 0;
};

}  // namespace spreadwatch::ingest
