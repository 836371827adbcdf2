#include "sim/market.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>

#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

// The market moves on a grid of slots. A venue publishes every few slots; phases spread the load.
constexpr std::int64_t kSlotMs = 20;
constexpr std::int64_t kSlotsPerStep = 5;  // reference prices move every 100 ms
constexpr std::int64_t kStallMs = 1000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr double kStepS = 0.1;

// Sizes are sums of at most a few hundred levels; this keeps every sum far inside int64.
constexpr double kMaxLots = 2e16;
constexpr double kMaxVolumeLots = 5e17;

/// SplitMix64, used to spread seeds.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

/// A stream of its own for everything that moves, so that listing another asset changes no price.
/// Not <random>: its distributions differ between libraries, and a seed is a promise.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(mix(seed)) {}

  std::uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15ULL); }
  /// [0, 1)
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// [0, n)
  std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(uniform() * static_cast<double>(n));
  }
  bool chance(double p) { return uniform() < p; }
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

/// Wanders around a mean: Ornstein-Uhlenbeck in 100 ms steps.
class Wander {
 public:
  Wander(double mean, double deviation, double time_s, Rng& rng)
      : mean_(mean),
        decay_(std::exp(-kStepS / time_s)),
        kick_(deviation * std::sqrt(1.0 - decay_ * decay_)),
        value_(mean + deviation * rng.normal()) {}

  void step(Rng& rng) { value_ = mean_ + (value_ - mean_) * decay_ + kick_ * rng.normal(); }
  [[nodiscard]] double value() const { return value_; }

 private:
  double mean_;
  double decay_;
  double kick_;
  double value_;
};

struct KnownAsset {
  std::string_view name;
  double usd;
  double volume_usd;  // a day
};

constexpr std::array<KnownAsset, 24> kKnownAssets = {{
    {"BTC", 80'000, 1.5e9},   {"ETH", 2'650, 9e8}, {"XRP", 2.4, 6e8},    {"SOL", 121, 5e8},
    {"DOGE", 0.21, 2e8},      {"ADA", 0.62, 9e7},  {"TRX", 0.31, 8e7},   {"LINK", 16.4, 6e7},
    {"AVAX", 22.5, 5e7},      {"DOT", 3.9, 3e7},   {"BCH", 480, 4e7},    {"LTC", 92, 4e7},
    {"SUI", 3.1, 7e7},        {"XLM", 0.36, 4e7},  {"HBAR", 0.21, 3e7},  {"SHIB", 0.0000124, 3e7},
    {"PEPE", 0.0000094, 4e7}, {"UNI", 8.2, 3e7},   {"AAVE", 265, 2.5e7}, {"ATOM", 4.2, 2e7},
    {"NEAR", 2.6, 2e7},       {"ETC", 19.5, 2e7},  {"ARB", 0.42, 2e7},   {"USDC", 0.9999, 3e8},
}};

KnownAsset asset_profile(const std::string& name) {
  for (const KnownAsset& known : kKnownAssets) {
    if (known.name == name) return known;
  }
  // Any name gets a price of its own, the same in every run: 0.01 to 100 USD.
  const double place = static_cast<double>(hash_text(name) >> 11) * 0x1.0p-53;
  return {name, std::pow(10.0, -2.0 + 4.0 * place), 1e7};
}

int magnitude(double value) { return static_cast<int>(std::floor(std::log10(value))); }

struct Steps {
  int price_decimals;
  std::int64_t tick;
  int size_decimals;
};

/// Price step of a KRW market: Upbit's ladder, which the other Korean venues resemble.
Steps krw_steps(VenueId venue, double price) {
  Steps steps{0, 1, 8};
  if (price >= 1'000'000) {
    steps.tick = venue == VenueId::kCoinone && price >= 50'000'000 ? 10'000 : 1'000;
  } else if (price >= 500'000) {
    steps.tick = 500;
  } else if (price >= 100'000) {
    steps.tick = 100;
  } else if (price >= 50'000) {
    steps.tick = 50;
  } else if (price >= 10'000) {
    steps.tick = 10;
  } else if (price >= 5'000) {
    steps.tick = 5;
  } else if (price >= 100) {
    steps.tick = 1;
  } else {
    // 0.1 from 10, 0.01 from 1, then a tenth per decade.
    steps.price_decimals = std::clamp(2 - magnitude(price), 1, 8);
  }
  if (venue == VenueId::kBithumb) steps.size_decimals = 4;
  return steps;
}

