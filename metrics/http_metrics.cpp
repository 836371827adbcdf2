#include "metrics/http_metrics.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {
namespace {

constexpr std::array<std::string_view, 5> kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};

struct Families {
  prometheus::Family<prometheus::Gauge>& connections;
  prometheus::Family<prometheus::Gauge>& limit;
  prometheus::Family<prometheus::Counter>& answers;
  prometheus::Family<prometheus::Counter>& rejections;
};

class ServerSeries final : public http::Observer {
 public:
  ServerSeries(const Families& families, const std::string& server)
      : all_(families.connections.Add({{"kind", "all"}, {"server", server}})),
        streams_(families.connections.Add({{"kind", "stream"}, {"server", server}})),
        all_limit_(families.limit.Add({{"kind", "all"}, {"server", server}})),
        streams_limit_(families.limit.Add({{"kind", "stream"}, {"server", server}})) {
    for (const std::string_view status : kClasses) {
      answers_.emplace_back(
          families.answers.Add({{"server", server}, {"status", std::string{status}}}));
    }
    for (const std::string_view reason : http::kRejectionNames) {
      rejections_.emplace_back(
          families.rejections.Add({{"reason", std::string{reason}}, {"server", server}}));
    }
  }

  void connections(std::size_t all, std::size_t streams) override {
    all_.Set(static_cast<double>(all));
    streams_.Set(static_cast<double>(streams));
  }
  void answered(int status) override {
    answers_.at(static_cast<std::size_t>(status / 100 - 1)).get().Increment();
  }
  void rejected(http::Rejection reason) override {
    rejections_.at(static_cast<std::size_t>(reason)).get().Increment();
  }
  void set_limits(std::size_t all, std::size_t streams) {
    all_limit_.Set(static_cast<double>(all));
    streams_limit_.Set(static_cast<double>(streams));
  }

 private:
  prometheus::Gauge& all_;
  prometheus::Gauge& streams_;
  prometheus::Gauge& all_limit_;
  prometheus::Gauge& streams_limit_;
  std::vector<std::reference_wrapper<prometheus::Counter>> answers_;     // by class
  std::vector<std::reference_wrapper<prometheus::Counter>> rejections_;  // by reason
};

}  // namespace

struct HttpMetrics::Impl {
  explicit Impl(Registry& registry)
      : dropped(counters(registry, "spreadwatch_http_stream_events_dropped_total",
                         "Events refused because the queue to the event streams was full.")
                    .Add({})) {}
  prometheus::Counter& dropped;
  std::vector<std::unique_ptr<ServerSeries>> servers;
};

HttpMetrics::HttpMetrics(Registry& registry, std::span<const std::string_view> servers)
    : impl_(std::make_unique<Impl>(registry)) {
  const Families families{
      gauges(registry, "spreadwatch_http_connections",
             "Connections to the server now; event streams are counted in both kinds."),
      gauges(registry, "spreadwatch_http_connections_limit",
             "Connections the server may have; beyond it the one idle longest is closed."),
      counters(registry, "spreadwatch_http_answers_total", "Requests answered, by status class."),
      counters(registry, "spreadwatch_http_rejected_total",
               "Requests and connections refused or ended by the server, by reason.")};
  for (const std::string_view server : servers) {
    impl_->servers.push_back(std::make_unique<ServerSeries>(families, std::string{server}));
  }
}

HttpMetrics::~HttpMetrics() = default;

http::Observer& HttpMetrics::server(std::size_t position) { return *impl_->servers.at(position); }

void HttpMetrics::set_limits(std::size_t position, std::size_t connections, std::size_t streams) {
  impl_->servers.at(position)->set_limits(connections, streams);
}

void HttpMetrics::stream_event_dropped() { impl_->dropped.Increment(); }

}  // namespace spreadwatch::metrics
