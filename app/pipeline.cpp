#include "app/pipeline.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <map>
#include <type_traits>
#include <utility>

#include "ingest/decode/venue_adapter.h"
#include "ingest/net/rest_client.h"
#include "publish/encode.h"
#include "publish/records.h"
#include "publish/time_of_day.h"

namespace spreadwatch::app {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kQueueCapacity = 16'384;  // of market data: what is older is of no use
constexpr std::size_t kKeepCapacity = 65'536;   // of what no later value makes up for
constexpr microseconds kEngineTick = milliseconds{20};  // timers are looked at least this often
constexpr milliseconds kHistoryTick{200};
constexpr milliseconds kDrainBy{1500};  // after the stop began: market data that waits then goes
constexpr milliseconds kFlushBy{2500};  // after the stop began; what follows takes about a second
constexpr milliseconds kFlushAtLeast{300};
constexpr std::size_t kProfitCapacity = 16;  // what-if questions that wait for the engine
constexpr milliseconds kProfitDeadline{500};

constexpr std::array<std::string_view, 2> kStages = {"spread", "publish"};
constexpr std::size_t kSpreadStage = 0;
constexpr std::size_t kPublishStage = 1;

Heartbeat::Time steady_now() { return Heartbeat::Steady::now(); }

/// What `top -H` and a debugger call this thread. At most 15 characters.
void name_thread(const char* name) { pthread_setname_np(pthread_self(), name); }

constexpr std::array<std::string_view, 2> kServers = {"api", "metrics"};
constexpr std::size_t kApiServer = 0;
constexpr std::size_t kMetricsServer = 1;

std::vector<VenueId> venue_ids(const config::Settings& settings) {
  std::vector<VenueId> ids;
  for (const config::VenueSettings& venue : settings.venues) ids.push_back(venue.id);
  return ids;
}

std::vector<std::string> metric_assets(const config::Settings& settings) {
  std::vector<std::string> assets = settings.assets;
  assets.emplace_back("USDT");
  return assets;
}

/// What no later value makes up for: it is never shed. A ticker or a whole book is one of many.
bool must_stay(const MarketEvent& event) {
  if (const auto* const book = std::get_if<OrderBook>(&event)) return !book->synced();
  return !std::holds_alternative<Ticker>(event);
}
bool must_stay(const Event& event) {
  if (const auto* const book = std::get_if<OrderBook>(&event)) return !book->synced();
  return !std::holds_alternative<Ticker>(event) && !std::holds_alternative<PremiumEvent>(event) &&
         !std::holds_alternative<SpreadEvent>(event);
}

/// Events of the stream's topics; errors are not among them.
std::optional<api::Topic> topic_of(const Event& event) {
  struct Visitor {
    std::optional<api::Topic> operator()(const Ticker&) { return api::Topic::kTicker; }
    std::optional<api::Topic> operator()(const OrderBook&) { return api::Topic::kOrderBook; }
    std::optional<api::Topic> operator()(const FeedError&) { return std::nullopt; }
    std::optional<api::Topic> operator()(const FxEvent&) { return api::Topic::kFx; }
    std::optional<api::Topic> operator()(const PremiumEvent&) { return api::Topic::kPremium; }
    std::optional<api::Topic> operator()(const SpreadEvent&) { return api::Topic::kSpread; }
    std::optional<api::Topic> operator()(const OpportunityEvent&) {
      return api::Topic::kOpportunity;
    }
  };
  return std::visit(Visitor{}, event);
}

}  // namespace

/// Throws history::StoreError.
std::unique_ptr<history::OpportunityStore> open_opportunities(const config::Settings& settings,
                                                              std::string& moved_aside) {
  if (settings.state_dir.empty()) return nullptr;
  history::OpenedStore opened = history::open_store(settings.state_dir);
  moved_aside = opened.moved_aside.string();
  if (!moved_aside.empty()) {
    spdlog::error(
        "the store of opportunities was damaged; it is now {}, and opportunities that were open "
        "have no close",
        moved_aside);
  }
  return std::move(opened.store);
}