Steps dollar_steps(VenueId venue, double price) {
  Steps steps{0, 1, 8};
  steps.price_decimals = std::clamp((price >= 1000 ? 5 : 4) - magnitude(price), 1, 10);
  const int lots = std::clamp(2 + magnitude(price), 0, 6);
  switch (venue) {
    case VenueId::kBinance:
      if (price >= 10'000) steps.price_decimals = 2;
      steps.size_decimals = std::clamp(lots - 1, 0, 5);
      break;
    case VenueId::kOkx:
      steps.size_decimals = price >= 1000 ? 8 : 6;
      break;
    case VenueId::kBybit:
      steps.size_decimals = lots;
      break;
    case VenueId::kGateio:
      steps.size_decimals = std::clamp(lots, 2, 6);
      break;
    default:
      if (price < 10) ++steps.price_decimals;
      break;
  }
  return steps;
}

struct Reference {
  std::string name;
  double log_price = 0;
  double anchor = 0;
  double volatility = 0;  // per 100 ms
  double volume_usd = 0;
  double day_change = 0;  // the same story of the day at every venue
  Rng rng{0};
  Wander korean{0, 0, 1, rng};  // the asset's own part of the Korean premium

  // One venue drifts away for a few seconds every few minutes: the spread somebody waits for.
  Listing* dislocated = nullptr;
  std::int64_t next_slot = 0;
  std::int64_t begin_slot = 0;
  std::int64_t end_slot = 0;
  double dislocation = 0;
};

enum class PriceSource : std::uint8_t { kAsset, kUsdtKrw, kUsdtUsd };

struct Moving {
  std::unique_ptr<Listing> listing;
  Rng rng;
  Wander noise;
  PriceSource source = PriceSource::kAsset;
  std::size_t asset = 0;
  bool krw = false;
  bool usdt_quote = false;
  double quote_usd = 1;  // USD for one unit of the quote currency at the start, for sizes
  double scale = 1;      // 10^price_decimals
  double lot_scale = 1;  // 10^size_decimals
  std::int64_t next_trade_slot = 0;
  std::int64_t day = 0;
};

const Level* find_level(const std::vector<Level>& side, std::int64_t price, bool descending) {
  const auto at = std::lower_bound(
      side.begin(), side.end(), price, [descending](const Level& level, std::int64_t wanted) {
        return descending ? level.price > wanted : level.price < wanted;
      });
  return at != side.end() && at->price == price ? &*at : nullptr;
}

std::vector<LevelChange> side_change(const std::vector<Level>& from, const std::vector<Level>& to,
                                     std::size_t depth, bool descending) {
  const std::size_t from_end = depth == 0 ? from.size() : std::min(depth, from.size());
  const std::size_t to_end = depth == 0 ? to.size() : std::min(depth, to.size());
  std::vector<LevelChange> changes;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < from_end || j < to_end) {
    const bool same = i < from_end && j < to_end && from[i].price == to[j].price;
    if (same) {
      if (from[i].size != to[j].size) changes.push_back({to[j], ChangeKind::kSet});
      ++i;
      ++j;
      continue;
    }
    const bool take_from =
        j == to_end ||
        (i < from_end && (descending ? from[i].price > to[j].price : from[i].price < to[j].price));
    if (take_from) {
      const bool beyond = find_level(to, from[i].price, descending) != nullptr;
      changes.push_back({{from[i].price, 0}, beyond ? ChangeKind::kLeft : ChangeKind::kDeleted});
      ++i;
    } else {
      changes.push_back({to[j], ChangeKind::kSet});
      ++j;
    }
  }
  return changes;
}

bool same_top(const std::vector<Level>& a, const std::vector<Level>& b, std::size_t depth) {
  const std::size_t n = std::min(depth, std::max(a.size(), b.size()));
  if (a.size() < n || b.size() < n) return false;
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin());
}

}  // namespace

WindowChange window_change(const Book& from, const Book& to, std::size_t depth) {
  return {side_change(from.bids, to.bids, depth, true),
          side_change(from.asks, to.asks, depth, false)};
}

