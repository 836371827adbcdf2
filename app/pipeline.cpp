#include "app/pipeline.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

#include "ingest/rest_client.h"
#include "publish/encode.h"
#include "publish/records.h"

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
bool must_stay(const spread::Event& event) {
  if (const auto* const book = std::get_if<OrderBook>(&event)) return !book->synced();
  return !std::holds_alternative<Ticker>(event) &&
         !std::holds_alternative<spread::PremiumEvent>(event) &&
         !std::holds_alternative<spread::SpreadEvent>(event);
}

/// Events of the stream's topics; errors are not among them.
std::optional<api::Topic> topic_of(const spread::Event& event) {
  struct Visitor {
    std::optional<api::Topic> operator()(const Ticker&) { return api::Topic::kTicker; }
    std::optional<api::Topic> operator()(const OrderBook&) { return api::Topic::kOrderBook; }
    std::optional<api::Topic> operator()(const FeedError&) { return std::nullopt; }
    std::optional<api::Topic> operator()(const fx::FxEvent&) { return api::Topic::kFx; }
    std::optional<api::Topic> operator()(const spread::PremiumEvent&) {
      return api::Topic::kPremium;
    }
    std::optional<api::Topic> operator()(const spread::SpreadEvent&) { return api::Topic::kSpread; }
    std::optional<api::Topic> operator()(const spread::OpportunityEvent&) {
      return api::Topic::kOpportunity;
    }
  };
  return std::visit(Visitor{}, event);
}

}  // namespace

/// What the publish thread remembers to keep gauges true: the best pair per asset, open
/// opportunities.
struct Pipeline::PublishState {
  struct Row {
    std::string asset;
    std::optional<metrics::SpreadMetrics::Best> best;
  };
  std::map<std::string, Row> rows;          // by pair
  std::map<std::string, std::size_t> open;  // by asset
};

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
      ingest_metrics_(registry_, venue_ids(settings_)),
      fx_metrics_(registry_, fx::kPairNames, kReasonNames),
      spread_metrics_(registry_, metric_assets(settings_)),
      publish_metrics_(registry_, publish::kTopicNames),
      history_metrics_(registry_),
      queue_metrics_(registry_, kStages),
      market_queue_(kQueueCapacity, kKeepCapacity),
      event_queue_(kQueueCapacity, kKeepCapacity),
      profit_queue_(kProfitCapacity),
      engine_(settings_, loaded.registry, *this, loaded.wallets),
      opportunities_(open_opportunities(settings_, moved_aside_),
                     [this] { return history::open_store(settings_.state_dir); }),
      kafka_(settings_, publish_metrics_),
      topics_(settings_),
      publish_state_(std::make_unique<PublishState>()),
      feeds_(settings_, loaded.registry, ingest::wanted_instruments(settings_, loaded.registry),
             clock_, *this, ingest_metrics_),
      bank_poller_(settings_.fx.bank, clock_, *this, ingest::http_get),
      server_(settings_.http, settings_.venues, store_, clock_,
              {.readiness = [this] { return readiness(); },
               .feeds = [this] { return feeds_.feeds(); },
               .profit = [this](const api::ProfitQuery& query) { return ask_profit(query); }}) {
  queue_metrics_.set_capacity(kSpreadStage, kQueueCapacity + kKeepCapacity);
  queue_metrics_.set_capacity(kPublishStage, kQueueCapacity + kKeepCapacity);
  kafka_.on_acknowledged([this](std::string_view id) {
    if (const auto event = publish::opportunity_of(id)) {
      opportunities_.delivered(event->id, event->kind);
    }
  });
}

Pipeline::~Pipeline() { stop(); }

