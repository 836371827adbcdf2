#include "app/engine_loop.h"

#include <variant>
#include <vector>

#include "app/stage_thread.h"

namespace spreadwatch::app {
namespace {

constexpr microseconds kEngineTick = milliseconds{20};  // timers are looked at least this often

}  // namespace

EngineLoop::EngineLoop(const config::Loaded& loaded, Options options, const Clock& clock,
                       metrics::QueueMetrics& metrics, std::size_t stage,
                       const DrainDeadline& drain)
    : options_(std::move(options)),
      clock_(clock),
      drain_(drain),
      queue_(options_.bounds, metrics, stage),
      engine_(loaded.settings, loaded.registry, *this, loaded.wallets) {}

EngineLoop::~EngineLoop() { stop(); }

void EngineLoop::start() {
  thread_ = std::jthread([this] { run(); });
}

void EngineLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

bool EngineLoop::post(Command command) {
  if (!commands_.try_push(std::move(command))) return false;
  queue_.wake();
  return true;
}

void EngineLoop::run_commands() {
  if (commands_.size() == 0) return;
  std::vector<Command> commands;
  commands_.pop_all(commands, microseconds{0});
  for (Command& command : commands) command(engine_, clock_.now());
}

void EngineLoop::take(MarketEvent& event) {
  if (drain_.passed() && !MarketRules::keep(event)) {
    queue_.dropped(1);
    return;
  }
  engine_.on(event, clock_.now());
  // Market data goes on as it came, behind what the engine made of everything before it.
  if (auto* ticker = std::get_if<Ticker>(&event)) {
    options_.out(std::move(*ticker));
  } else if (auto* book = std::get_if<OrderBook>(&event)) {
    options_.out(std::move(*book));
  } else if (auto* error = std::get_if<FeedError>(&event)) {
    options_.out(std::move(*error));
  }
}

void EngineLoop::run() {
  name_thread("engine");
  std::vector<MarketEvent> batch;
  std::optional<Timestamp> rates_judged;
  while (queue_.pop(batch, kEngineTick)) {
    alive_.beat(Heartbeat::Steady::now());
    for (MarketEvent& event : batch) {
      alive_.beat(Heartbeat::Steady::now());
      take(event);
    }
    engine_.advance(clock_.now());
    run_commands();
    const std::optional<Timestamp> before =
        std::exchange(rates_judged, engine_.rates().evaluated());
    options_.after_batch(engine_, before != rates_judged);
    queue_.done(batch.size());
    queue_.report();
  }
  // What was promised to run runs; whoever comes later is told.
  commands_.close();
  run_commands();
  alive_.rest();
  if (options_.suspend) {
    engine_.suspend(clock_.now());
  } else {
    engine_.finish(clock_.now());
  }
}

}  // namespace spreadwatch::app
