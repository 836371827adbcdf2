#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/market_data.h"
#include "core/result.h"
#include "core/time.h"

namespace spreadwatch::ingest {

/// What a capture's line holds.
enum class CaptureContent : std::uint8_t {
  kMarketData,  ///< what a venue said of tickers and books, or an event about books
  kRequest,     ///< what the client sent, and events that are not about books
  kBankRate,    ///< a bank-rate source's answer; `exchange` names the source
  kWallets,     ///< a venue's answer about moving assets, on no market connection
  kAudit,       ///< a book that the kept one was compared with, never shown
};

/// One line of a capture file, or why it is none.
struct CaptureLine {
  std::string exchange;  ///< venue, or the bank-rate source of a kBankRate
  Origin origin = Origin::kWs;
  std::string channel;  ///< empty when absent
  std::string symbol;   ///< empty when absent
  std::optional<Timestamp> receive_time;
  std::uint32_t connection = 0;  ///< of its venue; 0 when absent
  bool sent = false;             ///< the client sent it
  std::string event;  ///< not a payload but something that happened, see below; empty when absent
  std::optional<FeedState> state;   ///< of an event
  std::optional<ErrorCode> reason;  ///< of an event
  std::string payload;
  std::uint64_t line = 0;      ///< from 1, within its file
  std::optional<Error> error;  ///< kCaptureLine when the line does not parse

  /// The connection went away: nothing it had said is to be believed any longer.
  bool connection_lost() const { return event == "down"; }
  /// An event that says what became of order books, to be heeded like a payload.
  bool about_books() const;
  CaptureContent content() const;
};

/// CaptureLine::event and CaptureEntry::event. Such a line counts as sent, so that readers which
/// know no events pass over it. `symbol` is the canonical BASE-QUOTE, `kind` rest what is polled.
namespace capture_event {
/// Recording begins: nothing said earlier in the file is known any longer.
inline constexpr std::string_view kStart = "start";
/// The connection went away: nothing it had said is to be believed any longer.
inline constexpr std::string_view kDown = "down";
/// FeedNote's kinds: streams were subscribed, unsubscribed; the order book became `state`; it is
/// kept no longer; tickers come over REST.
inline constexpr std::string_view kAdded = "added";
inline constexpr std::string_view kRemoved = "removed";
inline constexpr std::string_view kInvalid = "invalid";
inline constexpr std::string_view kForgotten = "forgotten";
inline constexpr std::string_view kTickerPolled = "ticker_polled";

inline constexpr std::array<std::string_view, 7> kAll = {
    kStart, kDown, kAdded, kRemoved, kInvalid, kForgotten, kTickerPolled};
}  // namespace capture_event

/// Reads one capture file line by line: plain, `.gz` or `.zst` by its name, `-` = standard input.
/// Lines longer than kMaxLineBytes are errors, their content is skipped.
/// Threads: one at a time.
class CaptureReader {
 public:
  static constexpr std::size_t kMaxLineBytes = 64U << 20U;

  /// Errors: kCaptureLine when the file cannot be opened.
  static Result<std::unique_ptr<CaptureReader>> open(const std::filesystem::path& file);

  virtual ~CaptureReader() = default;
  /// The next line into `out` (reused); false at the end. Empty lines are passed over.
  virtual bool next(CaptureLine& out) = 0;
  /// Bytes of the file (as stored) read so far, for progress.
  virtual std::uint64_t bytes_read() const = 0;
};

/// Several captures as one, in the order of `receive_time`; lines without a time stay behind the
/// line before them in their file, and equal times keep the order of the files. Threads: one at a
/// time.
class CaptureMerge {
 public:
  explicit CaptureMerge(std::vector<std::unique_ptr<CaptureReader>> readers);

  /// The next line, or nullptr at the end. Valid until the next call.
  const CaptureLine* next();
  std::uint64_t bytes_read() const;

 private:
  struct Source {
    std::unique_ptr<CaptureReader> reader;
    CaptureLine line;
    Timestamp order{Timestamp::min()};
    bool done = false;
  };
  void advance(Source& source);

  std::vector<Source> sources_;
  Source* last_ = nullptr;
};

}  // namespace spreadwatch::ingest
