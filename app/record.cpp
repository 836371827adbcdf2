// `record`: live frames into capture files until SIGINT or SIGTERM.
// clang-format off
#include <utility>  // before asio, which uses std::exchange without including it
// clang-format on
#include <pplx/threadpool.h>
#include <spdlog/spdlog.h>

#include <array>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "app/clock_watch.h"
#include "app/commands.h"
#include "app/descriptors.h"
#include "app/load_config.h"
#include "app/log.h"
#include "app/signals.h"
#include "core/service_clock.h"
#include "fx/bank_poller.h"
#include "http/descriptor_budget.h"
#include "ingest/capture/recorder.h"
#include "ingest/live/live_feeds.h"
#include "ingest/net/rest_client.h"
#include "metrics/exposer.h"
#include "metrics/http_metrics.h"
#include "metrics/log_metrics.h"

namespace spreadwatch::app {
namespace {

constexpr std::array<std::string_view, 1> kMetricsServers = {"metrics"};

std::uint16_t record_metrics_port(const config::Settings& settings) {
  if (settings.record.metrics_port) return *settings.record.metrics_port;
  const std::uint16_t port = settings.metrics.port;
  return port == 0 || port == 65'535 ? std::uint16_t{0} : static_cast<std::uint16_t>(port + 1);
}

ingest::CaptureWriter::Options writer_options(const config::RecordSettings& settings,
                                              const std::filesystem::path& folder) {
  const auto bytes = [](int mb) { return static_cast<std::uint64_t>(mb) << 20U; };
  ingest::CaptureWriter::Options options;
  options.folder = folder;
  options.max_file_bytes = bytes(settings.max_file_mb);
  options.max_file_age = settings.max_file;
  options.max_total_bytes = bytes(settings.max_total_mb);
  options.queue_bytes = bytes(settings.queue_mb);
  return options;
}

/// What the bank sources answer, on its way into the capture.
class RecordedBanks final : public fx::BankSink {
 public:
  explicit RecordedBanks(ingest::Recorder& recorder) : recorder_(recorder) {}
  void on_bank_quote(const BankQuote& /*quote*/) override {}
  void on_bank_body(const std::string& source, std::string_view body, Timestamp received) override {
    recorder_.on_bank_body(source, body, received);
  }

 private:
  ingest::Recorder& recorder_;
};

}  // namespace

int record(const RecordOptions& options) {
  // Before any thread exists, so that every thread inherits the mask and only wait() takes the
  // signals.
  const TerminationSignals signals;
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;
  if (!claim_descriptors()) return kExitCouldNotStart;
  const config::Settings& settings = loaded->settings;

  Log log({.level = settings.log.level});
  crossplat::threadpool::initialize_with_threads(4);

  try {
    std::vector<VenueId> venues;
    for (const config::VenueSettings& venue : settings.venues) venues.push_back(venue.id);
    // A capture's time is the time that passed: its reader takes a jump for silence.
    ServiceClock clock;
    metrics::Registry registry(clock);
    metrics::ServiceMetrics service_metrics(registry, {});
    ClockWatch clock_watch(clock, service_metrics);
    metrics::IngestMetrics ingest_metrics(registry, venues);
    metrics::CaptureMetrics capture_metrics(registry);
    metrics::HttpMetrics http_metrics(registry, kMetricsServers);
    const std::size_t connections = http::descriptor_budget(http::descriptor_limit()).metrics;
    http_metrics.set_limits(0, connections, 0);
    metrics::LogMetrics log_metrics(registry);
    const metrics::Exposer exposer(registry, settings.metrics.address,
                                   record_metrics_port(settings), connections,
                                   &http_metrics.server(0));
    ingest::CaptureWriter writer(writer_options(settings.record, options.folder), clock,
                                 capture_metrics);
    ingest::Recorder recorder(writer);
    RecordedBanks banks(recorder);
    ingest::LiveFeeds feeds(settings, loaded->registry,
                            ingest::wanted_instruments(settings, loaded->registry), clock, recorder,
                            ingest_metrics, {.budgets_file = "budgets-record.json"});
    fx::BankPoller bank_poller(settings.fx.bank, clock, banks, ingest::http_get);

    writer.start();
    for (const VenueId venue : venues) recorder.begin(venue, clock.now());
    bank_poller.start();
    feeds.start();
    spdlog::info("metrics: {}", exposer.url());
    spdlog::info("recording into {}", options.folder.string());
    const int signal = signals.wait([&] {
      log_metrics.set_lost(log.lost());
      clock_watch.look();
    });
    spdlog::info("signal {}, ending", signal);
    // In the direction of the flow, so that the tail is written.
    feeds.stop();
    bank_poller.stop();
    writer.stop();
    const ingest::CaptureWriter::Counts counts = writer.counts();
    spdlog::info("ended: {} lines written, {} dropped, {} write errors, {} files, {} removed",
                 counts.lines, counts.dropped, counts.write_errors, counts.files_opened,
                 counts.files_removed);
  } catch (const std::runtime_error& error) {
    log.say(error.what());
    return kExitCouldNotStart;
  }
  return kExitOk;
}

}  // namespace spreadwatch::app
