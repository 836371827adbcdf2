#include "sim/venues/kraken_text.h"

#include <zlib.h>

#include <algorithm>

#include "sim/format.h"

namespace spreadwatch::sim::kraken {
namespace {

constexpr std::size_t kChecksumLevels = 10;

/// A step of one unit as the instrument channel spells it: 0.1, 0.001, but 1e-08.
std::string step_text(std::int64_t step, int decimals) {
  if (step != 1 || decimals < 5) return trimmed(step, decimals);
  return std::string(decimals < 10 ? "1e-0" : "1e-") + std::to_string(decimals);
}

std::string book_side(const std::vector<Level>& side, const Instrument& i, std::size_t depth) {
  JsonArray rows;
  for (std::size_t n = 0; n < std::min(depth, side.size()); ++n) {
    rows.add(R"({"price":)" + price_text(side[n].price, i) + R"(,"qty":)" +
             size_text(side[n].size, i) + "}");
  }
  return rows.str();
}

/// Deletes come before inserts, so that a client may cut its book to the depth after each level. A
/// level that merely left the window is not mentioned: that cut removes it.
std::string book_side(const std::vector<LevelChange>& side, const Instrument& i) {
  JsonArray rows;
  for (const ChangeKind kind : {ChangeKind::kDeleted, ChangeKind::kSet}) {
    for (const LevelChange& change : side) {
      if (change.kind != kind) continue;
      rows.add(R"({"price":)" + price_text(change.level.price, i) + R"(,"qty":)" +
               size_text(change.level.size, i) + "}");
    }
  }
  return rows.str();
}

void append_checksum_digits(std::string& text, const std::string& number) {
  bool leading = true;
  for (const char c : number) {
    if (c == '.' || (leading && c == '0')) continue;
    leading = false;
    text += c;
  }
}

std::uint32_t checksum(const Book& book, const Instrument& i) {
  std::string text;
  for (const std::vector<Level>* side : {&book.asks, &book.bids}) {
    for (std::size_t n = 0; n < std::min(kChecksumLevels, side->size()); ++n) {
      append_checksum_digits(text, price_text((*side)[n].price, i));
      append_checksum_digits(text, size_text((*side)[n].size, i));
    }
  }
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

}  // namespace

std::string symbol_of(const Instrument& i) { return i.base + "/" + i.quote; }
std::string price_text(std::int64_t price, const Instrument& i) {
  return fixed(price, i.price_decimals);
}
std::string size_text(std::int64_t size, const Instrument& i) {
  return fixed(size, i.size_decimals);
}

std::vector<std::string> assets_of(const std::vector<const Listing*>& listings) {
  std::vector<std::string> assets;
  for (const Listing* listing : listings) {
    for (const std::string& asset : {listing->instrument.base, listing->instrument.quote}) {
      if (std::find(assets.begin(), assets.end(), asset) == assets.end()) assets.push_back(asset);
    }
  }
  return assets;
}

std::string channel_frame(std::string_view channel, std::string_view type, std::string_view data) {
  return JsonObject().text("channel", channel).text("type", type).raw("data", data).str();
}

/// Depends on what stands in the book only; a snapshot carries no timestamp.
std::string book_snapshot(const Listing& listing, int depth) {
  const auto window = static_cast<std::size_t>(depth);
  const std::string row = JsonObject()
                              .text("symbol", symbol_of(listing.instrument))
                              .raw("bids", book_side(listing.book.bids, listing.instrument, window))
                              .raw("asks", book_side(listing.book.asks, listing.instrument, window))
                              .number("checksum", checksum(listing.book, listing.instrument))
                              .str();
  return channel_frame("book", "snapshot", "[" + row + "]");
}

std::string book_update(const BookEvent& event, int depth) {
  const Instrument& i = event.listing.instrument;
  const WindowChange change =
      window_change(event.before, event.after, static_cast<std::size_t>(depth));
  const std::string row = JsonObject()
                              .text("symbol", symbol_of(i))
                              .raw("bids", book_side(change.bids, i))
                              .raw("asks", book_side(change.asks, i))
                              .number("checksum", checksum(event.after, i))
                              .text("timestamp", rfc3339_micros(event.after.ts_ms * 1000))
                              .str();
  return channel_frame("book", "update", "[" + row + "]");
}

double vwap(double turnover, std::int64_t volume, const Listing& listing) {
  if (volume == 0) return to_double(listing.ticker.last, listing.instrument.price_decimals);
  return turnover / to_double(volume, listing.instrument.size_decimals);
}

std::int64_t trade_count(const Ticker& t) {
  return static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1);
}

std::string ticker_frame(std::string_view type, const Listing& listing, std::int64_t ts_ms) {
  const Instrument& i = listing.instrument;
  const Ticker& t = listing.ticker;
  const Level bid = listing.book.bids.empty() ? Level{} : best_of(listing.book.bids);
  const Level ask = listing.book.asks.empty() ? Level{} : best_of(listing.book.asks);
  const double percent =
      t.open == 0 ? 0.0
                  : static_cast<double>(t.last - t.open) * 100.0 / static_cast<double>(t.open);
  const std::string row =
      JsonObject()
          .text("symbol", symbol_of(i))
          .raw("bid", price_text(bid.price, i))
          .raw("bid_qty", size_text(bid.size, i))
          .raw("ask", price_text(ask.price, i))
          .raw("ask_qty", size_text(ask.size, i))
          .raw("last", price_text(t.last, i))
          .raw("volume", size_text(t.volume_24h, i))
          .raw("vwap", fixed(vwap(t.turnover_24h, t.volume_24h, listing), i.price_decimals))
          .raw("low", price_text(t.low, i))
          .raw("high", price_text(t.high, i))
          .raw("change", price_text(t.last - t.open, i))
          .raw("change_pct", fixed(percent, 2))
          .number("trades", trade_count(t))
          .text("timestamp", rfc3339_micros(ts_ms * 1000))
          .str();
  return channel_frame("ticker", type, "[" + row + "]");
}

std::string pair_info(const Instrument& i, std::string_view status) {
  const std::string increment = step_text(i.tick, i.price_decimals);
  return JsonObject()
      .text("symbol", symbol_of(i))
      .text("base", i.base)
      .text("quote", i.quote)
      .text("status", status)
      .number("qty_precision", i.size_decimals)
      .raw("qty_increment", step_text(1, i.size_decimals))
      .number("price_precision", i.price_decimals)
      .number("cost_precision", 5)
      .boolean("marginable", false)
      .boolean("has_index", true)
      .raw("cost_min", "0.50")
      .raw("tick_size", increment)
      .raw("price_increment", increment)
      .raw("qty_min", step_text(1, i.size_decimals))
      .str();
}

const char* wallet_status(const WalletState& wallet) {
  if (wallet.deposit) return wallet.withdraw ? "enabled" : "deposit_only";
  return wallet.withdraw ? "withdrawal_only" : "funding_temporarily_disabled";
}

std::string asset_info(const std::string& name, const WalletState& wallet) {
  const bool cash = name == "USD" || name == "EUR";
  return JsonObject()
      .text("id", name)
      .text("status", wallet_status(wallet))
      .number("precision", cash             ? 4
                           : name == "USDT" ? 8
                                            : 10)
      .number("precision_display", cash ? 2 : 5)
      .boolean("borrowable", false)
      .raw("collateral_value", "1.00")
      .raw("margin_rate", "0.020000")
      .str();
}

}  // namespace spreadwatch::sim::kraken
