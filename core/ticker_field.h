#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spreadwatch {

/// The fields of a ticker record beside whose it is and when it was received: what a publisher may
/// leave out.
enum class TickerField : std::uint8_t {
  kExchangeTime,
  kOpeningPrice,
  kTradePrice,
  kHighPrice,
  kLowPrice,
  kPrevClosingPrice,
  kAccTradeVolume24h,
  kSignedChangePrice,
  kSignedChangeRate,
};
/// As the record names them.
inline constexpr std::array<std::string_view, 9> kTickerFieldNames = {
    "exchange_ts_ms",       "opening_price",       "trade_price",
    "high_price",           "low_price",           "prev_closing_price",
    "acc_trade_volume_24h", "signed_change_price", "signed_change_rate"};
constexpr std::string_view to_string(TickerField field) {
  return kTickerFieldNames[static_cast<std::size_t>(field)];
}

using TickerFields = std::bitset<kTickerFieldNames.size()>;
inline constexpr TickerFields kAllTickerFields{(1U << kTickerFieldNames.size()) - 1U};

}  // namespace spreadwatch
