#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/market.h"

/// The market as one venue shows it: the true one, except where a fault bends it on purpose.
///
/// A protocol encodes nothing but its view, so a bent book is still a well-formed frame with the
/// venue's own sequence numbers and checksum. The true market stays what it is.
///
/// Threads: the simulator's one thread.
namespace spreadwatch::sim {

/// A side's best level; price and size 0 when the side is empty.
inline Level best_of(const std::vector<Level>& side) {
  return side.empty() ? Level{} : side.front();
}

class MarketView {
 public:
  /// `market` must outlive the view.
  MarketView(VenueId venue, const Market& market);

  [[nodiscard]] VenueId venue() const { return venue_; }
  /// The markets in the venue's lists. Addresses are stable for the life of the view, also those of
  /// markets that leave the lists.
  [[nodiscard]] const std::vector<const Listing*>& listings() const { return listed_; }
  /// Null when the venue does not list it, or pretends so.
  [[nodiscard]] const Listing* find(std::string_view base, std::string_view quote);
  /// What the venue's clock is ahead of the wall clock.
  [[nodiscard]] std::int64_t skew_ms() const { return skew_ms_; }
  /// Whether the venue says that it is under maintenance.
  [[nodiscard]] bool maintenance() const { return maintenance_; }

  /// What the venue says of an asset's wallet.
  [[nodiscard]] WalletState wallet(const std::string& asset);

  /// Whether the venue admits to know the market, asked for by name. Remembers the question.
  bool admits(const Listing& listing);

  // What follows is for whoever bends the view.

  /// The view's copy of a market.
  [[nodiscard]] Listing& shown(const Listing& listing) {
    return shown_[listing.instrument.index]->listing;
  }
  [[nodiscard]] std::size_t size() const { return shown_.size(); }
  [[nodiscard]] Listing& shown(std::size_t index) { return shown_[index]->listing; }

  /// Takes over the truth: book and ticker with times on the venue's clock.
  void show_book(const Listing& truth);
  void show_ticker(const Listing& truth);
  /// Moves every time that is shown, so that what was said before stays in line.
  void set_skew(std::int64_t skew_ms);
  void set_maintenance(bool on) { maintenance_ = on; }
  /// These assets can be neither sent nor received.
  void set_closed_wallets(std::set<std::string> assets) { closed_wallets_ = std::move(assets); }
  /// How often one of them was shown since the last call.
  std::uint64_t take_closed_shown() { return std::exchange(closed_shown_, 0); }
  /// Requests for the market are answered as for an unknown one; the lists still have it.
  void set_unknown(std::size_t index, bool unknown) { shown_[index]->unknown = unknown; }
  /// Not even the lists have it. True when that is a change.
  bool set_delisted(std::size_t index, bool delisted);
  [[nodiscard]] bool delisted(std::size_t index) const { return shown_[index]->delisted; }
  /// Whether the market was asked for by name since the last call.
  bool take_asked(std::size_t index);
  /// Exchanges the book shown for one that is 5 to 10 s old; the same call changes it back. False,
  /// and no change, while there is none that differs.
  bool swap_older(std::size_t index);

 private:
  struct Shown {
    Listing listing;
    Book older;      // kept 5 to 10 s
    Book candidate;  // becomes `older` after 5 s
    bool unknown = false;
    bool delisted = false;
    bool asked = false;
  };

  VenueId venue_;
  const Market* market_;
  std::set<std::string> closed_wallets_;
  std::uint64_t closed_shown_ = 0;
  std::vector<std::unique_ptr<Shown>> shown_;
  std::vector<const Listing*> listed_;
  std::int64_t skew_ms_ = 0;
  bool maintenance_ = false;
};

/// A venue's own names for its markets.
class SymbolIndex {
 public:
  explicit SymbolIndex(MarketView& view) : view_(&view) {}

  void set(const std::string& name, const Listing* listing) { names_[name] = listing; }
  /// Null for a name nobody has, or one the venue does not admit to.
  [[nodiscard]] const Listing* find(const std::string& name) const {
    const auto at = names_.find(name);
    return at != names_.end() && view_->admits(*at->second) ? at->second : nullptr;
  }

 private:
  MarketView* view_;
  std::map<std::string, const Listing*> names_;
};

}  // namespace spreadwatch::sim
