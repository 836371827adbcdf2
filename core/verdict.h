#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "core/reason.h"

namespace spreadwatch {

/// What is said of a pair.
enum class Verdict : std::uint8_t { kTradable, kNotTradable, kUnknown };
inline constexpr std::array<std::string_view, 3> kVerdictNames = {"tradable", "not_tradable",
                                                                  "unknown"};
constexpr std::string_view to_string(Verdict v) {
  return kVerdictNames[static_cast<std::size_t>(v)];
}

constexpr Reasons reason_set(std::initializer_list<Reason> list) {
  Reasons set;
  for (const Reason reason : list) set.add(reason);
  return set;
}

/// Reasons that answer with no, whatever else is not known.
inline constexpr Reasons kDefiniteNo =
    reason_set({Reason::kCrossed, Reason::kOneSided, Reason::kPriceRatioQuarantine,
                Reason::kMarketSuspended, Reason::kWalletClosed, Reason::kMuted});
/// Reasons that leave the question open. Whatever is in neither list is a no of the numbers.
inline constexpr Reasons kOpenQuestion = reason_set(
    {Reason::kBookNotSynced, Reason::kStaleLeg, Reason::kFxUnavailable, Reason::kFxQuorum,
     Reason::kFxDisagree, Reason::kFxStale, Reason::kIdentityUnproven, Reason::kWalletUnknown});

/// The verdict that follows from everything that speaks against a pair.
constexpr Verdict verdict_of(Reasons reasons) {
  if (reasons.empty()) return Verdict::kTradable;
  if (reasons.intersects(kDefiniteNo)) return Verdict::kNotTradable;
  if (reasons.intersects(kOpenQuestion)) return Verdict::kUnknown;
  return Verdict::kNotTradable;
}

}  // namespace spreadwatch
