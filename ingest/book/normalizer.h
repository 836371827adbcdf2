#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/clock_offset.h"
#include "core/market_data.h"
#include "ingest/book/order_book.h"
#include "ingest/decode/decoded.h"
#include "ingest/decode/venue_adapter.h"

namespace spreadwatch::ingest {

/// Receives what a venue's frames mean. References live only during the call.
class MarketSink {
 public:
  virtual ~MarketSink() = default;
  virtual void on_ticker(const Ticker& ticker) = 0;
  /// `stream` names the order book stream; `book` is the maintained book, synced or not.
  virtual void on_order_book(const std::string& stream, const OrderBook& book) = 0;
  virtual void on_error(const FeedError& error) = 0;
  virtual void on_control(const ControlMessage& control) { static_cast<void>(control); }
  virtual void on_market(const MarketInfo& market) { static_cast<void>(market); }
  /// The stream cannot go on without help (see MaintainedBook::Need).
  virtual void on_need(const std::string& stream, const Instrument& instrument,
                       MaintainedBook::Need need) {
    static_cast<void>(stream), static_cast<void>(instrument), static_cast<void>(need);
  }
};

/// Sees the order book messages of one stream as they are applied. References live only during the
/// call, which must not change the normalizer.
class BookTap {
 public:
  virtual ~BookTap() = default;
  /// `book` is what `message` has made of the maintained book, synced or not.
  virtual void on_message(const BookMessage& message, const OrderBook& book) = 0;
};

/// Told of what is done to order books otherwise than by feeding frames: whoever records the frames
/// has to record this, too, or the recording says more than was known.
class BookObserver {
 public:
  virtual ~BookObserver() = default;
  /// `book` has just been invalidated, before the sink is told. Not called for what invalidate()
  /// does to a whole connection.
  virtual void on_invalidated(const OrderBook& book) = 0;
  virtual void on_forgotten(const OrderBook& book) = 0;
};

/// From payloads to normalized tickers and maintained order books, for one venue. `decode`,
/// `replay` and `run` share it. An order book is reported after every message that leaves it
/// synced, and once when it stops being so.
///
/// While a connection and the one that succeeds it both deliver, every ticker and order book goes
/// over on its own: the old connection carries it until the new one has something that can go on
/// from there, and counts for nothing from then on. So nothing is lost and nothing comes twice.
/// Threads: one at a time.
class Normalizer {
 public:
  /// Streams kept at most; a venue has a few thousand markets.
  static constexpr std::size_t kMaxStreams = 20'000;
  /// How long a connection may go on beside its successor; what has an older number and comes
  /// later is of another run of the program.
  static constexpr seconds kOverlap{30};
  /// How much of an unusable payload a FeedError carries.
  static constexpr std::size_t kMaxErrorPayload = 16U << 10U;
  /// Different remarks that are told apart. Whatever a venue invents beyond them is one more
  /// together.
  static constexpr std::size_t kMaxRemarks = 1'000;

  explicit Normalizer(VenueId venue);
  ~Normalizer();

  void feed(const Frame& frame, MarketSink& sink);

  /// Every order book of the connection becomes `state`; reported through the sink.
  void invalidate(std::uint32_t connection, FeedState state, std::optional<ErrorCode> reason,
                  MarketSink& sink);
  /// One stream becomes `state`; reported through the sink.
  void invalidate_stream(const std::string& stream, FeedState state,
                         std::optional<ErrorCode> reason, MarketSink& sink);
  /// Forgets a stream that is no longer subscribed.
  void forget(const std::string& stream);
  /// The streams of an instrument, in the order of their names: the one polled over REST, or those
  /// of the sockets.
  std::vector<std::string> streams_of(const Instrument& instrument, bool polled) const;
  /// As invalidate(), of every connection and what is polled.
  void invalidate_all(FeedState state, std::optional<ErrorCode> reason, MarketSink& sink);
  /// nullptr = nobody. It must outlive its use.
  void set_observer(BookObserver* observer) { observer_ = observer; }

  /// Shows `tap` every message of `stream`; nullptr = none. It must outlive its use.
  void set_tap(std::string stream, BookTap* tap) {
    tapped_ = std::move(stream);
    tap_ = tap;
  }

  VenueAdapter& adapter() { return *adapter_; }
  /// Tickers dropped because a connection's successor delivers them.
  std::uint64_t duplicate_tickers() const { return duplicate_tickers_; }
  /// Order book levels of price zero, which no book has.
  std::uint64_t dropped_levels() const { return dropped_levels_; }
  /// Topics that are not read here, each counted when it is first seen.
  std::uint64_t unknown_topics() const { return unknown_topics_; }
  /// Warnings of the venue, every one counted.
  std::uint64_t warnings() const { return warnings_; }
  /// The remarks that have come for the first time since the last call.
  std::vector<Remark> take_remarks() { return std::exchange(fresh_remarks_, {}); }
  /// Of the venue's clock, estimated from its order books.
  const ClockOffset& clock_offset() const { return clock_offset_; }
  const MaintainedBook* find(const std::string& stream) const;

 private:
  /// The connections that have had one place.
  struct Place {
    std::uint32_t connection = 0;  // the newest
    Timestamp since{};             // its first frame
    std::unordered_set<Instrument>
        tickers;  // what it delivers, noted while the old one may as well
  };

  void note_connection(const Frame& frame);
  /// The ticker comes over a connection whose successor delivers it already.
  bool is_succeeded(const Ticker& ticker);
  void feed_book(const Frame& frame, const BookMessage& message, MarketSink& sink);
  void feed_error(const Frame& frame, const DecodeError& error, MarketSink& sink);
  void note_remark(const Remark& remark);
  void report(const Frame& frame, const std::string& symbol, const Error& error, MarketSink& sink,
              bool partial = false) const;
  static void publish(const std::string& stream, const MaintainedBook& book, bool was_synced,
                      const MaintainedBook::Outcome& outcome, MarketSink& sink);

  void invalidate_one(const std::string& stream, FeedState state, std::optional<ErrorCode> reason,
                      MarketSink& sink, BookObserver* observer = nullptr);
  /// In the order of names, so that replays agree.
  template <class Matches>
  std::vector<std::string> streams_that(Matches&& matches) const;

  const VenueId venue_;
  std::unique_ptr<VenueAdapter> adapter_;
  ClockOffset clock_offset_;
  std::uint64_t duplicate_tickers_ = 0;
  std::uint64_t dropped_levels_ = 0;
  std::uint64_t unknown_topics_ = 0;
  std::uint64_t warnings_ = 0;
  std::unordered_set<std::string> remarks_;  ///< seen, told apart by kind and text
  std::vector<Remark> fresh_remarks_;        ///< at most kMaxRemarks and two more
  Decoded decoded_;
  std::unordered_map<std::string, MaintainedBook> books_;
  std::unordered_map<std::string, int> depths_;  ///< acknowledged, by stream
  std::string tapped_;                           ///< the stream that tap_ sees
  BookTap* tap_ = nullptr;
  BookObserver* observer_ = nullptr;
  std::unordered_map<std::uint32_t, Place> places_;
  // Of the frame being read:
  Place* place_ = nullptr;  // null = not of a connection
  bool leaving_ = false;    // its connection has a successor
  bool overlap_ = false;    // its connection has succeeded another just now
};

}  // namespace spreadwatch::ingest
