#include <map>
#include <memory>
#include <utility>

#include "api/routes/answer.h"
#include "api/routes/patterns.h"
#include "api/routes/routes.h"
#include "core/market_book.h"

namespace spreadwatch::api {
namespace {

Response list_tickers(const Context& context, const Request& /*request*/,
                      const Arguments& arguments, const Route& /*route*/) {
  const auto venue = arguments.venue("venue");
  const std::string symbol = arguments.name("symbol");
  const Timestamp now = context.clock.now();
  struct Row {
    std::shared_ptr<const Ticker> ticker;
    publish::Standing standing{};
  };
  std::map<std::pair<VenueId, Instrument>, Row> rows;
  for (auto& ticker : context.store.tickers()) {
    const std::pair market{ticker->venue, ticker->instrument};
    rows.emplace(market, Row{std::move(ticker)});
  }
  // The feed says what may be believed now; of a market without one nobody says anything any more.
  for (const FeedStatus& feed : context.feed_statuses()) {
    if (feed.channel != Channel::kTicker) continue;
    Row& row = rows[{feed.venue, instrument_from_name(feed.symbol)}];
    row.standing = {feed.state, feed.reason, age_of(feed.updated, now)};
    if (row.ticker) continue;
    Ticker none;
    none.venue = feed.venue;
    none.instrument = instrument_from_name(feed.symbol);
    none.origin = feed.origin;
    row.ticker = std::make_shared<const Ticker>(std::move(none));
  }
  std::erase_if(rows, [&](const auto& row) {
    return (venue && row.first.first != *venue) ||
           (!symbol.empty() && row.first.second.name() != symbol);
  });
  return list_of("tickers", rows, context.clock, now,
                 [&context](std::string& out, const auto& row) {
                   append_told(out, context.clock, *row.second.ticker, row.second.standing);
                 });
}

}  // namespace

std::vector<Route> tickers_routes() {
  return {
      {.path = "/api/v1/tickers",
       .operation = "listTickers",
       .summary = "The latest ticker of every market",
       .schema = "Tickers",
       .parameters = {{.name = "venue",
                       .description = "only this venue's",
                       .values = venue_names()},
                      {.name = "symbol",
                       .description = "only this market, BASE-QUOTE",
                       .pattern = kMarketPattern}},
       .handler = list_tickers},
  };
}

}  // namespace spreadwatch::api
