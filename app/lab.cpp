// `lab`: one recording, many thresholds. For each pair of opening and closing ratio an engine of
// its own sees the same market, and each of its opportunities is priced at every size when it
// opens.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include "app/capture_events.h"
#include "app/capture_input.h"
#include "app/commands.h"
#include "app/lab_report.h"
#include "app/load_config.h"
#include "core/decimal.h"
#include "core/text.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::app {
namespace {

/// Engines at work at the same time: they share nothing, so this bounds the memory.
constexpr std::size_t kMaxTrials = 64;

/// What one size would have made of a trial's opportunities.
struct SizeResult {
  double size_usdt = 0;
  std::size_t taken = 0;  ///< opportunities that paid at this size when they opened
  double profit_usdt = 0;
};

/// One choice of thresholds and what came of it.
class Trial final : private spread::EventSink {
 public:
  Trial(const config::Loaded& loaded, double open_ratio, double close_ratio,
        const std::vector<double>& sizes)
      : settings_(with_thresholds(loaded.settings, open_ratio, close_ratio)),
        sizes_(sizes),
        engine_(settings_, loaded.registry, *this, loaded.wallets) {
    for (const double size : sizes) results_.push_back({size});
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  spread::Engine& engine() { return engine_; }
  double open_ratio() const { return settings_.spread.open_ratio; }
  double close_ratio() const { return settings_.spread.close_ratio; }
  std::size_t opened() const { return opened_; }
  const std::vector<SizeResult>& results() const { return results_; }
  /// nullopt when none ended before the recording did.
  std::optional<milliseconds> median_life() const {
    if (lives_.empty()) return std::nullopt;
    std::vector<milliseconds> lives = lives_;
    const auto middle = lives.begin() + static_cast<std::ptrdiff_t>(lives.size() / 2);
    std::ranges::nth_element(lives, middle);
    return *middle;
  }
  std::optional<double> stale_share() const {
    if (lives_.empty()) return std::nullopt;
    return static_cast<double>(stale_) / static_cast<double>(lives_.size());
  }

 private:
  static config::Settings with_thresholds(config::Settings settings, double open_ratio,
                                          double close_ratio) {
    settings.spread.open_ratio = open_ratio;
    settings.spread.close_ratio = close_ratio;
    return settings;
  }
  void on_fx(const FxEvent&) override {}
  void on_premium(const PremiumEvent&) override {}
  void on_spread(const SpreadEvent&) override {}
  void on_opportunity(const OpportunityEvent& event) override {
    using Kind = OpportunityEvent::Kind;
    if (event.kind == Kind::kOpen) {
      ++opened_;
      price(event);
    } else if (event.kind == Kind::kClose && event.reason != CloseReason::kShutdown) {
      // One that the end of the recording cut short had a longer life than we know.
      lives_.push_back(std::chrono::floor<milliseconds>(event.time - event.opened));
      stale_ += event.reason == CloseReason::kStale ? 1 : 0;
    }
  }
  void price(const OpportunityEvent& event) {
    const auto pair =
        engine_.evaluate(event.asset, event.buy, event.sell, event.mode, sizes_, event.time);
    if (!pair) return;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto& trade = pair->sizes[i].trade;
      if (!trade || trade->net_profit_usdt <= 0) continue;
      ++results_[i].taken;
      results_[i].profit_usdt += trade->net_profit_usdt;
    }
  }

  const config::Settings settings_;
  const std::vector<double> sizes_;
  spread::Engine engine_;
  std::size_t opened_ = 0;
  std::size_t stale_ = 0;
  std::vector<milliseconds> lives_;
  std::vector<SizeResult> results_;
};

/// Hands a recording to every trial.
class Lab final : private CaptureSink {
 public:
  Lab(const config::Loaded& loaded, const LastFrames& last_frames, const LabOptions& options)
      : events_(loaded.settings, last_frames, *this) {
    const std::vector<double>& sizes =
        options.sizes.empty() ? loaded.settings.spread.sizes_usdt : options.sizes;
    for (const double open : options.open_ratios) {
      for (const double close : options.close_ratios) {
        if (close > open) continue;  // it would flap
        trials_.push_back(std::make_unique<Trial>(loaded, open, close, sizes));
      }
    }
  }