Pipeline::Pipeline(const config::Loaded& loaded)
    : loaded_(loaded),
      settings_(loaded.settings),
      registry_(clock_),
      ingest_metrics_(registry_, venue_ids(settings_)),
      fx_metrics_(registry_, kCurrencyPairNames, kReasonNames),
      spread_metrics_(registry_, metric_assets(settings_)),
      publish_metrics_(registry_, publish::kTopicNames),
      history_metrics_(registry_),
      queue_metrics_(registry_, kStages),
      service_metrics_(registry_, kStageNames),
      clock_watch_(clock_, service_metrics_),
      event_metrics_(fx_metrics_, spread_metrics_, publish_metrics_),
      http_metrics_(registry_, kServers),
      log_metrics_(registry_),
      market_queue_(kQueueCapacity, kKeepCapacity),
      event_queue_(kQueueCapacity, kKeepCapacity),
      profit_queue_(kProfitCapacity),
      engine_(settings_, loaded.registry, *this, loaded.wallets),
      opportunities_(open_opportunities(settings_, moved_aside_),
                     [this] { return history::open_store(settings_.state_dir); }),
      kafka_(settings_, publish_metrics_),
      topics_(settings_),
      stage_gauges_(registry_, stages_, service_metrics_),
      feeds_(settings_, loaded.registry, ingest::wanted_instruments(settings_, loaded.registry),
             clock_, *this, ingest_metrics_),
      bank_poller_(settings_.fx.bank, clock_, *this, ingest::http_get, settings_.fx.max_deviation),
      descriptors_(http::descriptor_budget(http::descriptor_limit())),
      server_(settings_.http, settings_.venues, store_, clock_,
              {.readiness = [this] { return readiness_.ask(); },
               .feeds = [this] { return feeds_.feeds(); },
               .profile = ingest::venue_profile,
               .profit = [this](const api::ProfitQuery& query) { return ask_profit(query); }},
              {.connections = descriptors_.api, .stream_clients = descriptors_.streams},
              {.http = &http_metrics_.server(kApiServer),
               .event_dropped = [this] { http_metrics_.stream_event_dropped(); }}) {
  http_metrics_.set_limits(kApiServer, descriptors_.api, descriptors_.streams);
  http_metrics_.set_limits(kMetricsServer, descriptors_.metrics, 0);
  queue_metrics_.set_capacity(kSpreadStage, kQueueCapacity + kKeepCapacity);
  queue_metrics_.set_capacity(kPublishStage, kQueueCapacity + kKeepCapacity);
  kafka_.on_acknowledged([this](std::string_view id) {
    if (const auto event = publish::opportunity_of(id)) {
      opportunities_.delivered(event->id, event->kind);
    }
  });
  describe_readiness();
}

void Pipeline::describe_readiness() {
  stages_.add(Stage::kFeeds, feeds_.heartbeat());
  for (const Heartbeat& source : bank_poller_.heartbeats()) stages_.add(Stage::kBank, source);
  stages_.add(Stage::kEngine, engine_alive_);
  stages_.add(Stage::kPublish, publish_alive_);
  stages_.add(Stage::kStore, store_alive_);
  stages_.add(Stage::kKafka, kafka_.heartbeat());
  stages_.add(Stage::kStream, server_.broadcaster().alive());
  using api::Readiness;
  readiness_.add([this](Readiness& r) { add_stages(r, stages_, steady_now()); });
  readiness_.add([this](Readiness& r) { add_venues(r, settings_, feeds_.feeds()); });
  readiness_.add([this](Readiness& r) {
    add_rates(r, settings_, [this](std::size_t pair) { return rate_ok_[pair].load(); });
  });
  readiness_.add([this](Readiness& r) { add_kafka(r, kafka_); });
  readiness_.add([this](Readiness& r) { add_opportunities(r, opportunities_, moved_aside_); });
  readiness_.add([this](Readiness& r) { add_budgets(r, feeds_.budgets_state()); });
  readiness_.add([this](Readiness& r) { add_queues(r, refused_); });
  readiness_.add([this](Readiness& r) { add_clock(r, clock_watch_); });
}

Pipeline::~Pipeline() { stop(); }

void Pipeline::start() {
  // What can refuse to start comes first: ports and the broker.
  exposer_ = std::make_unique<metrics::Exposer>(registry_, settings_.metrics.address,
                                                settings_.metrics.port, descriptors_.metrics,
                                                &http_metrics_.server(kMetricsServer));
  server_.start();
  kafka_.start();
  restore_opportunities();
  history_thread_ = std::jthread([this](const std::stop_token& stop) { run_history(stop); });
  publish_thread_ = std::jthread([this] { run_publish(); });
  engine_thread_ = std::jthread([this] { run_engine(); });
  bank_poller_.start();
  feeds_.start();
}

void Pipeline::stop() noexcept {
  if (stopped_.exchange(true)) return;
  const auto began = std::chrono::steady_clock::now();
  drain_by_ = began + kDrainBy;
  feeds_.stop();
  bank_poller_.stop();
  market_queue_.close();
  if (engine_thread_.joinable()) engine_thread_.join();
  event_queue_.close();
  if (publish_thread_.joinable()) publish_thread_.join();
  history_thread_ = {};  // asks it to stop and waits
  const auto gone = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - began);
  kafka_.stop(std::max(kFlushBy - gone, kFlushAtLeast));
  opportunities_.finish();
  server_.stop();
  exposer_.reset();
}

