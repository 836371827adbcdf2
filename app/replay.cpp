// `replay`: captures through the same stages as live data, in the captures' own time, so that the
// same capture and configuration give the same bytes.
#include <iostream>

#include "app/capture_events.h"
#include "app/capture_input.h"
#include "app/commands.h"
#include "app/line_output.h"
#include "app/load_config.h"
#include "publish/encode.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::app {
namespace {

/// Prints every record and event as it comes.
class Replay final : private CaptureSink, private spread::EventSink {
 public:
  Replay(const config::Loaded& loaded, const LastFrames& last_frames)
      : settings_(loaded.settings),
        events_(loaded.settings, last_frames, *this),
        engine_(loaded.settings, loaded.registry, *this, loaded.wallets) {}

  void feed(const ingest::CaptureLine& line) { events_.feed(line); }
  void finish() { engine_.finish(events_.now()); }

  /// True when stdout took everything.
  bool flush() { return output_.flush(); }
  bool bad_lines() const { return bad_lines_; }

 private:
  template <class Record, class... More>
  void print(const Record& record, More... more) {
    publish::append_record(output_.buffer(), record, more...);
    output_.end_line();
  }

  void on_time(Timestamp now) override { engine_.advance(now); }
  void on_book(const OrderBook& book, Timestamp now) override {
    engine_.on_book(book, now);
    if (book.synced()) print(book, settings_.publish.orderbook_levels);
  }
  void on_market(const MarketEvent& event, Timestamp now) override { engine_.on(event, now); }
  void on_ticker(const Ticker& ticker) override { print(ticker); }
  void on_payload_error(std::string_view exchange, const Error& error,
                        std::uint64_t line) override {
    publish::append_error(output_.buffer(), exchange, error, line);
    output_.end_line();
  }
  void on_line_error(std::string_view exchange, const Error& error, std::uint64_t line) override {
    on_payload_error(exchange, error, line);
    bad_lines_ = true;
  }

  void on_fx(const FxEvent& event) override { print(event); }
  void on_premium(const PremiumEvent& event) override { print(event); }
  void on_spread(const SpreadEvent& event) override { print(event); }
  void on_opportunity(const OpportunityEvent& event) override { print(event); }

  const config::Settings& settings_;
  LineOutput output_;
  CaptureEvents events_;
  spread::Engine engine_;
  bool bad_lines_ = false;
};

}  // namespace

int replay(const ReplayOptions& options) {
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;

  std::optional<StdinCopy> copy;
  std::vector<std::filesystem::path> captures = options.captures;
  for (std::filesystem::path& capture : captures) {
    if (capture != "-") continue;
    if (!copy) copy.emplace();  // read twice, so it has to be kept
    capture = copy->path();
  }
  const std::optional<LastFrames> last_frames = find_last_frames(captures);
  if (!last_frames) return kExitBadInput;
  std::optional<CaptureInput> input = CaptureInput::open(captures);
  if (!input) return kExitBadInput;

  Replay replay(*loaded, *last_frames);
  while (const ingest::CaptureLine* line = input->next()) replay.feed(*line);
  replay.finish();
  if (!replay.flush()) {
    std::cerr << "spreadwatch: cannot write to stdout\n";
    return kExitCouldNotStart;
  }
  return replay.bad_lines() ? kExitBadInput : kExitOk;
}

}  // namespace spreadwatch::app
