#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/venue.h"

/// The one market behind all simulated venues: reference prices, books and tickers, moved in ticks.
///
/// Everything here is exact: a price is an integer count of 10^-price_decimals of the quote
/// currency, a size an integer count of 10^-size_decimals of the base. A venue's *published* book
/// is the only book there is. It changes at the venue's publish instants only, by at most one event
/// per book and instant, so every stream, depth and REST route that is derived from it agrees.
///
/// Threads: none of this is synchronised; the simulator's one thread owns it.
namespace spreadwatch::sim {

enum class Side : std::uint8_t { kBid, kAsk };

/// One price level. Integer units of the instrument (see Instrument).
struct Level {
  std::int64_t price = 0;
  std::int64_t size = 0;  ///< above 0 in a book

  friend bool operator==(const Level&, const Level&) = default;
};

/// What is fixed about one market of one venue.
struct Instrument {
  VenueId venue = VenueId::kUpbit;
  std::string base;   ///< upper case, e.g. "BTC"
  std::string quote;  ///< upper case, e.g. "KRW"
  int price_decimals = 0;
  std::int64_t tick = 1;  ///< price step, in price units; every price is a multiple of it
  int size_decimals = 8;  ///< the size step is one unit
  std::size_t index = 0;  ///< place in Market::listings(venue)
};

/// A whole published book. Both sides best first; never crossed or locked.
struct Book {
  std::vector<Level> bids;  ///< descending prices
  std::vector<Level> asks;  ///< ascending prices

  /// Ids of the event that led here: `first_id == previous_id + 1 <= last_id`, ranges of varying
  /// length without holes (Binance `U`/`u`/`lastUpdateId`, Gate `U`/`u`/`id`, OKX
  /// `prevSeqId`/`seqId`, Bybit `seq`). They keep growing across restarts of the simulator.
  std::uint64_t previous_id = 0;
  std::uint64_t first_id = 0;
  std::uint64_t last_id = 0;
  std::uint64_t revision = 0;  ///< +1 with every event (Bybit `u`)

  std::int64_t ts_ms = 0;        ///< instant of the last event
  std::int64_t touch_ts_ms = 0;  ///< instant the best bid or ask last changed price or size
};

/// Statistics and the last trade of one market. Prices and sizes in the instrument's units.
/// `low <= last <= high`, and `last` is a touch price of its moment. Rolling and day statistics
/// share open, high and low; only their volumes differ.
struct Ticker {
  std::int64_t open = 0;
  std::int64_t high = 0;
  std::int64_t low = 0;
  std::int64_t last = 0;
  std::int64_t previous_close = 0;  ///< close of the day (window) before; near, not equal to, open

  std::int64_t last_size = 0;
  Side taker = Side::kBid;  ///< kBid: the last trade was a buy

  std::int64_t volume_24h = 0;  ///< base
  std::int64_t volume_day = 0;  ///< base, at most volume_24h
  std::int64_t bid_volume_day = 0;
  std::int64_t ask_volume_day = 0;  ///< bid + ask == volume_day
  double turnover_24h = 0;          ///< quote currency
  double turnover_day = 0;

  /// The day before, complete (Coinone's yesterday_*). Its last is `previous_close`.
  std::int64_t yesterday_open = 0;
  std::int64_t yesterday_high = 0;
  std::int64_t yesterday_low = 0;
  std::int64_t yesterday_volume = 0;
  double yesterday_turnover = 0;

  std::int64_t year_high = 0;  ///< 52 weeks, includes today
  std::int64_t year_low = 0;