bool Pipeline::late() const { return std::chrono::steady_clock::now() >= drain_by_.load(); }

std::string Pipeline::api_url() const { return server_.url(); }
std::string Pipeline::metrics_url() const { return exposer_->url(); }
std::string Pipeline::brokers() const { return kafka_.brokers(); }

void Pipeline::on_event(MarketEvent event) {
  const bool stays = must_stay(event);
  const auto pushed = market_queue_.push(std::move(event), stays);
  queue_metrics_.set_depth(kSpreadStage, pushed.waiting);
  if (pushed.shed > 0) queue_metrics_.dropped(kSpreadStage, pushed.shed);
  if (pushed.taken || stopped_) return;
  queue_metrics_.dropped(kSpreadStage, 1);
  ++refused_;
}

void Pipeline::on_bank_quote(const BankQuote& quote) { on_event(quote); }

/// The poller has logged it.
void Pipeline::on_bank_error(const std::string& /*source*/, const Error& error) {
  fx_metrics_.bank_error(error.code);
}

api::ProfitAnswer Pipeline::ask_profit(const api::ProfitQuery& query) {
  ProfitRequest request{query, {}};
  std::future<api::ProfitAnswer> answer = request.answer.get_future();
  if (!profit_queue_.try_push(std::move(request))) return {};
  if (answer.wait_for(kProfitDeadline) != std::future_status::ready) return {};
  return answer.get();
}

void Pipeline::answer_profits() {
  if (profit_queue_.size() == 0) return;
  std::vector<ProfitRequest> requests;
  profit_queue_.pop_all(requests, microseconds{0});
  for (ProfitRequest& request : requests) {
    const api::ProfitQuery& query = request.query;
    auto pair = engine_.evaluate(query.asset, query.buy, query.sell, query.mode,
                                 std::array{query.size_usdt}, clock_.now());
    api::ProfitAnswer answer{.status = api::ProfitAnswer::Status::kUnknownPair};
    if (pair) {
      pair->time = clock_.shown(pair->time);
      answer.status = api::ProfitAnswer::Status::kOk;
      publish::append_profit(answer.record, *pair);
    }
    request.answer.set_value(std::move(answer));
  }
}

void Pipeline::run_engine() {
  name_thread("engine");
  std::vector<MarketEvent> batch;
  std::optional<Timestamp> rates_judged;
  while (market_queue_.pop_all(batch, kEngineTick)) {
    engine_alive_.beat(steady_now());
    for (MarketEvent& event : batch) {
      engine_alive_.beat(steady_now());
      if (late() && !must_stay(event)) {
        queue_metrics_.dropped(kSpreadStage, 1);
        continue;
      }
      engine_.on(event, clock_.now());
      // Market data goes on as it came, behind what the engine made of everything before it.
      if (auto* ticker = std::get_if<Ticker>(&event))
        push(std::move(*ticker));
      else if (auto* book = std::get_if<OrderBook>(&event))
        push(std::move(*book));
      else if (auto* error = std::get_if<FeedError>(&event))
        push(std::move(*error));
    }
    engine_.advance(clock_.now());
    answer_profits();
    event_metrics_.on_counts(engine_.counts());
    if (std::exchange(rates_judged, engine_.rates().evaluated()) != engine_.rates().evaluated()) {
      event_metrics_.on_rates(engine_.rates());
      store_.update_ages(engine_.rates());
    }
    market_queue_.done(batch.size());
    queue_metrics_.set_depth(kSpreadStage, market_queue_.waiting());
  }
  engine_alive_.rest();
  // With a store the next run goes on where this one ends; without, it ends here.
  if (opportunities_.keeps()) {
    engine_.suspend(clock_.now());
  } else {
    engine_.finish(clock_.now());
  }
}

/// What the run before left open goes on, and what it may not have delivered is sent first.
void Pipeline::restore_opportunities() {
  const Timestamp now = clock_.now();
  const bool goes_on = opportunities_.recent(now);
  const std::optional<Timestamp> latest = opportunities_.latest();
  const microseconds lead = latest ? clock_.go_on_from(*latest) : microseconds{0};
  if (lead > microseconds{0}) {
    spdlog::warn(
        "the wall clock is {:.1f} s behind what the run before told: times of day go on from there",
        std::chrono::duration<double>(lead).count());
  }
  for (OpportunityEvent& last : opportunities_.open()) {
    publish::for_each_moment(last, [lead](Timestamp& told) { told -= lead; });
    engine_.restore(last, now, goes_on);
    store_.update(last);
    event_metrics_.on_restored(last);
  }
  opportunities_.resend([this](const OpportunityEvent& event) {
    publish::KafkaRecord record = publish::make_record(event);
    // What the publisher itself kept for this run is on its way already, with what lies between.
    if (!kafka_.took_up(record.id)) kafka_.publish(std::move(record));
  });
}

