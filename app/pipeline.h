#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "api/server.h"
#include "api/store.h"
#include "app/clock_watch.h"
#include "app/consumers/history_consumer.h"
#include "app/consumers/kafka_consumer.h"
#include "app/consumers/metrics_consumer.h"
#include "app/consumers/rates_consumer.h"
#include "app/consumers/store_consumer.h"
#include "app/consumers/stream_consumer.h"
#include "app/drain_deadline.h"
#include "app/engine_loop.h"
#include "app/event_loop.h"
#include "app/history_loop.h"
#include "app/pair_rows.h"
#include "app/readiness.h"
#include "app/service_series.h"
#include "app/stage_gauges.h"
#include "app/stages.h"
#include "config/loader.h"
#include "core/service_clock.h"
#include "fx/bank_poller.h"
#include "http/descriptor_budget.h"
#include "ingest/live/live_feeds.h"
#include "metrics/exposer.h"
#include "publish/kafka_publisher.h"

namespace spreadwatch::app {

/// The service, wired: reading this file is reading the architecture.
///
///   LiveFeeds ──┐ market events                    ┌─ stream, store ── Server
///               ├──(market queue)── EngineLoop ──(event queue)── EventLoop ─┼─ metrics, readiness
///   BankPoller ─┘        commands ──┘                                       ├─ Kafka
///                                                                           └─ HistoryLoop ──
///                                                                           Kafka
///
/// What is behind a queue is told through one interface (EventConsumer). An opportunity passes the
/// OpportunityLog on its way to Kafka, so that it is on disk before it leaves. No queue makes its
/// writer wait: while its reader is behind, market data and rows are conflated, and counted.
///
/// Threads, each with one owner:
///  - feeds: LiveFeeds; every socket, adapter, order book and wallet.
///  - resolver: asio's, under LiveFeeds; the one that waits for names.
///  - budgets: ingest::BudgetStore, under LiveFeeds; rate budgets and bans to disk.
///  - one per bank source: BankPoller.
///  - engine: EngineLoop; rates, premiums, pairs, opportunities, without a lock.
///  - publish: EventLoop; encodes events and tells the consumers.
///  - history: HistoryLoop; opportunities to disk, then to Kafka.
///  - Kafka: KafkaPublisher's own, for deliveries, topics and retries, and librdkafka's (one main
///    thread and one a broker for each of two producers; the embedded broker's when it is used).
///  - broadcaster: api::Broadcaster, under Server; events to the clients of the stream.
///  - of each HTTP server (api, /metrics) one for its connections and a few workers that answer.
///  - cpprestsdk's pool of 4: HTTP requests out.
///  - the log's writer (Log), and main, which waits for a signal and calls start() and stop().
///
/// Each of the stages says when it works (Heartbeat); one that stands is a reason in /readyz. All
/// times inside are the ServiceClock's; where a record leaves, its moments become times of day
/// (publish::told()).
class Pipeline final : private ingest::LiveSink, private fx::BankSink {
 public:
  /// `loaded` must outlive the pipeline. Throws history::StoreError.
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
  void set_log_lines_lost(std::uint64_t lines) { series_.log.set_lost(lines); }

 private:
  // From ingest and fx, on their threads: into the market queue.
  void on_event(MarketEvent event) override { engine_.push(std::move(event)); }
  void on_bank_quote(const BankQuote& quote) override { engine_.push(quote); }
  /// The poller has logged it.
  void on_bank_error(const std::string& /*source*/, const Error& error) override {
    series_.fx.bank_error(error.code);
  }

  EngineLoop::Options engine_options();
  api::Server make_server();
  void wire_consumers();
  void wire_readiness();

  const config::Settings& settings_;
  ServiceClock clock_;
  ServiceSeries series_;
  ClockWatch clock_watch_;
  DrainDeadline drain_;

  publish::KafkaPublisher kafka_;
  HistoryLoop history_;
  api::Store store_;
  EventLoop events_;
  EngineLoop engine_;
  PairRows pair_rows_;

  Stages stages_;
  StageGauges stage_gauges_;
  ReadinessParts readiness_;

  ingest::LiveFeeds feeds_;
  fx::BankPoller bank_poller_;
  const http::DescriptorBudget descriptors_;
  std::unique_ptr<metrics::Exposer> exposer_;
  api::Server server_;

  // Told of every event, in this order.
  StreamConsumer to_stream_;
  StoreConsumer to_store_;
  RatesConsumer to_rates_;
  MetricsConsumer to_metrics_;
  KafkaConsumer to_kafka_;
  HistoryConsumer to_history_;

  std::atomic<bool> stopped_{false};
};

}  // namespace spreadwatch::app
