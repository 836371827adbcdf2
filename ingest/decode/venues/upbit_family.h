#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "core/time.h"
#include "ingest/decode/venue_adapter.h"

namespace spreadwatch::ingest {

/// The clock readings in a REST ticker, for a venue whose readings disagree.
struct RestTickerClock {
  Timestamp sent{};             ///< the `timestamp` field
  std::string_view trade_date;  ///< yyyyMMdd
  std::string_view trade_time;  ///< HHmmss
};

/// Upbit's public protocol (WebSocket v1, REST v1) is spoken by Bithumb too. What differs is here,
/// as values.
struct UpbitDialect {
  const VenueProfile& (*profile)() = nullptr;
  std::string_view markets_path;  ///< path and query of the market list
  bool book_call_counts = false;  ///< REST order books take `count`
  double ungrouped_level = 0;     ///< `level` up to which a book holds every price

  /// The time of a REST ticker where `timestamp` cannot be taken as it is; nullptr where it can.
  std::optional<Timestamp> (*rest_ticker_time)(const RestTickerClock& clock,
                                               std::optional<Timestamp> receive_time) = nullptr;
  /// Whether a field (with its text where that is a string) belongs to a retired generation of the
  /// venue's API; nullptr where there is none.
  bool (*is_retired)(std::string_view key, std::string_view text) = nullptr;
};

/// `dialect` must outlive the adapter.
std::unique_ptr<VenueAdapter> make_upbit_like(const UpbitDialect& dialect);

}  // namespace spreadwatch::ingest
