#include "app/pipeline.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "app/what_if.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/net/rest_client.h"

namespace spreadwatch::app {
namespace {

constexpr milliseconds kDrainBy{1500};  // after the stop began: market data that waits then goes
constexpr milliseconds kFlushBy{2500};  // after the stop began; what follows takes about a second
constexpr milliseconds kFlushAtLeast{300};

/// A row that waited until its legs were too old leaves without numbers.
void judge(Event& event, Timestamp now) {
  if (auto* const row = std::get_if<SpreadEvent>(&event)) withdraw_if_stale(*row, now);
}

}  // namespace

Pipeline::Pipeline(const config::Loaded& loaded)
    : settings_(loaded.settings),
      series_(settings_, clock_),
      clock_watch_(clock_, series_.service),
      kafka_(settings_, series_.publish),
      history_(settings_, clock_, kafka_, series_.history, drain_),
      events_({.shape = {.depth = settings_.publish.orderbook_levels,
                         .ticker_fields = settings_.publish.ticker_fields},
               .judge = judge},
              clock_, series_.queues, kPublishStage, drain_),
      engine_(loaded, engine_options(), clock_, series_.queues, kSpreadStage, drain_),
      pair_rows_(engine_, clock_),
      stage_gauges_(series_.registry, stages_, series_.service),
      feeds_(settings_, loaded.registry, ingest::wanted_instruments(settings_, loaded.registry),
             clock_, *this, series_.ingest),
      bank_poller_(settings_.fx.bank, clock_, *this, ingest::http_get, settings_.fx.max_deviation),
      descriptors_(http::descriptor_budget(http::descriptor_limit())),
      server_(make_server()),
      to_stream_(server_.broadcaster()),
      to_store_(store_),
      to_metrics_(series_.events, clock_watch_),
      to_kafka_(kafka_),
      to_history_(history_.log(), clock_) {
  series_.http.set_limits(kApiServer, descriptors_.api, descriptors_.streams);
  series_.http.set_limits(kMetricsServer, descriptors_.metrics, 0);
  wire_consumers();
  wire_readiness();
}

EngineLoop::Options Pipeline::engine_options() {
  return {.out = [this](Event event) { events_.push(std::move(event)); },
          .after_batch =
              [this](const spread::Engine& engine, bool rates_judged) {
                series_.events.on_counts(engine.counts());
                if (!rates_judged) return;
                series_.events.on_rates(engine.rates());
                store_.update_ages(engine.rates());
              },
          // With a store the next run goes on where this one ends; without, it ends here.
          .suspend = history_.log().keeps()};
}

api::Server Pipeline::make_server() {
  return {settings_.http,
          settings_.venues,
          store_,
          clock_,
          {.readiness = [this] { return readiness_.evaluate(); },
           .feeds = [this] { return feeds_.feeds(); },
           .profile = ingest::venue_profile,
           .profit =
               [this](const api::ProfitQuery& query) { return ask_profit(engine_, clock_, query); },
           .spreads = [this](const api::SpreadQuery& query) { return pair_rows_.find(query); },
           .topic_prefix = settings_.kafka.prefix},
          {.connections = descriptors_.api, .stream_clients = descriptors_.streams},
          {.http = &series_.http.server(kApiServer),
           .event_dropped = [this] { series_.http.stream_event_dropped(); }}};
}

void Pipeline::wire_consumers() {
  events_.add("stream", to_stream_);
  events_.add("store", to_store_);
  events_.add("readiness", to_rates_);
  events_.add("metrics", to_metrics_);
  events_.add("kafka", to_kafka_);
  events_.add("history", to_history_);
}

void Pipeline::wire_readiness() {
  stages_.add(Stage::kFeeds, feeds_.heartbeat());
  for (const Heartbeat& source : bank_poller_.heartbeats()) stages_.add(Stage::kBank, source);
  stages_.add(Stage::kEngine, engine_.heartbeat());
  stages_.add(Stage::kPublish, events_.heartbeat());
  stages_.add(Stage::kStore, history_.heartbeat());
  stages_.add(Stage::kKafka, kafka_.heartbeat());
  stages_.add(Stage::kStream, server_.broadcaster().alive());
  add_all(readiness_, {.settings = settings_,
                       .stages = stages_,
                       .feeds = feeds_,
                       .kafka = kafka_,
                       .opportunities = history_.log(),
                       .moved_aside = history_.moved_aside(),
                       .rate_ok = [this](std::size_t pair) { return to_rates_.ok(pair); },
                       .refused = [this] { return engine_.refused() + events_.refused(); },
                       .clock_watch = clock_watch_});
}

Pipeline::~Pipeline() { stop(); }

void Pipeline::start() {
  // What can refuse to start comes first: ports and the broker.
  exposer_ = std::make_unique<metrics::Exposer>(series_.registry, settings_.metrics.address,
                                                settings_.metrics.port, descriptors_.metrics,
                                                &series_.http.server(kMetricsServer));
  server_.start();
  kafka_.start();
  history_.restore([this](const OpportunityEvent& last, Timestamp now, bool goes_on) {
    engine_.engine().restore(last, now, goes_on);
    store_.update(last);
    series_.events.on_restored(last);
  });
  history_.start();
  events_.start();
  engine_.start();
  bank_poller_.start();
  feeds_.start();
}

void Pipeline::stop() noexcept {
  if (stopped_.exchange(true)) return;
  const auto began = std::chrono::steady_clock::now();
  drain_.set(began + kDrainBy);
  feeds_.stop();
  bank_poller_.stop();
  engine_.stop();
  events_.stop();
  history_.stop();
  const auto gone = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - began);
  kafka_.stop(std::max(kFlushBy - gone, kFlushAtLeast));
  history_.finish();
  server_.stop();
  exposer_.reset();
}

std::string Pipeline::api_url() const { return server_.url(); }
std::string Pipeline::metrics_url() const { return exposer_->url(); }
std::string Pipeline::brokers() const { return kafka_.brokers(); }

}  // namespace spreadwatch::app