std::vector<Level> grouped(const std::vector<Level>& side, std::int64_t level, Side which) {
  if (level <= 1) return side;
  std::vector<Level> result;
  for (const Level& one : side) {
    const std::int64_t price =
        which == Side::kBid ? one.price / level * level : (one.price + level - 1) / level * level;
    if (!result.empty() && result.back().price == price) {
      result.back().size += one.size;
    } else {
      result.push_back({price, one.size});
    }
  }
  return result;
}

class Market::Impl {
 public:
  Impl(const MarketConfig& config, std::int64_t start_ms)
      : seed_(config.seed),
        origin_ms_(start_ms / 1000 * 1000),
        rng_(config.seed ^ 0x6d61726b6574ULL),
        // Around what two legs cost in fees, so that pairs are worth having now and then only.
        premium_(0.007, 0.003, 120, rng_),
        usd_krw_(1389.2, 2.0, 1800, rng_),
        usdt_premium_(0.006, 0.0015, 600, rng_),
        usdt_usd_(0.9998, 0.0001, 300, rng_) {
    std::vector<VenueId> venues = config.venues;
    if (venues.empty()) {
      for (const VenueIdentity& venue : kVenues) venues.push_back(venue.id);
    }
    for (const std::string& name : config.assets) {
      if (name == "USDT" || asset_named(name)) continue;
      const KnownAsset profile = asset_profile(name);
      Reference reference;
      reference.name = name;
      reference.rng = Rng(config.seed ^ hash_text(name));
      reference.anchor = std::log(profile.usd);
      reference.log_price = reference.anchor + 0.01 * reference.rng.normal();
      reference.volatility = name == "BTC" ? 3.5e-5 : name == "USDC" ? 1e-6 : 5e-5;
      reference.volume_usd = profile.volume_usd;
      reference.day_change = name == "USDC" ? 0 : 0.015 * reference.rng.normal();
      reference.korean = Wander(0, 0.0015, 90, reference.rng);
      reference.next_slot = seconds(reference.rng.uniform(15, 400));
      references_.push_back(std::move(reference));
    }
    for (const VenueId venue : venues) {
      if (!by_venue_[index_of(venue)].empty()) continue;
      for (std::size_t i = 0; i < references_.size(); ++i) {
        add(config.seed, venue, PriceSource::kAsset, i, references_[i].name,
            std::string(identity(venue).default_quote));
        if (venue == VenueId::kKraken) {
          add(config.seed, venue, PriceSource::kAsset, i, references_[i].name, "USDT");
        }
      }
      if (const std::string currency{identity(venue).fx_quote}; !currency.empty()) {
        add(config.seed, venue, currency == "KRW" ? PriceSource::kUsdtKrw : PriceSource::kUsdtUsd,
            0, "USDT", currency);
      }
    }
  }

  void advance_to(std::int64_t now_ms, MarketObserver& observer) {
    const std::int64_t late = now_ms - next_tick_ms();
    // Whole seconds, so that publish instants stay on their grid.
    if (late > kStallMs) origin_ms_ += late / 1000 * 1000;
    while (next_tick_ms() <= now_ms) run_slot(observer);
  }

  [[nodiscard]] std::int64_t next_tick_ms() const { return origin_ms_ + slot_ * kSlotMs; }
  [[nodiscard]] std::uint64_t tick_number() const { return static_cast<std::uint64_t>(slot_); }
  [[nodiscard]] const std::vector<const Listing*>& listings(VenueId venue) const {
    return public_[index_of(venue)];
  }
  [[nodiscard]] double usd_krw() const { return usd_krw_.value(); }

  /// One draw for each ten minutes of the market's life; a function of the seed, no stream of its
  /// own.
  [[nodiscard]] WalletState wallet(VenueId venue, std::string_view asset) const {
    constexpr std::int64_t kPeriodS = 600;
    const std::int64_t now_s = slot_ * kSlotMs / 1000;
    const std::uint64_t draw =
        mix(seed_ ^ hash_text(std::string(to_string(venue)) + " wallet " + std::string(asset)) ^
            mix(static_cast<std::uint64_t>(now_s / kPeriodS)));
    if (draw % 8 != 0) return {};
    const auto begin_s = static_cast<std::int64_t>(30 + (draw >> 8) % 330);
    const auto length_s = static_cast<std::int64_t>(120 + (draw >> 24) % 121);
    const std::int64_t at_s = now_s % kPeriodS;
    if (at_s < begin_s || at_s >= begin_s + length_s) return {};
    const std::uint64_t way =
        (draw >> 40) % 4;  // 0: only deposits go, 1: only withdrawals, else none
    return {.deposit = way == 0, .withdraw = way == 1};
  }

