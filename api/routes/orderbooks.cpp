#include <algorithm>
#include <optional>
#include <string>

#include "api/routes/answer.h"
#include "api/routes/patterns.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

/// What is known of an order book without its levels.
struct BookState {
  FeedState state = FeedState::kSyncing;
  std::optional<ErrorCode> reason{};
  Origin origin = Origin::kWs;
  std::optional<Timestamp> exchange_time{};
  std::optional<Timestamp> receive_time{};
};

/// The order book record without levels: what an order book is that may not be shown.
void append_hidden_book(std::string& out, VenueId venue, const Instrument& instrument,
                        const BookState& book) {
  publish::JsonObject object(out, "orderbook");
  object.add("region", to_string(region_of(venue)));
  object.add("exchange", to_string(venue));
  object.add("base", instrument.base);
  object.add("quote", instrument.quote);
  object.add_ms("exchange_ts_ms", book.exchange_time);
  object.add_us("recv_ts_us", book.receive_time);
  object.add("origin", to_string(book.origin));
  object.add("state", to_string(book.state));
  object.add("reason", name_of(book.reason));
}

Response get_order_book(const Context& context, const Request& /*request*/,
                        const Arguments& arguments, const Route& /*route*/) {
  const VenueId venue = *arguments.venue("venue");
  const std::string symbol = arguments.name("symbol");
  const Instrument instrument = instrument_from_name(symbol);
  const bool watched =
      std::any_of(context.venues.begin(), context.venues.end(),
                  [venue](const config::VenueSettings& v) { return v.id == venue; });
  if (!watched) {
    return problem(404, "unknown_venue",
                   "'" + std::string{to_string(venue)} + "' is not a watched venue");
  }
  const auto book = context.store.order_book(venue, instrument);

  // The feed's state is newer than the last book when the stream fell silent: it decides.
  std::optional<FeedStatus> feed;
  for (const FeedStatus& f : context.feed_statuses()) {
    if (f.venue == venue && f.channel == Channel::kOrderBook && f.symbol == symbol) {
      feed = f;
    }
  }
  if (!book && !feed) {
    return problem(404, "unknown_symbol",
                   "'" + symbol + "' is not watched at " + std::string{to_string(venue)});
  }
  Response response;
  FeedState state = book ? book->state : feed->state;
  std::optional<ErrorCode> reason = book ? book->reason : feed->reason;
  if (feed && feed->state != FeedState::kSynced && state == FeedState::kSynced) {
    state = feed->state;
    reason = feed->reason;
  }
  if (book && state == FeedState::kSynced && !book->bids.empty() && !book->asks.empty() &&
      book->bids.front().price >= book->asks.front().price) {
    state = FeedState::kFaulted;
    reason = ErrorCode::kCrossedBook;
  }
  if (book && state == FeedState::kSynced) {
    const std::string* depth = arguments.find("depth");
    append_told(response.body, context.clock, *book,
                depth != nullptr ? std::stoi(*depth) : publish::kDefaultDepth);
  } else {
    std::optional<Timestamp> received = book ? book->receive_time : std::nullopt;
    if (received) received = context.clock.shown(*received);
    append_hidden_book(response.body, venue, instrument,
                       {.state = state,
                        .reason = reason,
                        .origin = book ? book->origin : feed->origin,
                        .exchange_time = book ? book->exchange_time : feed->exchange_ts,
                        .receive_time = received});
  }
  return response;
}

}  // namespace

std::vector<Route> orderbooks_routes() {
  return {
      {.path = "/api/v1/orderbooks/{venue}/{symbol}",
       .operation = "getOrderBook",
       .summary = "One maintained order book, or why there is none to show",
       .schema = "OrderBook",
       .parameters = {{.name = "venue",
                       .in = Parameter::In::kPath,
                       .description = "the venue",
                       .values = venue_names()},
                      {.name = "symbol",
                       .in = Parameter::In::kPath,
                       .description = "the market, BASE-QUOTE",
                       .pattern = kMarketPattern},
                      {.name = "depth",
                       .description = "levels a side at most; 15 when left out",
                       .pattern = kDepthPattern}},
       .refusals = {{.status = 404, .description = "the venue or the market is not watched"}},
       .handler = get_order_book},
  };
}

}  // namespace spreadwatch::api
