#pragma once

#include "core/venue.h"

namespace spreadwatch::config {

/// Taker fee of a venue's spot market for an account without discounts, a fraction of the quote
/// amount.
///
/// Read on 2026-11-24 from each venue's fee page; a promotion counts only where every account has
/// it. What an account really pays is `venues.<venue>.taker_fee`.
constexpr double default_taker_fee(VenueId id) {
  switch (id) {
    case VenueId::kUpbit:
      return 0.0005;
    case VenueId::kBithumb:
      return 0.0025;  // 0.0004 with the free 30-day coupon, which has to be registered
    case VenueId::kKorbit:
      return 0.0;  // for everyone from 2026-08-24 for one year; 0.002 before and after
    case VenueId::kCoinone:
      return 0.0002;
    case VenueId::kOkx:
    case VenueId::kBybit:
    case VenueId::kGateio:
    case VenueId::kBinance:
      return 0.001;
    case VenueId::kKraken:
      return 0.004;
  }
  return 0.0;
}

}  // namespace spreadwatch::config
