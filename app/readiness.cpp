#include "app/readiness.h"

#include <map>
#include <optional>

#include "core/rate.h"

namespace spreadwatch::app {

api::Readiness ReadinessParts::evaluate() const {
  api::Readiness readiness;
  for (const Part& part : parts_) part(readiness);
  return readiness;
}

void add_all(ReadinessParts& parts, const ReadinessSources& sources) {
  using api::Readiness;
  parts.add([s = sources](Readiness& r) { add_stages(r, s.stages, Heartbeat::Steady::now()); });
  parts.add([s = sources](Readiness& r) { add_venues(r, s.settings, s.feeds.feeds()); });
  parts.add([s = sources](Readiness& r) { add_rates(r, s.settings, s.rate_ok); });
  parts.add([s = sources](Readiness& r) { add_kafka(r, s.kafka); });
  parts.add([s = sources](Readiness& r) { add_opportunities(r, s.opportunities, s.moved_aside); });
  parts.add([s = sources](Readiness& r) { add_budgets(r, s.feeds.budgets_state()); });
  parts.add([s = sources](Readiness& r) { add_queues(r, s.refused()); });
  parts.add([s = sources](Readiness& r) { add_clock(r, s.clock_watch); });
}

void add_venues(api::Readiness& readiness, const config::Settings& settings,
                const std::vector<FeedStatus>& feeds) {
  struct Live {
    bool books = false;
    bool tickers = false;
  };
  std::map<VenueId, Live> live;
  for (const config::VenueSettings& venue : settings.venues) live[venue.id] = {};
  for (const FeedStatus& feed : feeds) {
    if (feed.state != FeedState::kSynced) continue;
    Live& venue = live[feed.venue];
    (feed.channel == Channel::kOrderBook ? venue.books : venue.tickers) = true;
  }
  for (const auto& [venue, of] : live) {
    if (of.books && of.tickers) continue;
    const std::string what = of.books ? "tickers_down:" : "venue_down:";
    readiness.reasons.push_back(what + std::string{to_string(venue)});
  }
}

void add_rates(api::Readiness& readiness, const config::Settings& settings,
               const std::function<bool(std::size_t)>& ok) {
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    const bool needed =
        i != static_cast<std::size_t>(CurrencyPair::kUsdKrw) || !settings.fx.bank.empty();
    if (needed && !ok(i))
      readiness.reasons.push_back("fx_unavailable:" + std::string{kCurrencyPairNames[i]});
  }
}

void add_kafka(api::Readiness& readiness, const publish::KafkaPublisher& kafka) {
  const publish::KafkaPublisher::State state = kafka.state();
  for (const std::string& reason : state.reasons) readiness.reasons.push_back("kafka: " + reason);
  for (const std::string& notice : state.notices) readiness.notices.push_back("kafka: " + notice);
  if (state.embedded) readiness.notices.push_back("broker_embedded: " + kafka.brokers());
}

void add_opportunities(api::Readiness& readiness, const history::OpportunityLog& opportunities,
                       std::string_view moved_aside) {
  const history::OpportunityLog::State state = opportunities.state();
  for (const std::string& reason : state.reasons) {
    readiness.reasons.push_back("state_dir: " + reason);
  }
  for (const std::string& notice : state.notices) {
    readiness.notices.push_back("state_dir: " + notice);
  }
  if (!moved_aside.empty()) {
    readiness.notices.push_back("state_dir: damaged opportunities moved to " +
                                std::string{moved_aside});
  }
}

void add_budgets(api::Readiness& readiness, const ingest::BudgetStore::State& budgets) {
  if (!budgets.error.empty()) readiness.reasons.push_back("state_dir: " + budgets.error);
  if (!budgets.moved_aside.empty()) {
    readiness.notices.push_back("state_dir: damaged rate budgets moved to " + budgets.moved_aside);
  }
}

void add_queues(api::Readiness& readiness, std::uint64_t refused) {
  if (refused == 0) return;
  readiness.notices.push_back("queues: " + std::to_string(refused) +
                              " state changes found no room and were dropped");
}

void add_stages(api::Readiness& readiness, const Stages& stages, Heartbeat::Time now) {
  for (std::size_t i = 0; i < kStageNames.size(); ++i) {
    if (stages.stands(static_cast<Stage>(i), now)) {
      readiness.reasons.push_back("stalled:" + std::string{kStageNames[i]});
    }
  }
}

void add_clock(api::Readiness& readiness, ClockWatch& watch) {
  if (std::optional<std::string> notice = watch.notice()) {
    readiness.notices.push_back(std::move(*notice));
  }
}

}  // namespace spreadwatch::app
