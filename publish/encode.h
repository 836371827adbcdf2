#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/event.h"
#include "core/market_data.h"
#include "core/rate.h"
#include "core/ticker_field.h"

namespace spreadwatch::publish {

/// JSON encoders of every record and event the program gives to the outside: `decode`, `replay`,
/// Kafka, the HTTP API and the stream all use these, so that a thing looks the same everywhere.
/// Each appends one JSON object to `out`, without a newline. The same value always gives the same
/// bytes.
///
/// Numbers are the shortest text that reads back to the same value, decimals are exact, times are
/// integers with the unit in the name, what is absent is null. Strings are escaped; bytes that are
/// not UTF-8 become U+FFFD. The shapes are described by the JSON Schemas beside this file, in
/// schema/.
///
/// REQUIRES: every floating-point number is finite (asserted).
/// Threads: any.

/// Levels a side in an order book record unless asked for otherwise.
inline constexpr int kDefaultDepth = 15;

/// How much of market data a record holds.
struct RecordShape {
  int depth = kDefaultDepth;  ///< levels a side of an order book
  TickerFields ticker_fields = kAllTickerFields;
};

/// What is not among `fields` is left out.
void append_record(std::string& out, const Ticker& ticker, TickerFields fields = kAllTickerFields);
/// What may be believed of a feed at the moment of an answer.
struct Standing {
  FeedState state = FeedState::kDown;
  std::optional<ErrorCode> reason;
  std::optional<microseconds> age;  ///< since it was last heard of or confirmed
};
/// The same with `state`, `reason` and `age_ms`; while it is not synced its numbers are null.
void append_record(std::string& out, const Ticker& ticker, const Standing& standing);

/// At most `depth` levels a side, best first; the totals are over everything maintained. `spread`
/// is lowest_ask − highest_bid, exact; null, as the missing side's price is, when a side is empty.
/// REQUIRES: depth >= 0.
void append_record(std::string& out, const OrderBook& book, int depth = kDefaultDepth);

/// `exchange` is a venue's or a bank source's name, null when empty. `line` is the capture line.
void append_error(std::string& out, std::string_view exchange, const Error& error,
                  std::optional<std::uint64_t> line);
void append_record(std::string& out, const FeedError& error,
                   std::optional<std::uint64_t> line = std::nullopt);

/// A dead letter: the error with the payload it is about, as text, or as base64 when it is not
/// UTF-8. `attempt` counts from 1.
void append_dead_letter(std::string& out, const FeedError& error, int attempt);

void append_record(std::string& out, const FxEvent& event);
void append_record(std::string& out, const PremiumEvent& event);
/// A size without numbers has status `insufficient_depth`, or null when the pair has none at all.
void append_record(std::string& out, const SpreadEvent& event);
/// `now` is given for one that is open and lasts until then, not until its last event.
void append_record(std::string& out, const OpportunityEvent& event,
                   std::optional<Timestamp> now = std::nullopt);
/// The answer to "what would this size earn now": a pair evaluated with one size, flat.
/// REQUIRES: one size.
void append_profit(std::string& out, const SpreadEvent& pair);

}  // namespace spreadwatch::publish
