#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spreadwatch {

/// Why a number is unavailable or a pair is not tradable. One closed list, also a metric's `reason`
/// label.
enum class Reason : std::uint8_t {
  kBookNotSynced,
  kStaleLeg,
  kCrossed,
  kOneSided,
  kFxUnavailable,
  kFxQuorum,
  kFxDisagree,
  kFxStale,
  kIdentityUnproven,
  kPriceRatioQuarantine,
  kMarketSuspended,
  kWalletClosed,
  kWalletUnknown,
  kBelowMinNotional,
  kInsufficientDepth,
  kUnprofitable,
  kMuted,
};

inline constexpr std::array<std::string_view, 17> kReasonNames = {"book_not_synced",
                                                                  "stale_leg",
                                                                  "crossed",
                                                                  "one_sided",
                                                                  "fx_unavailable",
                                                                  "fx_quorum",
                                                                  "fx_disagree",
                                                                  "fx_stale",
                                                                  "identity_unproven",
                                                                  "price_ratio_quarantine",
                                                                  "market_suspended",
                                                                  "wallet_closed",
                                                                  "wallet_unknown",
                                                                  "below_min_notional",
                                                                  "insufficient_depth",
                                                                  "unprofitable",
                                                                  "muted"};

constexpr std::string_view to_string(Reason reason) {
  return kReasonNames[static_cast<std::size_t>(reason)];
}

/// A set of reasons, iterated in the order of the list. Threads: a value.
class Reasons {
 public:
  constexpr Reasons() = default;
  constexpr Reasons(Reason reason) { add(reason); }  // NOLINT(google-explicit-constructor)

  constexpr void add(Reason reason) { bits_ |= bit(reason); }
  constexpr void add(Reasons other) { bits_ |= other.bits_; }
  constexpr bool contains(Reason reason) const { return (bits_ & bit(reason)) != 0; }
  constexpr bool intersects(Reasons other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr int size() const { return std::popcount(bits_); }

  /// Calls `visit(Reason)` for each member.
  template <class Visit>
  constexpr void for_each(Visit&& visit) const {
    for (std::uint32_t rest = bits_; rest != 0; rest &= rest - 1) {
      visit(static_cast<Reason>(std::countr_zero(rest)));
    }
  }

  friend constexpr bool operator==(Reasons, Reasons) = default;

 private:
  static constexpr std::uint32_t bit(Reason reason) {
    return std::uint32_t{1} << static_cast<unsigned>(reason);
  }
  std::uint32_t bits_ = 0;
};

}  // namespace spreadwatch
