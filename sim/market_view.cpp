#include "sim/market_view.h"

#include <utility>

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kOlderMs = 5'000;

void shift(Listing& listing, std::int64_t ms) {
  listing.book.ts_ms += ms;
  listing.book.touch_ts_ms += ms;
  listing.ticker.ts_ms += ms;
}

}  // namespace

MarketView::MarketView(VenueId venue, const Market& market) : venue_(venue), market_(&market) {
  for (const Listing* truth : market.listings(venue)) {
    auto shown = std::make_unique<Shown>();
    shown->listing = *truth;
    shown->older = truth->book;
    shown->candidate = truth->book;
    listed_.push_back(&shown->listing);
    shown_.push_back(std::move(shown));
  }
}

const Listing* MarketView::find(std::string_view base, std::string_view quote) {
  for (const auto& shown : shown_) {
    const Instrument& instrument = shown->listing.instrument;
    if (instrument.base == base && instrument.quote == quote) {
      return admits(shown->listing) ? &shown->listing : nullptr;
    }
  }
  return nullptr;
}

WalletState MarketView::wallet(const std::string& asset) {
  if (!closed_wallets_.contains(asset)) return market_->wallet(venue_, asset);
  ++closed_shown_;
  return {.deposit = false, .withdraw = false};
}

bool MarketView::admits(const Listing& listing) {
  Shown& shown = *shown_[listing.instrument.index];
  shown.asked = true;
  return !shown.unknown && !shown.delisted;
}

void MarketView::show_book(const Listing& truth) {
  Shown& shown = *shown_[truth.instrument.index];
  if (truth.book.ts_ms - shown.candidate.ts_ms >= kOlderMs) {
    shown.older = std::exchange(shown.candidate, truth.book);
  }
  shown.listing.book = truth.book;
  shown.listing.book.ts_ms += skew_ms_;
  shown.listing.book.touch_ts_ms += skew_ms_;
}

void MarketView::show_ticker(const Listing& truth) {
  Ticker& ticker = shown(truth).ticker;
  ticker = truth.ticker;
  ticker.ts_ms += skew_ms_;
}

void MarketView::set_skew(std::int64_t skew_ms) {
  if (skew_ms == skew_ms_) return;
  for (const auto& shown : shown_) shift(shown->listing, skew_ms - skew_ms_);
  skew_ms_ = skew_ms;
}

bool MarketView::set_delisted(std::size_t index, bool delisted) {
  if (std::exchange(shown_[index]->delisted, delisted) == delisted) return false;
  listed_.clear();
  for (const auto& shown : shown_) {
    if (!shown->delisted) listed_.push_back(&shown->listing);
  }
  return true;
}

bool MarketView::take_asked(std::size_t index) {
  return std::exchange(shown_[index]->asked, false);
}

bool MarketView::swap_older(std::size_t index) {
  Shown& shown = *shown_[index];
  if (shown.older.last_id == shown.listing.book.last_id) return false;
  std::swap(shown.older, shown.listing.book);
  return true;
}

}  // namespace spreadwatch::sim