void Pipeline::start() {
  // What can refuse to start comes first: ports and the broker.
  exposer_ = std::make_unique<metrics::Exposer>(registry_, settings_.metrics.address,
                                                settings_.metrics.port);
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
std::string Pipeline::metrics_url() const {
  return "http://" + settings_.metrics.address + ":" + std::to_string(exposer_->port()) +
         "/metrics";
}
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

void Pipeline::on_bank_error(const std::string& source, const Error& error) {
  fx_metrics_.bank_error(error.code);
  spdlog::warn("bank source {}: {}: {}", source, to_string(error.code), error.detail);
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
    const auto pair = engine_.evaluate(query.asset, query.buy, query.sell, query.mode,
                                       std::array{query.size_usdt}, clock_.now());
    api::ProfitAnswer answer{.status = api::ProfitAnswer::Status::kUnknownPair};
    if (pair) {
      answer.status = api::ProfitAnswer::Status::kOk;
      publish::append_profit(answer.record, *pair);
    }
    request.answer.set_value(std::move(answer));
  }
}

void Pipeline::run_engine() {
  std::vector<MarketEvent> batch;
  while (market_queue_.pop_all(batch, kEngineTick)) {
    for (MarketEvent& event : batch) {
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
    set_pair_gauges();
    market_queue_.done(batch.size());
    queue_metrics_.set_depth(kSpreadStage, market_queue_.waiting());
  }
  // With a store the next run goes on where this one ends; without, it ends here.
  if (opportunities_.keeps()) {
    engine_.suspend(clock_.now());
  } else {
    engine_.finish(clock_.now());
  }
}

void Pipeline::set_pair_gauges() {
  const spread::Engine::Counts& counts = engine_.counts();
  for (std::size_t i = 0; i < counts.by_verdict.size(); ++i) {
    spread_metrics_.set_pairs(spread::kVerdictNames[i], counts.by_verdict[i]);
  }
  for (std::size_t i = 0; i < counts.by_reason.size(); ++i) {
    spread_metrics_.set_pair_reasons(static_cast<Reason>(i), counts.by_reason[i]);
  }
}

/// What the run before left open goes on, and what it may not have delivered is sent first.
void Pipeline::restore_opportunities() {
  const Timestamp now = clock_.now();
  const bool goes_on = opportunities_.recent(now);
  for (const spread::OpportunityEvent& last : opportunities_.open()) {
    engine_.restore(last, now, goes_on);
    std::string text;
    publish::append_record(text, last);
    store_.update_opportunity(last.id, true, std::make_shared<const std::string>(std::move(text)));
    spread_metrics_.set_open_opportunities(last.asset, ++publish_state_->open[last.asset]);
  }
  opportunities_.resend([this](const spread::OpportunityEvent& event) {
    publish::KafkaRecord record = publish::make_record(event);
    // What the publisher itself kept for this run is on its way already, with what lies between.
    if (!kafka_.took_up(record.id)) kafka_.publish(std::move(record));
  });
}

void Pipeline::push(spread::Event event) {
  const bool stays = must_stay(event);
  const auto pushed = event_queue_.push(std::move(event), stays);
  queue_metrics_.set_depth(kPublishStage, pushed.waiting);
  if (pushed.shed > 0) queue_metrics_.dropped(kPublishStage, pushed.shed);
  if (pushed.taken) return;
  queue_metrics_.dropped(kPublishStage, 1);
  ++refused_;
}

void Pipeline::on_fx(const fx::FxEvent& event) { push(event); }
void Pipeline::on_premium(const spread::PremiumEvent& event) { push(event); }
void Pipeline::on_spread(const spread::SpreadEvent& event) { push(event); }
void Pipeline::on_opportunity(const spread::OpportunityEvent& event) { push(event); }

void Pipeline::run_publish() {
  std::vector<spread::Event> batch;
  while (event_queue_.pop_all(batch, milliseconds{200})) {
    for (const spread::Event& event : batch) {
      if (late()) {
        write_late(event);
      } else {
        write_out(event);
      }
      event_queue_.done(1);
    }
    queue_metrics_.set_depth(kPublishStage, event_queue_.waiting());
  }
}

void Pipeline::write_out(const spread::Event& event) {
  send_out(event);
  if (const auto* const opportunity = std::get_if<spread::OpportunityEvent>(&event)) {
    opportunities_.on(*opportunity);
  }
}

/// What must be delivered still goes; nobody asks for the rest any more.
void Pipeline::write_late(const spread::Event& event) {
  if (const auto* const opportunity = std::get_if<spread::OpportunityEvent>(&event)) {
    opportunities_.on(*opportunity);
  } else if (const auto* const error = std::get_if<FeedError>(&event)) {
    kafka_.publish(publish::make_record(*error, 1));
  } else {
    queue_metrics_.dropped(kPublishStage, 1);
  }
}

void Pipeline::run_history(const std::stop_token& stop) {
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
  opportunities_.write(clock_.now(), [this](const spread::OpportunityEvent& event) {
    kafka_.publish(publish::make_record(event));
  });
  history_metrics_.events(true, opportunities_.kept() - kept);
  history_metrics_.events(false, opportunities_.lost() - lost);
  history_metrics_.set_waiting(opportunities_.waiting());
  history_metrics_.set_writable(opportunities_.state().reasons.empty());
}

void Pipeline::send_out(const spread::Event& event) {
  if (const auto* book = std::get_if<OrderBook>(&event); book != nullptr && !book->synced()) {
    // Of a book that must not be shown only the fact is kept: there is no record of it.
    store_.update(*book);
    return;
  }
  publish::KafkaRecord message =
      publish::make_record(topics_, event, settings_.publish.orderbook_levels);
  // Of an error this is the dead letter, which goes to Kafka only.
  const auto record = std::make_shared<const std::string>(message.value);
  if (const std::optional<api::Topic> topic = topic_of(event))
    server_.broadcaster().publish(*topic, *record);
  const Timestamp now = clock_.now();

  struct Visitor {
    Pipeline& p;
    PublishState& state;
    const api::Record& record;
    Timestamp now;

    void latency(std::optional<Timestamp> received) {
      if (received && now >= *received) p.publish_metrics_.latency(now - *received);
    }

    void operator()(const Ticker& ticker) {
      p.store_.update(ticker);
      latency(ticker.receive_time);
    }
    void operator()(const OrderBook& book) {
      p.store_.update(book);
      latency(book.receive_time);
    }
    void operator()(const FeedError&) {}
    void operator()(const fx::FxEvent& event) {
      const auto pair = static_cast<std::size_t>(event.rate.pair);
      p.store_.update_rate(to_string(event.rate.pair), record);
      p.rate_ok_[pair] = event.rate.ok();
      if (event.rate.ok()) {
        p.fx_metrics_.set_rate(pair, event.rate.bid, event.rate.ask, *event.rate.mid, event.time);
        p.fx_metrics_.set_age(pair, event.rate.age.value_or(microseconds{0}));
      } else {
        p.fx_metrics_.clear_rate(pair);
      }
      std::size_t used = 0;
      for (const fx::RateSource& source : event.rate.sources) {
        used += source.used ? 1U : 0U;
        if (source.reason)
          p.fx_metrics_.source_excluded(pair, static_cast<std::size_t>(*source.reason));
      }
      p.fx_metrics_.set_sources_used(pair, used);
    }
    void operator()(const spread::PremiumEvent& event) {
      const std::string over{event.over_name()};
      p.store_.update_premium({event.asset, std::string{to_string(event.region)}, over,
                               std::string{to_string(event.basis)}},
                              record);
      p.spread_metrics_.set_premium(event.asset, to_string(event.region), over,
                                    to_string(event.basis), event.premium, now);
    }
    void operator()(const spread::SpreadEvent& event) {
      p.store_.update_spread({event.asset, event.buy, event.sell, event.mode},
                             to_string(event.verdict), record);
      p.spread_metrics_.verdict(to_string(event.verdict), event.reasons);
      if (event.received && event.time >= *event.received) {
        p.spread_metrics_.latency(event.time - *event.received);
      }
      p.update_best(event, now);
    }
    void operator()(const spread::OpportunityEvent& event) {
      using Kind = spread::OpportunityEvent::Kind;
      p.store_.update_opportunity(event.id, event.kind != Kind::kClose, record);
      std::size_t& open = state.open[event.asset];
      if (event.kind == Kind::kOpen) {
        ++open;
        p.spread_metrics_.opportunity_opened(event.asset);
      } else if (event.kind == Kind::kClose) {
        open -= open > 0 ? 1 : 0;
        p.spread_metrics_.opportunity_closed(to_string(*event.reason));
      }
      p.spread_metrics_.set_open_opportunities(event.asset, open);
    }
  };
  std::visit(Visitor{*this, *publish_state_, record, now}, event);
  // An opportunity must be on disk first.
  if (!std::holds_alternative<spread::OpportunityEvent>(event)) kafka_.publish(std::move(message));
}

void Pipeline::update_best(const spread::SpreadEvent& event, Timestamp now) {
  PublishState& state = *publish_state_;
  const std::string key = event.asset + "|" + std::string{to_string(event.buy)} + "|" +
                          std::string{to_string(event.sell)} + "|" +
                          std::string{config::to_string(event.mode)};
  PublishState::Row& row = state.rows[key];
  row.asset = event.asset;
  row.best.reset();
  if (event.net_ratio) {
    row.best = {*event.net_ratio, event.optimal ? event.optimal->net_profit_usdt : 0.0};
  }
  // The rows of one asset stand together in the map.
  std::optional<metrics::SpreadMetrics::Best> best;
  for (auto it = state.rows.lower_bound(event.asset + "|");
       it != state.rows.end() && it->second.asset == event.asset; ++it) {
    if (!it->second.best) continue;
    if (!best) best = it->second.best;
    best->net_ratio = std::max(best->net_ratio, it->second.best->net_ratio);
    best->net_profit_usdt = std::max(best->net_profit_usdt, it->second.best->net_profit_usdt);
  }
  spread_metrics_.set_best(event.asset, best, now);
}

api::Readiness Pipeline::readiness() const {
  api::Readiness readiness;
  std::map<VenueId, bool> live;
  for (const config::VenueSettings& venue : settings_.venues) live[venue.id] = false;
  for (const ingest::FeedStatus& feed : feeds_.feeds()) {
    if (feed.channel == ingest::Channel::kOrderBook && feed.state == FeedState::kSynced)
      live[feed.venue] = true;
  }
  for (const auto& [venue, alive] : live) {
    if (!alive) readiness.reasons.push_back("venue_down:" + std::string{to_string(venue)});
  }
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    const bool needed =
        i != static_cast<std::size_t>(fx::Pair::kUsdKrw) || !settings_.fx.bank.empty();
    if (needed && !rate_ok_[i])
      readiness.reasons.push_back("fx_unavailable:" + std::string{fx::kPairNames[i]});
  }
  const publish::KafkaPublisher::State kafka = kafka_.state();
  for (const std::string& reason : kafka.reasons) readiness.reasons.push_back("kafka: " + reason);
  for (const std::string& notice : kafka.notices) readiness.notices.push_back("kafka: " + notice);
  const history::OpportunityLog::State opportunities = opportunities_.state();
  for (const std::string& reason : opportunities.reasons) {
    readiness.reasons.push_back("state_dir: " + reason);
  }
  for (const std::string& notice : opportunities.notices) {
    readiness.notices.push_back("state_dir: " + notice);
  }
  const ingest::BudgetStore::State budgets = feeds_.budgets_state();
  if (!budgets.error.empty()) readiness.reasons.push_back("state_dir: " + budgets.error);
  if (!budgets.moved_aside.empty()) {
    readiness.notices.push_back("state_dir: damaged rate budgets moved to " + budgets.moved_aside);
  }
  if (refused_ > 0) {
    readiness.notices.push_back("queues: " + std::to_string(refused_) +
                                " state changes found no room and were dropped");
  }
  if (!moved_aside_.empty()) {
    readiness.notices.push_back("state_dir: damaged opportunities moved to " + moved_aside_);
  }
  if (kafka.embedded) readiness.notices.push_back("broker_embedded: " + kafka_.brokers());
  return readiness;
}

}  // namespace spreadwatch::app
