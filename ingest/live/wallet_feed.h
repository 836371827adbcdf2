#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/decode/decoded.h"
#include "ingest/decode/wallet_routes.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/rest_client.h"

namespace spreadwatch::ingest {

/// Asks a venue's public wallet routes: each at once and then every `interval`, after a failure
/// with a delay that doubles up to an hour. Tells WalletStatus, and FeedError for what failed.
///
/// Bounds: one request at a time, kMaxBodyBytes; of the REST budget a quarter stays free for
/// requests that cannot wait. Threads: one at a time, the one that runs the io_context of the
/// RestClient.
class WalletFeed {
 public:
  static constexpr std::size_t kMaxBodyBytes = 8U << 20U;
  static constexpr milliseconds kFirstRetry{30'000};
  static constexpr milliseconds kLongestRetry{3'600'000};

  struct Settings {
    VenueId venue{};
    std::string rest_url;          ///< without a slash at the end
    milliseconds interval{0};      ///< from an answer to the next request; 0 = none
    milliseconds timeout{10'000};  ///< of a request
  };

  /// What `context` refers to must outlive the object; its `fallback` is not used.
  WalletFeed(VenueContext context, Settings settings);

  /// Asks what is due.
  void tick(SteadyTime now);
  /// Nothing is passed on and nothing requested from here on.
  void stop() { stopping_ = true; }

 private:
  struct Route {
    WalletRoute route;
    std::optional<SteadyTime> due;  // nullopt = at once
    int failures = 0;
  };

  void on_answer(Route& route, const RestCall& call, const RestResult& result);
  /// nullopt when the answer was reported.
  std::optional<Error> read(const Route& route, const Frame& frame);
  void failed(Route& route, const Error& error, std::string_view payload, Timestamp wall,
              SteadyTime now);
  void emit(MarketEvent event);

  VenueContext context_;
  const Settings settings_;
  VenueRest rest_;
  std::vector<Route> routes_;
  Decoded decoded_;          // of an error answer
  SteadyTime hold_until_{};  // the budget has nothing to give before
  bool in_flight_ = false;
  bool stopping_ = false;
};

}  // namespace spreadwatch::ingest