void Pipeline::push(Event event) {
  const bool stays = must_stay(event);
  const auto pushed = event_queue_.push(std::move(event), stays);
  queue_metrics_.set_depth(kPublishStage, pushed.waiting);
  if (pushed.shed > 0) queue_metrics_.dropped(kPublishStage, pushed.shed);
  if (pushed.taken) return;
  queue_metrics_.dropped(kPublishStage, 1);
  ++refused_;
}

void Pipeline::on_fx(const FxEvent& event) { push(event); }
void Pipeline::on_premium(const PremiumEvent& event) { push(event); }
void Pipeline::on_spread(const SpreadEvent& event) { push(event); }
void Pipeline::on_opportunity(const OpportunityEvent& event) { push(event); }

void Pipeline::run_publish() {
  name_thread("publish");
  std::vector<Event> batch;
  while (event_queue_.pop_all(batch, milliseconds{200})) {
    clock_watch_.look();
    for (const Event& event : batch) {
      publish_alive_.beat(steady_now());
      if (late()) {
        write_late(event);
      } else {
        write_out(event);
      }
      event_queue_.done(1);
    }
    publish_alive_.beat(steady_now());
    queue_metrics_.set_depth(kPublishStage, event_queue_.waiting());
  }
  publish_alive_.rest();
}

void Pipeline::write_out(const Event& event) {
  send_out(event);
  if (const auto* const opportunity = std::get_if<OpportunityEvent>(&event)) {
    keep(*opportunity);
  }
}

void Pipeline::keep(const OpportunityEvent& event) {
  const auto told = publish::told(event, clock_);
  opportunities_.on(told ? *told : event);
}

/// What must be delivered still goes; nobody asks for the rest any more.
void Pipeline::write_late(const Event& event) {
  if (const auto* const opportunity = std::get_if<OpportunityEvent>(&event)) {
    keep(*opportunity);
  } else if (const auto* const error = std::get_if<FeedError>(&event)) {
    const auto told = publish::told(*error, clock_);
    kafka_.publish(publish::make_record(told ? *told : *error, 1));
  } else {
    queue_metrics_.dropped(kPublishStage, 1);
  }
}

void Pipeline::run_history(const std::stop_token& stop) {
  name_thread("history");
  while (!stop.stop_requested()) {
    opportunities_.wait(kHistoryTick);
    write_history();
  }
  // What does not get to disk in time is not sent either: the next run does not contradict it.
  do {
    write_history();
  } while (opportunities_.waiting() > 0 && opportunities_.state().reasons.empty() && !late());
}

void Pipeline::write_history() {
  const std::uint64_t kept = opportunities_.kept();
  const std::uint64_t lost = opportunities_.lost();
  store_alive_.beat(steady_now());
  opportunities_.write(clock_.shown(clock_.now()), [this](const OpportunityEvent& event) {
    kafka_.publish(publish::make_record(event));
  });
  store_alive_.rest();
  history_metrics_.events(true, opportunities_.kept() - kept);
  history_metrics_.events(false, opportunities_.lost() - lost);
  history_metrics_.set_waiting(opportunities_.waiting());
  history_metrics_.set_writable(opportunities_.state().reasons.empty());
}

void Pipeline::send_out(const Event& event) {
  if (const auto* book = std::get_if<OrderBook>(&event); book != nullptr && !book->synced()) {
    // Of a book that must not be shown only the fact is kept: there is no record of it.
    store_.update(*book);
    return;
  }
  const std::optional<Event> told = publish::told(event, clock_);
  publish::KafkaRecord message =
      publish::make_record(topics_, told ? *told : event, settings_.publish.orderbook_levels);
  // Of an error this is the dead letter, which goes to Kafka only.
  if (const std::optional<api::Topic> topic = topic_of(event))
    server_.broadcaster().publish(*topic, message.value);
  std::visit(
      [this](const auto& e) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(e)>, FeedError>) store_.update(e);
      },
      event);
  if (const auto* fx = std::get_if<FxEvent>(&event)) {
    rate_ok_[static_cast<std::size_t>(fx->rate.pair)] = fx->rate.ok();
  }
  event_metrics_.on_event(event, clock_.now());
  // An opportunity must be on disk first.
  if (!std::holds_alternative<OpportunityEvent>(event)) kafka_.publish(std::move(message));
}

}  // namespace spreadwatch::app