  void feed(const ingest::CaptureLine& line) { events_.feed(line); }
  void finish() {
    for (const auto& trial : trials_) trial->engine().finish(events_.now());
  }
  double days() const {
    if (!first_) return 0;
    return std::chrono::duration<double, std::ratio<86'400>>(events_.now() - *first_).count();
  }
  const std::vector<std::unique_ptr<Trial>>& trials() const { return trials_; }
  std::uint64_t bad_lines() const { return bad_lines_; }
  std::uint64_t bad_payloads() const { return bad_payloads_; }

 private:
  void on_time(Timestamp now) override {
    if (!first_) first_ = now;
    for (const auto& trial : trials_) trial->engine().advance(now);
  }
  void on_book(const OrderBook& book, Timestamp now) override {
    for (const auto& trial : trials_) trial->engine().on_book(book, now);
  }
  void on_market(const MarketEvent& event, Timestamp now) override {
    for (const auto& trial : trials_) trial->engine().on(event, now);
  }
  void on_ticker(const Ticker& /*ticker*/) override {}
  void on_payload_error(std::string_view /*exchange*/, const Error& /*error*/,
                        std::uint64_t /*line*/) override {
    ++bad_payloads_;
  }
  void on_line_error(std::string_view exchange, const Error& error, std::uint64_t line) override {
    std::cerr << "spreadwatch: line " << line << ": " << visible(exchange) << ": "
              << visible(error.detail) << '\n';
    ++bad_lines_;
  }

  CaptureEvents events_;
  std::vector<std::unique_ptr<Trial>> trials_;
  std::optional<Timestamp> first_;
  std::uint64_t bad_lines_ = 0;
  std::uint64_t bad_payloads_ = 0;
};

std::string number(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

std::string rounded(double value, int decimals) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(decimals) << value;
  return text.str();
}

std::vector<LabRow> rows_of(const Lab& lab) {
  std::vector<LabRow> rows;
  const double days = lab.days();
  for (const auto& trial : lab.trials()) {
    const auto life = trial->median_life();
    const auto stale = trial->stale_share();
    for (const SizeResult& size : trial->results()) {
      rows.push_back({{number(trial->open_ratio()), number(trial->close_ratio()),
                       number(size.size_usdt), std::to_string(trial->opened()),
                       days > 0 ? rounded(static_cast<double>(trial->opened()) / days, 1) : "",
                       std::to_string(size.taken), life ? std::to_string(life->count()) : "",
                       rounded(size.profit_usdt, 2), stale ? rounded(*stale, 3) : ""}});
    }
  }
  return rows;
}

}  // namespace

int lab(const LabOptions& options) {
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;
  LabOptions sweep = options;
  const config::SpreadSettings& spread = loaded->settings.spread;
  if (sweep.open_ratios.empty()) {
    for (const double factor : {0.5, 1.0, 2.0, 4.0}) {
      sweep.open_ratios.push_back(spread.open_ratio * factor);
    }
  }
  if (sweep.close_ratios.empty()) sweep.close_ratios = {spread.close_ratio, spread.open_ratio / 2};
  for (std::vector<double>* list : {&sweep.open_ratios, &sweep.close_ratios, &sweep.sizes}) {
    std::ranges::sort(*list);
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  if (sweep.open_ratios.size() * sweep.close_ratios.size() > kMaxTrials) {
    std::cerr << "spreadwatch: more than " << kMaxTrials << " pairs of ratios\n";
    return kExitUsage;
  }

  std::optional<StdinCopy> copy;
  for (std::filesystem::path& capture : sweep.captures) {
    if (capture != "-") continue;
    if (!copy) copy.emplace();  // read twice, so it has to be kept
    capture = copy->path();
  }
  const std::optional<LastFrames> last_frames = find_last_frames(sweep.captures);
  if (!last_frames) return kExitBadInput;
  std::optional<CaptureInput> input = CaptureInput::open(sweep.captures);
  if (!input) return kExitBadInput;

  Lab lab(*loaded, *last_frames, sweep);
  while (const ingest::CaptureLine* line = input->next()) lab.feed(*line);
  lab.finish();
  const std::vector<LabRow> rows = rows_of(lab);
  print_table(rows);
  if (lab.bad_payloads() > 0) {
    std::cerr << "spreadwatch: " << lab.bad_payloads() << " payloads could not be used\n";
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "spreadwatch: cannot write to stdout\n";
    return kExitCouldNotStart;
  }
  if (!sweep.csv.empty() && !write_csv(sweep.csv, rows)) {
    std::cerr << "spreadwatch: cannot write " << sweep.csv.string() << '\n';
    return kExitCouldNotStart;
  }
  return lab.bad_lines() > 0 ? kExitBadInput : kExitOk;
}

}  // namespace spreadwatch::app
