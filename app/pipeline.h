#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/server.h"
#include "api/store.h"
#include "app/clock_watch.h"
#include "app/event_metrics.h"
#include "app/readiness.h"
#include "app/stage_gauges.h"
#include "app/stages.h"
#include "config/loader.h"
#include "core/bounded_queue.h"
#include "core/heartbeat.h"
#include "core/market_data.h"
#include "core/service_clock.h"
#include "core/shedding_queue.h"
#include "core/time.h"
#include "fx/bank_poller.h"
#include "history/opportunity_log.h"
#include "http/descriptor_budget.h"
#include "ingest/live/live_feeds.h"
#include "metrics/exposer.h"
#include "metrics/fx_metrics.h"
#include "metrics/history_metrics.h"
#include "metrics/http_metrics.h"
#include "metrics/ingest_metrics.h"
#include "metrics/log_metrics.h"
#include "metrics/publish_metrics.h"
#include "metrics/queue_metrics.h"
#include "metrics/registry.h"
#include "metrics/service_metrics.h"
#include "metrics/spread_metrics.h"
#include "publish/kafka_publisher.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::app {

/// The service, wired: reading this file is reading the architecture.
///
///   LiveFeeds ──┐ market events                    ┌─ Kafka
///               ├──(market queue)── Engine ──(event queue)── Store ── Server
///   BankPoller ─┘                                  └─ metrics
///
/// An opportunity's events pass the OpportunityLog on their way to Kafka, so that they are on disk
/// before they leave. No queue makes its writer wait: market data is shed, oldest first, and
/// counted.
///
/// Threads, each with one owner:
///  - feeds, resolver: LiveFeeds; every socket, adapter, order book and wallet.
///  - one per bank source: BankPoller.
///  - engine_thread_: the Engine; rates, premiums, pairs, opportunities, without a lock.
///  - publish_thread_: writes events out; Kafka, Store, stream, metrics.
///  - history_thread_: opportunities to disk, then to Kafka; waits for the disk and for nothing
///  else.
///  - librdkafka's and a poller: KafkaPublisher.
///  - cpprestsdk's pool of 4: HTTP requests out.
///  - of each HTTP server (api, /metrics) one for its connections and a few workers that answer.
///
/// Each of the stages says when it works (Heartbeat); one that stands is a reason in /readyz. All
/// times inside are the ServiceClock's; where a record leaves, its moments become times of day
/// (publish::told()).
class Pipeline final : private ingest::LiveSink, private fx::BankSink, private spread::EventSink {
 public:
  /// `loaded` must outlive the pipeline.
  explicit Pipeline(const config::Loaded& loaded);
  ~Pipeline() override;
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Opens every port and begins. Throws std::runtime_error, naming what could not be had.
  void start();
  /// Ends in the direction of the flow, so that everything accepted is flushed. At most 5 s.
  /// Idempotent.
  void stop() noexcept;

  std::string api_url() const;
  std::string metrics_url() const;
  std::string brokers() const;

  /// What the log lost so far, for the metric. Threads: any.
  void set_log_lines_lost(std::uint64_t lines) { log_metrics_.set_lost(lines); }

 private:
  // From ingest and fx, on their threads: into the market queue.
  void on_event(MarketEvent event) override;
  void on_bank_quote(const BankQuote& quote) override;
  void on_bank_error(const std::string& source, const Error& error) override;

  // From the engine, on the engine thread: into the event queue.
  void on_fx(const FxEvent& event) override;
  void on_premium(const PremiumEvent& event) override;
  void on_spread(const SpreadEvent& event) override;
  void on_opportunity(const OpportunityEvent& event) override;

  /// From the server's threads: asks the engine thread and waits for it, at most half a second.
  api::ProfitAnswer ask_profit(const api::ProfitQuery& query);
  void answer_profits();

  void run_engine();
  void run_publish();
  void run_history(const std::stop_token& stop);
  void write_history();
  void push(Event event);
  void restore_opportunities();
  void write_out(const Event& event);
  void write_late(const Event& event);
  /// An opportunity goes to disk, then to Kafka.
  void keep(const OpportunityEvent& event);
  void send_out(const Event& event);
  void describe_readiness();
  /// Whether the end has taken so long that market data which still waits is given up.
  bool late() const;

  const config::Loaded& loaded_;
  const config::Settings& settings_;
  ServiceClock clock_;
  metrics::Registry registry_;
  metrics::IngestMetrics ingest_metrics_;
  metrics::FxMetrics fx_metrics_;
  metrics::SpreadMetrics spread_metrics_;
  metrics::PublishMetrics publish_metrics_;
  metrics::HistoryMetrics history_metrics_;
  metrics::QueueMetrics queue_metrics_;
  metrics::ServiceMetrics service_metrics_;
  ClockWatch clock_watch_;
  EventMetrics event_metrics_;
  metrics::HttpMetrics http_metrics_;
  metrics::LogMetrics log_metrics_;

  SheddingQueue<MarketEvent> market_queue_;
  SheddingQueue<Event> event_queue_;
  std::atomic<std::uint64_t> refused_{0};  // state changes and opportunities that found no room
  struct ProfitRequest {
    api::ProfitQuery query;
    std::promise<api::ProfitAnswer> answer;
  };
  BoundedQueue<ProfitRequest> profit_queue_;
  spread::Engine engine_;                  // engine thread only
  std::string moved_aside_;                // a damaged store; empty = it was good
  history::OpportunityLog opportunities_;  // history thread, but for on() and delivered()
  publish::KafkaPublisher kafka_;
  publish::Topics topics_;
  api::Store store_;

  std::array<std::atomic<bool>, 3> rate_ok_{};  // by CurrencyPair, for readiness
  Heartbeat engine_alive_;
  Heartbeat publish_alive_;
  Heartbeat store_alive_;  // of the history thread while it waits for the disk
  Stages stages_;
  StageGauges stage_gauges_;
  ReadinessParts readiness_;

  ingest::LiveFeeds feeds_;
  fx::BankPoller bank_poller_;
  const http::DescriptorBudget descriptors_;
  std::unique_ptr<metrics::Exposer> exposer_;
  api::Server server_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::chrono::steady_clock::time_point> drain_by_{
      std::chrono::steady_clock::time_point::max()};
  std::jthread engine_thread_;
  std::jthread publish_thread_;
  std::jthread history_thread_;
};

}  // namespace spreadwatch::app
