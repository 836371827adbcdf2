#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/time.h"
#include "fx/converter.h"
#include "spread/event_sink.h"
#include "spread/market_view.h"
#include "spread/percentile.h"
#include "spread/premium.h"

namespace spreadwatch::spread {

/// The premiums of every asset and of USDT, with the extremes of the conflation period that runs.
/// Assets go by the engine's numbers. Threads: one at a time; time is passed in.
class PremiumTable {
 public:
  /// Without banks there is no premium that needs their rate.
  explicit PremiumTable(bool banks) : banks_(banks) {}

  /// Computes the premiums of an asset from its markets, those that are not proven left out.
  /// Returns those that are gone since a region of theirs has no market any more.
  std::vector<MarketRemoved::Premium> compute(std::size_t asset, std::string_view name,
                                              std::span<const Market* const> markets,
                                              const fx::Converter& converter, Timestamp now);
  void compute_usdt(const fx::Converter& converter, Timestamp now);

  /// Something waits for the end of the period.
  bool dirty() const { return !dirty_.empty(); }
  /// Says what changed in the period that ends, in a fixed order.
  void flush(EventSink& sink);

  /// The latest event of each premium of an asset.
  void for_each(std::size_t asset, const std::function<void(const PremiumEvent&)>& visit) const;
  void for_each_usdt(const std::function<void(const PremiumEvent&)>& visit) const;

 private:
  struct Premium {
    std::string asset;
    Region region{};
    std::optional<Region> over;
    Basis basis{};
    Timestamp time{};
    PremiumValue value;
    std::optional<double> first;
    std::optional<double> high;
    std::optional<double> low;
    bool has_emitted = false;
    bool dirty = false;
    PremiumValue emitted_value;
    ValueHistory past;
    PremiumEvent emitted;
  };
  using Slots = std::array<std::optional<std::size_t>, 5>;

  void set(std::optional<std::size_t>& slot, std::string_view asset, Region region,
           std::optional<Region> over, Basis basis, const PremiumValue& value, Timestamp now);
  void remove(std::size_t index);
  static void emit(Premium& premium, EventSink& sink);

  const bool banks_;
  std::vector<Premium> premiums_;
  std::vector<std::size_t> free_;  // places of premiums that are gone
  std::vector<Slots> slots_;       // by asset
  std::optional<std::size_t> usdt_;
  std::vector<std::size_t> dirty_;
};

}  // namespace spreadwatch::spread
