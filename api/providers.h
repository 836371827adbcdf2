#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "core/event.h"
#include "core/feed_status.h"
#include "core/venue.h"
#include "core/venue_profile.h"

namespace spreadwatch::api {

/// What `/readyz` answers. Ready means: no reasons.
struct Readiness {
  std::vector<std::string> reasons;  ///< why the service cannot do its job, e.g. `venue_down:upbit`
  std::vector<std::string>
      notices;  ///< what a reader should know although it works, e.g. `broker_embedded`
};

/// A what-if question: this size, bought here and sold there, now.
struct ProfitQuery {
  std::string asset;  ///< canonical
  VenueId buy{};
  VenueId sell{};
  Mode mode{};
  double size_usdt = 0;
};

/// Its answer.
struct ProfitAnswer {
  enum class Status : std::uint8_t {
    kOk,           ///< `record` is the JSON object
    kUnknownPair,  ///< nobody watches it
    kBusy,         ///< no answer in time
  };
  Status status = Status::kBusy;
  std::string record{};
};

/// Which pair rows are asked for; empty and nullopt let everything through.
struct SpreadQuery {
  std::string asset{};  ///< canonical
  std::optional<VenueId> buy{};
  std::optional<VenueId> sell{};
  std::optional<Mode> mode{};
  std::optional<Verdict> verdict{};
};

/// What the server asks at the time of a request. Each is called on a server thread and must be
/// thread-safe, must not wait for the server, and all but `profile` may be left empty (then there
/// is nothing of its kind).
struct Providers {
  std::function<Readiness()> readiness;
  std::function<std::vector<FeedStatus>()> feeds;
  /// What is known of each venue's protocol.
  std::function<const VenueProfile&(VenueId)> profile;
  /// May take up to half a second.
  std::function<ProfitAnswer(const ProfitQuery&)> profit = {};
  /// The pair rows as they are now, ordered by asset, buying venue, selling venue and mode; nullopt
  /// when there is no answer in time.
  std::function<std::optional<std::vector<SpreadEvent>>(const SpreadQuery&)> spreads = {};
  /// Of the Kafka topics' names, for the document that describes them.
  std::string topic_prefix = config::KafkaSettings{}.prefix;
};

}  // namespace spreadwatch::api
