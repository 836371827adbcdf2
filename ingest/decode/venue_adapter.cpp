#include "ingest/decode/venue_adapter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

/// A hostile market list must not grow without bound; the largest real one has a few thousand rows.
constexpr std::size_t kMaxListed = 100'000;

/// Quote currencies of the nine venues' spot markets, for symbols without a separator.
constexpr std::array<std::string_view, 33> kQuotes = {
    "FDUSD", "USDT",  "USDC", "USDE", "USDS", "USDQ", "USDR", "USD1", "TUSD", "BUSD", "USDP",
    "PYUSD", "RLUSD", "EURC", "EURI", "BIDR", "IDRT", "BVND", "DAI",  "USD",  "EUR",  "GBP",
    "TRY",   "BRL",   "JPY",  "KRW",  "AUD",  "PLN",  "MNT",  "BTC",  "ETH",  "BNB",  "SOL"};

/// A price that a ticker may lack: zero is a venue's way to say "none".
/// Returns false when it is not a price at all.
bool check_price(std::optional<double>& price) {
  if (!price) return true;
  if (*price == 0) price.reset();
  return !price || (std::isfinite(*price) && *price > 0);
}

/// Null, or what is wrong with the ticker's numbers. A coin before its first trade has a ticker
/// like any other, only without a price: venues send zero, null or an empty text for it.
const char* check_numbers(Ticker& t) {
  if (!check_price(t.trade_price)) return "trade_price is negative or not finite";
  if (!check_price(t.opening_price)) return "opening_price is negative or not finite";
  if (!check_price(t.high_price)) return "high_price is negative or not finite";
  if (!check_price(t.low_price)) return "low_price is negative or not finite";
  if (!check_price(t.prev_closing_price)) return "prev_closing_price is negative or not finite";
  if (t.acc_trade_volume_24h &&
      !(std::isfinite(*t.acc_trade_volume_24h) && *t.acc_trade_volume_24h >= 0)) {
    return "acc_trade_volume_24h is negative or not finite";
  }
  if (t.signed_change_price && !std::isfinite(*t.signed_change_price)) {
    return "signed_change_price is not finite";
  }
  // A change of no price is none, whatever figure the venue fills in.
  if (!t.trade_price) t.signed_change_price.reset();
  // One formula for every venue: the change over the price it is counted from, not the venue's
  // rounded rate.
  t.signed_change_rate.reset();
  if (t.signed_change_price && t.trade_price) {
    const double base = *t.trade_price - *t.signed_change_price;
    if (base > 0) {
      const double rate = *t.signed_change_price / base;
      if (std::isfinite(rate)) t.signed_change_rate = rate;
    }
  }
  return nullptr;
}

/// A level of price zero is no offer, though venues pad thin sides with them and send them by
/// mistake: left out of every book. Returns how many there were.
std::size_t drop_zero_prices(std::vector<Level>& side) {
  return std::erase_if(side, [](const Level& level) { return level.price.is_zero(); });
}

/// A book over REST that is to be told apart from what seeds or continues a stream.
bool stands_alone(const Frame& frame) {
  return frame.origin == Origin::kRest &&
         (frame.channel == kPolledChannel || frame.channel == kAuditChannel);
}

}  // namespace

VenueAdapter::VenueAdapter() = default;
VenueAdapter::~VenueAdapter() = default;

std::vector<std::string> VenueAdapter::watch_markets(Timestamp) const { return {}; }

std::string VenueAdapter::ping(Timestamp) const { return {}; }

RestCall VenueAdapter::polled_call(std::span<const Instrument> instruments, int depth) const {
  assert(instruments.size() == 1);
  return book_call(instruments.front(), depth);
}

void VenueAdapter::about(std::string_view symbol, std::string_view stream) {
  symbol_.assign(symbol);
  stream_.assign(stream);
}

void VenueAdapter::decode(const Frame& frame, Decoded& out) {
  out.clear();
  about({});
  Error error;
  try {
    if (frame.payload.size() > kMaxFrameBytes) {
      fail(ErrorCode::kOversizedFrame, std::to_string(frame.payload.size()) + " bytes");
    }
    if (stands_alone(frame)) {
      Frame asked = frame;
      asked.channel = to_string(Channel::kOrderBook);
      parse(asked, out);
      for (BookMessage& book : out.books) {
        book.stream = rest_stream(book.symbol);
        book.rule = BookRule::kReplace;
        book.snapshot = true;
      }
    } else {
      parse(frame, out);
    }
    for (BookMessage& book : out.books) {
      out.dropped_levels += drop_zero_prices(book.bids) + drop_zero_prices(book.asks);
      // Keys given twice, or an error beside data: what names the book may have gone missing.
      if (book.symbol.empty() || book.stream.empty()) {
        fail(ErrorCode::kSchemaMismatch, "an order book without symbol");
      }
    }
    finish_tickers(frame, out);
    if (out.refused_rows > Decoded::kMaxRowErrors) {
      out.add_partial_error(
          ErrorCode::kSchemaMismatch,
          std::to_string(out.refused_rows - Decoded::kMaxRowErrors) + " further rows refused");
    }
    const bool any = !out.tickers.empty() || !out.books.empty() || !out.markets.empty();
    for (DecodeError& part : out.errors) part.partial = part.partial || any;
    learn(out.markets);
    return;
  } catch (const DecodeFailure& failure) {
    error = failure.error();
  } catch (const simdjson::simdjson_error& failure) {
    error = {code_of(failure.error()), simdjson::error_message(failure.error())};
  } catch (const std::exception& failure) {
    error = {ErrorCode::kSchemaMismatch, failure.what()};
  }
  // A payload that fails as a whole gives nothing: what was read before the fault may be half a
  // message.
  out.clear();
  out.add_error(error.code, error.detail, symbol_, stream_);
}

