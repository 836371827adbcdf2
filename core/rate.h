#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/reason.h"
#include "core/time.h"

namespace spreadwatch {

/// The rates the program knows; the price of the first currency in the second.
enum class CurrencyPair : std::uint8_t {
  kUsdtKrw,  ///< consensus of the Korean venues' own KRW-USDT books
  kUsdtUsd,  ///< Kraken's book
  kUsdKrw,   ///< banks, over HTTP
};
inline constexpr std::array<std::string_view, 3> kCurrencyPairNames = {"USDT/KRW", "USDT/USD",
                                                                       "USD/KRW"};
inline constexpr std::size_t kCurrencyPairCount = kCurrencyPairNames.size();
using CurrencyPairSet = std::bitset<kCurrencyPairCount>;
constexpr std::string_view to_string(CurrencyPair p) {
  return kCurrencyPairNames[static_cast<std::size_t>(p)];
}

/// One source of a rate as it was judged.
struct RateSource {
  std::string name;           ///< a venue, or a bank source of the configuration
  std::optional<double> bid;  ///< absent for a bank
  std::optional<double> ask;
  std::optional<double> mid;
  std::optional<microseconds> age;
  bool used = false;
  std::optional<Reason> reason;  ///< why it is not used

  /// Equal but for the age.
  bool same_value(const RateSource& other) const {
    return name == other.name && bid == other.bid && ask == other.ask && mid == other.mid &&
           used == other.used && reason == other.reason;
  }
};

/// A rate with its sources, or why there is none. Never a constant, never the last one that was
/// good.
struct Rate {
  CurrencyPair pair{};
  Reasons reasons;            ///< empty = usable
  std::optional<double> bid;  ///< a bank rate has only a mid
  std::optional<double> ask;
  std::optional<double> mid;
  std::optional<microseconds> age;  ///< of the oldest source used
  std::vector<RateSource> sources;

  bool ok() const { return mid.has_value(); }
  /// Equal but for ages.
  bool same_value(const Rate& other) const;
};

/// The `fx` event.
struct FxEvent {
  Timestamp time{};
  Rate rate;
};

}  // namespace spreadwatch
