#include <optional>
#include <string>

#include "api/routes/answer.h"
#include "api/routes/routes.h"
#include "core/market_book.h"
#include "core/venue_profile.h"

namespace spreadwatch::api {
namespace {

void append_feed(std::string& out, const FeedStatus& feed, Timestamp now) {
  publish::JsonObject object(out);
  object.add("venue", to_string(feed.venue));
  object.add("symbol", feed.symbol);
  object.add("channel", to_string(feed.channel));
  object.add("state", to_string(feed.state));
  object.add("reason", name_of(feed.reason));
  object.add("origin", to_string(feed.origin));
  const auto age = age_of(feed.updated, now);
  object.add("age_ms", age ? std::optional{to_ms(*age)} : std::nullopt);
  object.add_ms("exchange_ts_ms", feed.exchange_ts);
  object.add("gaps", feed.gaps);
  object.add("checksum_mismatches", feed.checksum_mismatches);
  object.add("resyncs", feed.resyncs);
  object.add("reconnects", feed.reconnects);
}

void append_limit(std::string& out, const RateLimit& limit) {
  publish::JsonObject object(out);
  object.add("count", limit.count);
  object.add("per_ms", to_ms(limit.per));
}

void append_contract(std::string& out, const config::VenueSettings& venue,
                     const VenueProfile& profile) {
  using Ping = VenueProfile::Ping;
  publish::JsonObject object(out);
  object.add("integrity", profile.integrity);
  object.add("protocol", profile.protocol);
  object.add("docs_url", profile.docs_url);
  object.add("keepalive", profile.ping == Ping::kNone       ? "server_pings"
                          : profile.ping == Ping::kProtocol ? "protocol_ping"
                                                            : "text_ping");
  // A venue that pings by itself is asked only when it falls silent.
  if (profile.ping != Ping::kNone) object.add("ping_every_ms", to_ms(profile.ping_every));
  object.add("pong_within_ms", to_ms(profile.pong_within));
  object.add("silence_ms", to_ms(profile.silence));
  object.add("liveness_ms", to_ms(venue.liveness));
  object.add("book_needs_rest", profile.book_needs_rest);
  publish::append_json_array(object.key("depths"), profile.depths,
                             [](std::string& to, int depth) { to += std::to_string(depth); });
  object.add("default_depth", profile.default_depth);
  {
    publish::JsonObject limits(object.key("limits"));
    append_limit(limits.key("connects"), profile.connects);
    publish::append_json_array(limits.key("messages"), profile.messages, append_limit);
    append_limit(limits.key("rest_weight"), profile.rest);
  }
  object.add("max_subscriptions", profile.max_subscriptions);
  object.add("max_age_ms",
             profile.max_age.count() > 0 ? std::optional{to_ms(profile.max_age)} : std::nullopt);
  object.add("block_ms",
             profile.block.count() > 0 ? std::optional{to_ms(profile.block)} : std::nullopt);
}

Response list_feeds(const Context& context, const Request& /*request*/,
                    const Arguments& /*arguments*/, const Route& /*route*/) {
  const auto feeds = context.feed_statuses();
  Response response;
  {
    publish::JsonObject object(response.body);
    const Timestamp now = context.clock.now();
    publish::append_json_array(
        object.key("feeds"), feeds,
        [now](std::string& out, const FeedStatus& feed) { append_feed(out, feed, now); });
    publish::JsonObject contracts(object.key("contracts"));
    for (const config::VenueSettings& venue : context.venues) {
      append_contract(contracts.key(to_string(venue.id)), venue,
                      context.providers.profile(venue.id));
    }
  }
  return response;
}

}  // namespace

std::vector<Route> feeds_routes() {
  return {
      {.path = "/api/v1/feeds",
       .operation = "listFeeds",
       .summary = "State of every stream, and each venue's integrity contract",
       .schema = "Feeds",
       .handler = list_feeds},
  };
}

}  // namespace spreadwatch::api