void VenueAdapter::finish_tickers(const Frame& frame, Decoded& out) const {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < out.tickers.size(); ++i) {
    TickerMessage& message = out.tickers[i];
    Ticker& ticker = message.ticker;
    std::optional<Instrument> canonical = instrument(message.symbol);
    if (!canonical) {
      out.add_row_error({ErrorCode::kUnknownSymbol, "not a spot instrument"}, message.symbol);
      continue;
    }
    if (const char* const wrong = check_numbers(ticker)) {
      out.add_row_error({ErrorCode::kValueOutOfRange, wrong}, message.symbol);
      continue;
    }
    ticker.venue = profile().id;
    ticker.instrument = std::move(*canonical);
    ticker.origin = frame.origin;
    ticker.connection = frame.connection;
    ticker.receive_time = frame.receive_time;
    if (kept != i) std::swap(out.tickers[kept], message);
    ++kept;
  }
  while (out.tickers.size() > kept) out.tickers.pop();
}

void VenueAdapter::learn(const std::vector<MarketInfo>& markets) {
  for (const MarketInfo& market : markets) {
    if (listed_.size() >= kMaxListed) return;
    listed_.insert_or_assign(market.symbol, market.instrument);
  }
}

std::optional<Instrument> VenueAdapter::instrument(std::string_view venue_symbol) const {
  const auto listed = listed_.find(venue_symbol);
  if (listed != listed_.end()) return listed->second;
  return split(venue_symbol);
}

RestCall VenueAdapter::seed_call(const Instrument& instrument, int depth, int /*weight*/) const {
  return book_call(instrument, depth);
}

RestCall VenueAdapter::call_of(std::string_view path, std::string_view channel,
                               const Instrument& instrument) const {
  RestCall call{std::string{path}, std::string{channel}, venue_symbol(instrument), 1};
  append_url_escaped(call.path, call.symbol);
  return call;
}

std::vector<RestCall> VenueAdapter::one_or_all(std::span<const Instrument> instruments,
                                               std::string_view one, std::string_view all) const {
  if (instruments.empty()) return {};
  if (instruments.size() == 1) return {call_of(one, "ticker", instruments.front())};
  return {{std::string{all}, "ticker", "", 1}};
}

std::vector<RestCall> VenueAdapter::in_groups(std::span<const Instrument> instruments,
                                              std::string_view path) const {
  std::vector<RestCall> calls;
  for (const auto group : chunks(instruments, profile().tickers_per_call)) {
    RestCall call = call_of(path, "ticker", group.front());
    for (const Instrument& instrument : group.subspan(1)) {
      call.path.push_back(',');
      append_url_escaped(call.path, venue_symbol(instrument));
    }
    if (group.size() > 1) call.symbol.clear();
    calls.push_back(std::move(call));
  }
  return calls;
}

const VenueProfile& venue_profile(VenueId id) {
  static const auto profiles = [] {
    std::array<VenueProfile, kVenueCount> all;
    for (const VenueIdentity& venue : kVenues)
      all[index_of(venue.id)] = make_adapter(venue.id)->profile();
    return all;
  }();
  return profiles[index_of(id)];
}

std::optional<Instrument> split_at_quote(std::string_view symbol) {
  std::string_view longest;
  for (const std::string_view quote : kQuotes) {
    if (quote.size() > longest.size() && symbol.size() > quote.size() && symbol.ends_with(quote)) {
      longest = quote;
    }
  }
  if (longest.empty()) return std::nullopt;
  const std::string_view base = symbol.substr(0, symbol.size() - longest.size());
  if (!is_asset(base)) return std::nullopt;
  return Instrument{std::string{base}, std::string{longest}};
}

std::optional<Instrument> split_at(std::string_view symbol, char separator) {
  const auto at = symbol.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view left = symbol.substr(0, at);
  const std::string_view right = symbol.substr(at + 1);
  if (!is_asset(left) || !is_asset(right)) return std::nullopt;
  return Instrument{to_upper(left), to_upper(right)};
}

std::optional<Instrument> split_quote_first(std::string_view symbol, char separator) {
  std::optional<Instrument> instrument = split_at(symbol, separator);
  if (instrument) std::swap(instrument->base, instrument->quote);
  return instrument;
}

std::string rest_stream(std::string_view symbol) { return "rest:" + std::string{symbol}; }

}  // namespace spreadwatch::ingest
