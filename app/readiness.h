#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/providers.h"
#include "app/clock_watch.h"
#include "app/stages.h"
#include "config/settings.h"
#include "history/opportunity_log.h"
#include "ingest/live/live_feeds.h"
#include "publish/kafka_publisher.h"

namespace spreadwatch::app {

/// What `/readyz` says: every part adds its own reasons and notices, so that each is asked about
/// itself.
/// Threads: add() before evaluate(); evaluate() any.
class ReadinessParts {
 public:
  /// Thread-safe, must not wait, and must not outlive what it uses.
  using Part = std::function<void(api::Readiness&)>;

  void add(Part part) { parts_.push_back(std::move(part)); }
  api::Readiness evaluate() const;

 private:
  std::vector<Part> parts_;
};

/// All that readiness asks in a running service; each must outlive the parts.
struct ReadinessSources {
  const config::Settings& settings;
  const Stages& stages;
  ingest::LiveFeeds& feeds;
  const publish::KafkaPublisher& kafka;
  const history::OpportunityLog& opportunities;
  std::string_view moved_aside;              ///< where a damaged store went; empty = it was good
  std::function<bool(std::size_t)> rate_ok;  ///< by CurrencyPair
  std::function<std::uint64_t()> refused;    ///< state changes that found no room in a queue
  ClockWatch& clock_watch;
};
/// Every part there is, in the order in which they are told.
void add_all(ReadinessParts& parts, const ReadinessSources& sources);

/// `venue_down:<venue>`: no order book of it is synced; else `tickers_down:<venue>`: no ticker is.
void add_venues(api::Readiness& readiness, const config::Settings& settings,
                const std::vector<FeedStatus>& feeds);
/// `fx_unavailable:<pair>`. `ok` by CurrencyPair; USD/KRW matters when there are sources for it.
void add_rates(api::Readiness& readiness, const config::Settings& settings,
               const std::function<bool(std::size_t)>& ok);
/// `kafka: …`, and that the broker is the embedded one.
void add_kafka(api::Readiness& readiness, const publish::KafkaPublisher& kafka);
/// `state_dir: …`. `moved_aside`: where a damaged store went; empty = it was good.
void add_opportunities(api::Readiness& readiness, const history::OpportunityLog& opportunities,
                       std::string_view moved_aside);
/// `state_dir: …`: the file of rate budgets and bans.
void add_budgets(api::Readiness& readiness, const ingest::BudgetStore::State& budgets);
/// A notice: `refused` state changes found no room in a queue and were dropped.
void add_queues(api::Readiness& readiness, std::uint64_t refused);
/// `stalled:<stage>`: it has not come back from its work for too long.
void add_stages(api::Readiness& readiness, const Stages& stages, Heartbeat::Time now);
/// A notice, since every number stays right: `clock: …`.
void add_clock(api::Readiness& readiness, ClockWatch& watch);

}  // namespace spreadwatch::app
