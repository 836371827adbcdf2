#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/instrument.h"
#include "core/market_data.h"
#include "core/time.h"

namespace spreadwatch::ingest {

/// Frame::channel of an order book polled over REST while the socket does not deliver it. Whatever
/// the venue's rule, it is a whole book on a stream of its own and neither seeds nor continues what
/// the socket said.
inline constexpr std::string_view kPolledChannel = "polled";
/// Frame::channel of an order book fetched over REST to check the maintained one with. Read like a
/// polled one, shown to nobody.
inline constexpr std::string_view kAuditChannel = "audit";
/// Frame::channel of an answer of a wallet route (Frame::symbol): parse_wallets() reads it, no
/// adapter.
inline constexpr std::string_view kWalletChannel = "wallet";
/// Frame::channel of what the client sent.
inline constexpr std::string_view kRequestChannel = "request";
/// Channel of a bank-rate source's answer in a capture.
inline constexpr std::string_view kBankChannel = "fx";

/// A venue's connections have places, counted from 0; one that is opened to succeed another keeps
/// its place. Frame::connection is the place plus kPlaces for every time the place was renewed.
inline constexpr std::uint32_t kPlaces = 10'000;
/// True when the connection `later` was opened to succeed `earlier`, at once or by way of others.
constexpr bool succeeds(std::uint32_t later, std::uint32_t earlier) {
  return later > earlier && (later - earlier) % kPlaces == 0 && later != kPolledConnection;
}

/// One payload as it came, with what the reader knows of it besides the text.
struct Frame {
  Origin origin = Origin::kWs;
  std::string_view payload;
  std::string_view channel;  ///< what a REST answer was asked for: "orderbook", "ticker",
                             ///< "markets", kPolledChannel, kAuditChannel; may be empty
  std::string_view symbol;  ///< the venue's symbol it was asked for or recorded under; may be empty
  std::optional<Timestamp> receive_time;
  std::uint32_t connection = 0;
};

/// How a stream of order book messages proves itself. See order_book.h for what each rule does;
/// what the venues have of their own about it is in VenueProfile::proof.
enum class BookRule : std::uint8_t {
  kReplace,  ///< every message is a whole book; where it has a sequence, an older one is dropped
  kBufferedDiff,  ///< Binance, Gate order_book_update: ranges of numbers over a REST snapshot
  kLinked,        ///< OKX: each change names the number it follows; CRC32 where it has no number
  kNumbered,      ///< Bybit, Gate obu: a change's number, or its first one, is the last + 1
  kChecksum       ///< Kraken: CRC32 over the best levels after truncating to the depth
};

/// One order book message as the venue sent it, nothing applied.
struct BookMessage {
  std::string
      stream;  ///< names the stream within the venue; two depths of a symbol are two streams
  std::string symbol;  ///< the venue's spelling
  BookRule rule = BookRule::kReplace;
  bool snapshot = true;  ///< whole book, else changes
  int depth = 0;         ///< levels a side that the stream is cut to; 0 = unknown or not cut
  std::optional<std::int64_t> first_sequence;     ///< first update id of a range (`U`)
  std::optional<std::int64_t> sequence;           ///< the venue's own number after this message
  std::optional<std::int64_t> previous_sequence;  ///< what the message follows (`prevSeqId`)
  std::optional<std::int64_t> cross_sequence;     ///< a number that orders the messages of all
                                                  ///< depths of a symbol (Bybit `seq`)
  std::optional<std::uint32_t> checksum;
  std::optional<Timestamp> exchange_time;
  std::vector<Level> bids;  ///< in wire order; size zero = remove the level
  std::vector<Level> asks;