 private:
  static std::int64_t seconds(double s) {
    return static_cast<std::int64_t>(s * 1000.0 / static_cast<double>(kSlotMs));
  }

  [[nodiscard]] bool asset_named(const std::string& name) const {
    return std::any_of(references_.begin(), references_.end(),
                       [&](const Reference& r) { return r.name == name; });
  }

  [[nodiscard]] double usdt_krw() const {
    return usd_krw_.value() * usdt_usd_.value() * (1.0 + usdt_premium_.value());
  }

  /// What the market is worth now, in its quote currency.
  [[nodiscard]] double fair(const Moving& m) const {
    double price = 0;
    if (m.source == PriceSource::kUsdtKrw) {
      price = usdt_krw();
    } else if (m.source == PriceSource::kUsdtUsd) {
      price = usdt_usd_.value();
    } else {
      const Reference& reference = references_[m.asset];
      price = std::exp(reference.log_price);
      if (m.krw) {
        price *=
            usdt_krw() / usdt_usd_.value() * (1.0 + premium_.value() + reference.korean.value());
      } else if (m.usdt_quote) {
        price /= usdt_usd_.value();
      }
      price *= 1.0 + dislocation(reference, m.listing.get());
    }
    return price * (1.0 + m.noise.value());
  }

  [[nodiscard]] double dislocation(const Reference& reference, const Listing* listing) const {
    if (reference.dislocated != listing || slot_ < reference.begin_slot ||
        slot_ >= reference.end_slot) {
      return 0;
    }
    // Half a second in, half a second out.
    const auto ramp = static_cast<double>(seconds(0.5));
    const double in = static_cast<double>(slot_ - reference.begin_slot + 1) / ramp;
    const double out = static_cast<double>(reference.end_slot - slot_) / ramp;
    return reference.dislocation * std::min({1.0, in, out});
  }

  void add(std::uint64_t seed, VenueId venue, PriceSource source, std::size_t asset,
           const std::string& base, const std::string& quote) {
    const VenueModel& model = simulated(venue).model;
    auto listing = std::make_unique<Listing>();
    Rng rng(mix(seed) ^ hash_text(std::string(to_string(venue)) + ':' + base + '-' + quote));
    const bool fx = source != PriceSource::kAsset;
    Wander noise(0, fx ? (quote == "KRW" ? 3e-4 : 1e-5) : model.noise, 20, rng);
    Moving m{std::move(listing), rng, noise};
    m.source = source;
    m.asset = asset;
    m.krw = quote == "KRW";
    m.usdt_quote = quote == "USDT";
    m.quote_usd = m.krw ? 1.0 / usdt_krw() : 1.0;

    const double price = fair(m);
    const Steps steps = m.krw                             ? krw_steps(venue, price)
                        : source == PriceSource::kUsdtUsd ? Steps{5, 1, 8}
                                                          : dollar_steps(venue, price);
    Instrument& instrument = m.listing->instrument;
    instrument.venue = venue;
    instrument.base = base;
    instrument.quote = quote;
    instrument.price_decimals = steps.price_decimals;
    instrument.tick = steps.tick;
    instrument.size_decimals = steps.size_decimals;
    // A very cheap coin has huge sizes; fewer decimals keep sums exact in 64 bits.
    if (price * m.quote_usd < 0.001)
      instrument.size_decimals = std::min(instrument.size_decimals, 2);
    instrument.index = public_[index_of(venue)].size();
    m.scale = std::pow(10.0, instrument.price_decimals);
    m.lot_scale = std::pow(10.0, instrument.size_decimals);

    open_book(m, price);
    open_ticker(m, price, fx ? 3e8 : references_[asset].volume_usd, model.volume);
    m.next_trade_slot = seconds(m.rng.uniform(0.2, 2.0));
    public_[index_of(venue)].push_back(m.listing.get());
    by_venue_[index_of(venue)].push_back(moving_.size());
    moving_.push_back(std::move(m));
  }