  std::uint64_t first_trade_id = 0;
  std::uint64_t last_trade_id = 0;  ///< count of the window = last - first + 1
  std::int64_t ts_ms = 0;           ///< instant of the last trade
};

/// One market of one venue with its state now. Address stable for the life of the Market.
struct Listing {
  Instrument instrument;
  Book book;
  Ticker ticker;
};

/// A book changed. `before` and `after` live for the call only; `after` is `listing.book`.
/// At least one of the ten best levels of a side differs, so no window of ten or more levels ever
/// sees an empty change.
struct BookEvent {
  const Listing& listing;
  const Book& before;
  const Book& after;
  bool touch_changed = false;
};

/// Receives what happened, in order. Called from Market::advance_to.
class MarketObserver {
 public:
  virtual ~MarketObserver() = default;
  virtual void on_book(const BookEvent& event) = 0;
  /// The ticker traded; the listing carries the new one.
  virtual void on_ticker(const Listing& listing) = 0;
  /// All events of this venue's instant are out. Called at every publish instant, also a quiet one:
  /// the place to flush streams with a slower rhythm (1000 ms boundaries).
  virtual void on_instant(VenueId venue, std::int64_t ts_ms) = 0;
};

/// How a level of a window changed.
enum class ChangeKind : std::uint8_t {
  kSet,      ///< new in the window, or its size changed: `level` is what it is now
  kDeleted,  ///< gone from the book; `level.size` is 0
  kLeft,     ///< still in the book, but now beyond the window; `level.size` is 0
};

struct LevelChange {
  Level level;
  ChangeKind kind = ChangeKind::kSet;
};

/// What turns one window into another. Each side best price first (deletes and sets mixed).
struct WindowChange {
  std::vector<LevelChange> bids;
  std::vector<LevelChange> asks;

  [[nodiscard]] bool empty() const { return bids.empty() && asks.empty(); }
};

/// The change of the `depth` best levels a side from one book to a later one of the same listing,
/// not necessarily the next: a 1000 ms stream passes the book it last sent. A level that comes
/// (back) into the window is kSet. `depth` 0 means the whole book.
WindowChange window_change(const Book& from, const Book& to, std::size_t depth);

/// The side in groups of `level` price units: bids round down, asks up. 0 or 1 groups nothing.
std::vector<Level> grouped(const std::vector<Level>& side, std::int64_t level, Side which);

struct WalletState {
  bool deposit = true;
  bool withdraw = true;

  friend bool operator==(const WalletState&, const WalletState&) = default;
};

struct MarketConfig {
  std::vector<std::string> assets;  ///< upper case; any name works
  std::uint64_t seed = 1;
  std::vector<VenueId> venues;  ///< all nine if empty
};

/// See the file comment. The price path is a function of the seed and the tick number only; the
/// wall clock enters ids and times, never prices.
class Market {
 public:
  /// The clock at tick 0 is `start_ms` (Unix) rounded down to a whole second.
  Market(const MarketConfig& config, std::int64_t start_ms);
  ~Market();
  Market(const Market&) = delete;
  Market& operator=(const Market&) = delete;

  /// Runs every tick due at `now_ms`, reporting to `observer`. After a stall of more than a second
  /// (a suspended machine) the missed time is skipped, not replayed in a burst.
  void advance_to(std::int64_t now_ms, MarketObserver& observer);

  /// When the next tick is due, Unix ms.
  [[nodiscard]] std::int64_t next_tick_ms() const;
  [[nodiscard]] std::uint64_t tick_number() const;

  /// The markets of a venue: assets in the configured order, then its FX market. Order never
  /// changes.
  [[nodiscard]] const std::vector<const Listing*>& listings(VenueId venue) const;
  /// Null when the venue does not list it.
  [[nodiscard]] const Listing* find(VenueId venue, std::string_view base,
                                    std::string_view quote) const;

  /// Whether an asset can be sent to and from a venue now. Each wallet closes one way or both, for
  /// two to four minutes, about once in 80 minutes.
  [[nodiscard]] WalletState wallet(VenueId venue, std::string_view asset) const;

  /// KRW for one USD at the banks, before each source's own rounding.
  [[nodiscard]] double usd_krw() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::sim