  /// Forgets the content, keeps the capacity.
  void reset();
};

/// A ticker with the venue's symbol still untranslated. `ticker.venue`, `instrument`, `origin`,
/// `connection` and `receive_time` are filled in by VenueAdapter::decode().
struct TickerMessage {
  std::string symbol;
  Ticker ticker;
};

/// What a venue says besides market data.
struct ControlMessage {
  enum class Kind : std::uint8_t {
    kAck,        ///< a subscription was accepted
    kPong,       ///< answer to our text ping
    kHeartbeat,  ///< the stream lives
    kReconnect,  ///< the venue announces that it will close this connection
    kIgnored     ///< a known message that is of no use here (trades, best-price channels, welcome
                 ///< messages)
  };
  Kind kind = Kind::kIgnored;
  std::string stream;  ///< the order book stream an ack is about, spelled as BookMessage::stream;
                       ///< may be empty
  int depth = 0;       ///< the depth an ack confirms; 0 = none
};

/// One row of a venue's market list.
struct MarketInfo {
  std::string symbol;
  Instrument instrument;  ///< canonical
  bool active = true;
  std::optional<Decimal> min_notional;  ///< in the quote currency

  MarketStatus status(VenueId venue) const {
    return {venue, instrument, active,
            min_notional ? std::optional{min_notional->to_double()} : std::nullopt};
  }
};

/// An error inside a payload that may hold others which are fine.
struct DecodeError {
  Error error;
  std::string symbol;    ///< the venue's spelling; empty when unknown
  std::string stream;    ///< the order book stream that can no longer be trusted; empty when none
  bool partial = false;  ///< of a part of the payload: whatever else it holds counts
};

/// Something a venue says that is neither data nor an error, worth telling an operator once.
struct Remark {
  enum class Kind : std::uint8_t {
    kWarning,  ///< the venue warns of something; the data beside it counts
    kTopic     ///< a topic, channel or kind of event that is not read here
  };
  Kind kind = Kind::kTopic;
  std::string text;  ///< as the venue has it, at most kMaxText bytes

  static constexpr std::size_t kMaxText = 200;
};

/// Values that are reused from frame to frame so that decoding allocates nothing once warm.
template <class T>
class Pool {
 public:
  T& next() {
    if (size_ == values_.size()) values_.emplace_back();
    return values_[size_++];
  }
  /// REQUIRES: not empty.
  void pop() {
    assert(size_ > 0);
    --size_;
  }
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return values_.data(); }
  T* end() { return values_.data() + size_; }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + size_; }
  T& operator[](std::size_t i) { return values_[i]; }
  const T& operator[](std::size_t i) const { return values_[i]; }

 private:
  std::vector<T> values_;
  std::size_t size_ = 0;
};

/// A venue's code and words for an error as one text, "code: words", whichever of the two it gave.
std::string joined_detail(std::string_view code, std::string_view message);

/// Everything one payload said.
struct Decoded {
  /// Rows of one payload that become errors of their own; further ones are one error together.
  static constexpr std::size_t kMaxRowErrors = 32;

  Pool<TickerMessage> tickers;
  Pool<BookMessage> books;
  std::vector<ControlMessage> controls;
  std::vector<MarketInfo> markets;
  std::vector<DecodeError> errors;
  std::vector<Remark> remarks;
  std::size_t dropped_levels = 0;  ///< levels of price zero, which the books are without
  std::size_t refused_rows = 0;    ///< of lists; those beyond kMaxRowErrors have no error

  void clear();

  /// A ticker or book to fill in, empty, its memory reused.
  TickerMessage& next_ticker();
  BookMessage& next_book();
  void add_error(ErrorCode code, std::string_view detail, std::string_view symbol = {},
                 std::string_view stream = {});
  /// As add_error(), of one part beside others that count.
  void add_partial_error(ErrorCode code, std::string_view detail, std::string_view symbol = {},
                         std::string_view stream = {});
  /// As add_partial_error(), of row `index` (from 0) of a list; the detail names the row.
  void add_row_error(std::size_t index, const Error& error, std::string_view symbol,
                     std::string_view stream);
  /// The same of a row whose place is not known any more.
  void add_row_error(const Error& error, std::string_view symbol);
  /// The venue refused what it was asked: the payload's error, of `symbol`, or one beside what it
  /// holds all the same.
  void add_refusal(ErrorCode code, std::string_view detail, std::string_view symbol);
  /// The venue warns of `text`.
  void warn(std::string_view text);
  /// The message is of a topic that is not read here.
  void pass_over(std::string_view topic);
};

}  // namespace spreadwatch::ingest
