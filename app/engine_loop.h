#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "app/drain_deadline.h"
#include "app/queue_rules.h"
#include "app/stage_queue.h"
#include "config/loader.h"
#include "core/bounded_queue.h"
#include "core/heartbeat.h"
#include "core/market_data.h"
#include "core/time.h"
#include "metrics/queue_metrics.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::app {

/// The engine with its thread, its queue of market data, and its mailbox of commands.
///
/// Market data goes in through push() and never makes its writer wait; while the engine is behind,
/// it is conflated (MarketRules). What the engine finds out goes to `out`, and so does market data,
/// behind what the engine made of everything before it. Whoever wants something of the engine that
/// is not market data posts a command, which runs on the engine's thread between two batches.
/// Threads: start(), stop() and engine() one; all else any.
class EngineLoop final : private spread::EventSink {
 public:
  /// `now` is never before the time of what the engine has seen. Must not throw.
  using Command = std::function<void(spread::Engine& engine, Timestamp now)>;
  /// How many commands may wait.
  static constexpr std::size_t kCommands = 16;

  struct Options {
    /// Takes events, on the engine's thread; must not wait.
    std::function<void(Event)> out;
    /// Called after each batch, on the engine's thread; must not wait. `rates_judged`: the rates
    /// have been judged again since the last time.
    std::function<void(const spread::Engine&, bool rates_judged)> after_batch;
    /// At the end opportunities are left open for the next run, instead of being closed.
    bool suspend = false;
    MarketQueue::Bounds bounds = queue_bounds<MarketQueue>();
  };

  /// All but `options` must outlive the loop; `stage` is the queue's in `metrics`.
  EngineLoop(const config::Loaded& loaded, Options options, const Clock& clock,
             metrics::QueueMetrics& metrics, std::size_t stage, const DrainDeadline& drain);
  ~EngineLoop() override;  ///< stop()
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void start();
  /// Takes no more, deals with what waits, and ends. Idempotent.
  void stop();

  /// Never waits.
  void push(MarketEvent event) { queue_.push(std::move(event)); }
  /// Never waits. False when as many as may wait do, or it has ended: the command will not run.
  bool post(Command command);
  /// What `question` answers, on the engine's thread; nullopt when there is no answer within
  /// `deadline`. It may still be asked later: it must hold what it uses.
  template <class Question>
  auto ask(Question question, milliseconds deadline)
      -> std::optional<std::invoke_result_t<Question&, spread::Engine&, Timestamp>>;

  /// REQUIRES: not started.
  spread::Engine& engine() { return engine_; }
  /// State changes that found no room.
  std::uint64_t refused() const { return queue_.refused(); }
  const Heartbeat& heartbeat() const { return alive_; }

 private:
  void on_fx(const FxEvent& event) override { options_.out(event); }
  void on_premium(const PremiumEvent& event) override { options_.out(event); }
  void on_spread(const SpreadEvent& event) override { options_.out(event); }
  void on_opportunity(const OpportunityEvent& event) override { options_.out(event); }
  void on_removed(const MarketRemoved& event) override { options_.out(event); }

  void run();
  void take(MarketEvent& event);
  void run_commands();

  const Options options_;
  const Clock& clock_;
  const DrainDeadline& drain_;
  StageQueue<MarketQueue, MarketEvent> queue_;
  BoundedQueue<Command> commands_{kCommands};
  spread::Engine engine_;  // its own thread's, once started
  Heartbeat alive_;
  std::jthread thread_;
};

template <class Question>
auto EngineLoop::ask(Question question, milliseconds deadline)
    -> std::optional<std::invoke_result_t<Question&, spread::Engine&, Timestamp>> {
  using Answer = std::invoke_result_t<Question&, spread::Engine&, Timestamp>;
  const auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  const bool posted = post(
      [promise, question = std::move(question)](spread::Engine& engine, Timestamp now) mutable {
        promise->set_value(question(engine, now));
      });
  if (!posted || answer.wait_for(deadline) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

}  // namespace spreadwatch::app