  void open_book(Moving& m, double price) {
    const VenueModel& model = simulated(m.listing->instrument.venue).model;
    Book& book = m.listing->book;
    book.ts_ms = origin_ms_ - kSlotMs;
    book.touch_ts_ms = book.ts_ms;
    // Ids continue above those of any earlier run: they start at the clock and grow more slowly.
    book.last_id = static_cast<std::uint64_t>(origin_ms_) * 4;
    book.previous_id = book.last_id - 1;
    book.first_id = book.last_id;
    book.revision = static_cast<std::uint64_t>(origin_ms_ / 100);
    const auto [bid, ask] = targets(m, price);
    insert_level(m, book.bids, bid, true);
    insert_level(m, book.asks, ask, false);
    const std::size_t depth = (model.min_depth + model.max_depth) / 2;
    while (book.bids.size() < depth && insert_random(m, true)) {
    }
    while (book.asks.size() < depth && insert_random(m, false)) {
    }
  }

  void open_ticker(Moving& m, double price, double volume_usd, double share) {
    const Instrument& instrument = m.listing->instrument;
    const Book& book = m.listing->book;
    Ticker& ticker = m.listing->ticker;
    const double swing = m.source == PriceSource::kAsset ? 0.02 : 0.002;
    const auto points = [&](double value) {
      const double ticks =
          std::max(1.0, std::round(value * m.scale / static_cast<double>(instrument.tick)));
      return static_cast<std::int64_t>(ticks) * instrument.tick;
    };
    ticker.last = book.bids.front().price;
    const double day_change =
        m.source == PriceSource::kAsset ? references_[m.asset].day_change : 0.0;
    ticker.open = points(price * (1.0 - day_change + 0.1 * swing * m.rng.uniform(-1, 1)));
    const std::int64_t up = points(price * swing * m.rng.uniform(0.1, 0.6));
    const std::int64_t down = points(price * swing * m.rng.uniform(0.1, 0.6));
    ticker.high = std::max(ticker.open, ticker.last) + up;
    ticker.low = std::max(instrument.tick, std::min(ticker.open, ticker.last) - down);
    ticker.previous_close = ticker.open + (m.rng.chance(0.5) ? 1 : -1) * instrument.tick;
    ticker.previous_close = std::max(ticker.previous_close, instrument.tick);
    ticker.yesterday_open = points(price * (1.0 + swing * m.rng.uniform(-1, 1)));
    ticker.yesterday_high = std::max(ticker.yesterday_open, ticker.previous_close) + up;
    ticker.yesterday_low =
        std::max(instrument.tick, std::min(ticker.yesterday_open, ticker.previous_close) - down);
    ticker.year_high = points(price * 1.9);
    ticker.year_low = points(price * 0.55);

    const double base = volume_usd * share * m.rng.uniform(0.7, 1.3) / (price * m.quote_usd);
    const double volume = std::min(kMaxVolumeLots, base * m.lot_scale);
    ticker.volume_24h = static_cast<std::int64_t>(volume);
    ticker.volume_day = static_cast<std::int64_t>(volume * 0.4);
    ticker.bid_volume_day = static_cast<std::int64_t>(volume * 0.21);
    ticker.ask_volume_day = ticker.volume_day - ticker.bid_volume_day;
    ticker.turnover_24h = static_cast<double>(ticker.volume_24h) / m.lot_scale * price;
    ticker.turnover_day = static_cast<double>(ticker.volume_day) / m.lot_scale * price;
    ticker.yesterday_volume = static_cast<std::int64_t>(volume * 0.9);
    ticker.yesterday_turnover = static_cast<double>(ticker.yesterday_volume) / m.lot_scale * price;
    ticker.last_size = std::max<std::int64_t>(1, book.bids.front().size / 3);
    ticker.taker = Side::kAsk;
    ticker.last_trade_id = static_cast<std::uint64_t>(origin_ms_);
    ticker.first_trade_id = ticker.last_trade_id - 20'000 - m.rng.below(900'000);
    ticker.ts_ms = origin_ms_;
    m.day = origin_ms_ / kDayMs;
  }

  /// Where the touch belongs for a fair price: at least one tick apart.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> targets(const Moving& m, double price) const {
    const Instrument& instrument = m.listing->instrument;
    const double half =
        m.source == PriceSource::kAsset ? simulated(instrument.venue).model.half_spread : 5e-6;
    const auto tick = static_cast<double>(instrument.tick);
    const double points = price * m.scale;
    const auto bid_ticks = std::max<std::int64_t>(
        2, static_cast<std::int64_t>(std::floor(points * (1 - half) / tick)));
    auto ask_ticks = static_cast<std::int64_t>(std::ceil(points * (1 + half) / tick));
    ask_ticks = std::max(ask_ticks, bid_ticks + 1);
    return {bid_ticks * instrument.tick, ask_ticks * instrument.tick};
  }

  [[nodiscard]] std::int64_t random_size(Moving& m, std::int64_t price, std::size_t place) {
    const VenueModel& model = simulated(m.listing->instrument.venue).model;
    double usd = model.notional * std::exp(0.9 * m.rng.normal()) *
                 (1.0 + 0.04 * static_cast<double>(std::min<std::size_t>(place, 60)));
    if (m.source != PriceSource::kAsset) usd *= 8;
    const double base = usd / (static_cast<double>(price) / m.scale * m.quote_usd);
    const double lots = std::clamp(std::round(base * m.lot_scale), 1.0, kMaxLots);
    return static_cast<std::int64_t>(lots);
  }

  /// False when the price is taken.
  bool insert_level(Moving& m, std::vector<Level>& side, std::int64_t price, bool bids) {
    const auto at = std::lower_bound(side.begin(), side.end(), price,
                                     [bids](const Level& level, std::int64_t wanted) {
                                       return bids ? level.price > wanted : level.price < wanted;
                                     });
    if (at != side.end() && at->price == price) return false;
    const auto place = static_cast<std::size_t>(at - side.begin());
    side.insert(at, {price, random_size(m, price, place)});
    return true;
  }

  [[nodiscard]] double span_ticks(const Moving& m, std::int64_t best) const {
    const Instrument& instrument = m.listing->instrument;
    const VenueModel& model = simulated(instrument.venue).model;
    // A currency pair hardly moves, and its book is as narrow as the tick allows.
    const double span = m.source == PriceSource::kAsset ? model.span : 0.0;
    const double ticks = static_cast<double>(best) * span / static_cast<double>(instrument.tick);
    // A coarse tick spreads the book over more of the price.
    return std::max(ticks, static_cast<double>(model.max_depth) * 1.3);
  }

  /// A new level behind the best one, denser near it. False when no place was found.
  bool insert_random(Moving& m, bool bids) {
    std::vector<Level>& side = bids ? m.listing->book.bids : m.listing->book.asks;
    const std::int64_t tick = m.listing->instrument.tick;
    const std::int64_t best = side.front().price;
    const double u = m.rng.uniform();
    auto offset = static_cast<std::int64_t>(1.0 + std::pow(u, 1.4) * span_ticks(m, best));
    for (std::size_t attempt = 0; attempt <= side.size(); ++attempt, ++offset) {
      const std::int64_t price = bids ? best - offset * tick : best + offset * tick;
      if (price < tick) return false;
      if (insert_level(m, side, price, bids)) return true;
    }
    return false;
  }

  void resize(Moving& m, std::vector<Level>& side, std::size_t place) {
    Level& level = side[place];
    std::int64_t size = random_size(m, level.price, place);
    if (size == level.size) ++size;
    level.size = size;
  }

  void random_change(Moving& m) {
    const VenueModel& model = simulated(m.listing->instrument.venue).model;
    const bool bids = m.rng.chance(0.5);
    std::vector<Level>& side = bids ? m.listing->book.bids : m.listing->book.asks;
    const double u = m.rng.uniform();
    const auto place = static_cast<std::size_t>(u * u * static_cast<double>(side.size()));
    const double choice = m.rng.uniform();
    if (choice < 0.55) {
      resize(m, side, place);
    } else if (choice < 0.78) {
      insert_random(m, bids);
    } else if (side.size() > model.min_depth) {
      side.erase(side.begin() + static_cast<std::ptrdiff_t>(place));
    }
  }

  /// Moves the touch to where the fair price wants it, if it is off by more than some slack.
  void follow(Moving& m) {
    Book& book = m.listing->book;
    const double price = fair(m);
    const auto [bid, ask] = targets(m, price);
    const auto slack = static_cast<std::int64_t>(std::max(
        static_cast<double>(m.listing->instrument.tick), static_cast<double>(ask - bid) * 0.4));
    if (std::abs(book.bids.front().price - bid) <= slack &&
        std::abs(book.asks.front().price - ask) <= slack) {
      return;
    }
    const std::int64_t best_bid = bid;
    const std::int64_t best_ask = ask;
    std::erase_if(book.bids, [=](const Level& level) { return level.price > best_bid; });
    std::erase_if(book.asks, [=](const Level& level) { return level.price < best_ask; });
    insert_level(m, book.bids, bid, true);
    insert_level(m, book.asks, ask, false);
  }

  void keep_depth(Moving& m, bool bids) {
    const VenueModel& model = simulated(m.listing->instrument.venue).model;
    std::vector<Level>& side = bids ? m.listing->book.bids : m.listing->book.asks;
    const double reach =
        1.8 * span_ticks(m, side.front().price) * static_cast<double>(m.listing->instrument.tick);
    for (int dropped = 0; dropped < 3 && side.size() > 1; ++dropped) {
      const std::int64_t distance = std::abs(side.back().price - side.front().price);
      if (static_cast<double>(distance) <= reach) break;
      side.pop_back();
    }
    while (side.size() < model.min_depth && insert_random(m, bids)) {
    }
    if (side.size() > model.max_depth) side.resize(model.max_depth);
  }

  void change_book(Moving& m, std::int64_t ts_ms, MarketObserver& observer) {
    Listing& listing = *m.listing;
    Book& book = listing.book;
    before_ = book;
    follow(m);
    const std::size_t changes = 1 + m.rng.below(4);
    for (std::size_t i = 0; i < changes; ++i) random_change(m);
    keep_depth(m, true);
    keep_depth(m, false);
    if (same_top(before_.bids, book.bids, 10) && same_top(before_.asks, book.asks, 10)) {
      std::vector<Level>& side = m.rng.chance(0.5) ? book.bids : book.asks;
      resize(m, side, m.rng.below(std::min<std::size_t>(5, side.size())));
    }
    const bool touch =
        before_.bids.front() != book.bids.front() || before_.asks.front() != book.asks.front();
    book.previous_id = before_.last_id;
    book.first_id = before_.last_id + 1;
    book.last_id = book.first_id + changes + m.rng.below(6);
    book.revision = before_.revision + 1;
    book.ts_ms = ts_ms;
    if (touch) book.touch_ts_ms = ts_ms;
    observer.on_book({listing, before_, book, touch});
  }

  void start_day(Moving& m) {
    Ticker& ticker = m.listing->ticker;
    ticker.yesterday_open = ticker.open;
    ticker.yesterday_high = ticker.high;
    ticker.yesterday_low = ticker.low;
    ticker.yesterday_volume = ticker.volume_day;
    ticker.yesterday_turnover = ticker.turnover_day;
    ticker.previous_close = ticker.last;
    ticker.volume_24h = ticker.volume_day;
    ticker.turnover_24h = ticker.turnover_day;
    ticker.volume_day = ticker.bid_volume_day = ticker.ask_volume_day = 0;
    ticker.turnover_day = 0;
    ticker.open = 0;
  }

  void trade(Moving& m, std::int64_t ts_ms, MarketObserver& observer) {
    Ticker& ticker = m.listing->ticker;
    const Book& book = m.listing->book;
    if (ts_ms / kDayMs != m.day) {
      m.day = ts_ms / kDayMs;
      start_day(m);
    }
    const bool buy = m.rng.chance(0.5);
    const Level& hit = buy ? book.asks.front() : book.bids.front();
    const double part = std::pow(m.rng.uniform(), 3);
    const auto size =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(part * static_cast<double>(hit.size)));
    ticker.last = hit.price;
    ticker.last_size = size;
    ticker.taker = buy ? Side::kBid : Side::kAsk;
    if (ticker.open == 0) ticker.open = ticker.high = ticker.low = hit.price;
    ticker.high = std::max(ticker.high, hit.price);
    ticker.low = std::min(ticker.low, hit.price);
    ticker.year_high = std::max(ticker.year_high, ticker.high);
    ticker.year_low = std::min(ticker.year_low, ticker.low);
    if (ticker.volume_24h < static_cast<std::int64_t>(kMaxVolumeLots)) {
      ticker.volume_24h += size;
      ticker.volume_day += size;
      (buy ? ticker.bid_volume_day : ticker.ask_volume_day) += size;
    }
    const double turnover =
        static_cast<double>(size) / m.lot_scale * static_cast<double>(hit.price) / m.scale;
    ticker.turnover_24h += turnover;
    ticker.turnover_day += turnover;
    ++ticker.last_trade_id;
    ticker.ts_ms = ts_ms;
    m.next_trade_slot = slot_ + seconds(m.rng.uniform(1.0, 2.8));
    observer.on_ticker(*m.listing);
  }

  void step_references() {
    premium_.step(rng_);
    usd_krw_.step(rng_);
    usdt_premium_.step(rng_);
    usdt_usd_.step(rng_);
    for (std::size_t i = 0; i < references_.size(); ++i) {
      Reference& reference = references_[i];
      reference.log_price += reference.volatility * reference.rng.normal() +
                             2e-6 * (reference.anchor - reference.log_price);
      reference.korean.step(reference.rng);
      if (slot_ >= reference.next_slot) dislocate(reference, i);
    }
  }

  void dislocate(Reference& reference, std::size_t asset) {
    reference.next_slot = slot_ + seconds(reference.rng.uniform(200, 600));
    reference.begin_slot = slot_;
    reference.end_slot = slot_ + seconds(reference.rng.uniform(4, 10));
    reference.dislocation =
        reference.rng.uniform(0.012, 0.03) * (reference.rng.chance(0.5) ? 1 : -1);
    std::size_t count = 0;
    for (const Moving& m : moving_) count += m.source == PriceSource::kAsset && m.asset == asset;
    if (count == 0) return;
    std::size_t chosen = reference.rng.below(count);
    for (const Moving& m : moving_) {
      if (m.source != PriceSource::kAsset || m.asset != asset) continue;
      if (chosen-- == 0) {
        reference.dislocated = m.listing.get();
        return;
      }
    }
  }

  void run_slot(MarketObserver& observer) {
    const std::int64_t ts_ms = next_tick_ms();
    if (slot_ % kSlotsPerStep == 0) step_references();
    for (const VenueIdentity& venue : kVenues) {
      const std::vector<std::size_t>& places = by_venue_[index_of(venue.id)];
      const VenueModel& model = simulated(venue.id).model;
      if (places.empty() || slot_ % model.period != model.phase) continue;
      for (const std::size_t place : places) {
        Moving& m = moving_[place];
        for (std::int64_t step = 0; step < model.period / kSlotsPerStep; ++step) {
          m.noise.step(m.rng);
        }
        if (m.rng.chance(model.activity)) change_book(m, ts_ms, observer);
        if (slot_ >= m.next_trade_slot) trade(m, ts_ms, observer);
      }
      observer.on_instant(venue.id, ts_ms);
    }
    ++slot_;
  }

  std::uint64_t seed_;
  std::int64_t origin_ms_;
  std::int64_t slot_ = 0;
  Rng rng_;
  Wander premium_;       // Korean premium over USDT prices
  Wander usd_krw_;       // at the banks
  Wander usdt_premium_;  // USDT in KRW over the banks' dollar
  Wander usdt_usd_;
  std::vector<Reference> references_;
  std::vector<Moving> moving_;
  std::array<std::vector<std::size_t>, kVenueCount> by_venue_;
  std::array<std::vector<const Listing*>, kVenueCount> public_;
  Book before_;  // kept to reuse its memory
};

Market::Market(const MarketConfig& config, std::int64_t start_ms)
    : impl_(std::make_unique<Impl>(config, start_ms)) {}
Market::~Market() = default;

void Market::advance_to(std::int64_t now_ms, MarketObserver& observer) {
  impl_->advance_to(now_ms, observer);
}
std::int64_t Market::next_tick_ms() const { return impl_->next_tick_ms(); }
std::uint64_t Market::tick_number() const { return impl_->tick_number(); }
const std::vector<const Listing*>& Market::listings(VenueId venue) const {
  return impl_->listings(venue);
}
const Listing* Market::find(VenueId venue, std::string_view base, std::string_view quote) const {
  for (const Listing* listing : impl_->listings(venue)) {
    if (listing->instrument.base == base && listing->instrument.quote == quote) return listing;
  }
  return nullptr;
}
WalletState Market::wallet(VenueId venue, std::string_view asset) const {
  return impl_->wallet(venue, asset);
}
double Market::usd_krw() const { return impl_->usd_krw(); }

}  // namespace spreadwatch::sim
