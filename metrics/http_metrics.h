#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "http/server.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_http_*` series: connections, answers and rejections of each HTTP server.
/// Threads: any.
class HttpMetrics {
 public:
  /// `servers` are the values of the `server` label.
  HttpMetrics(Registry& registry, std::span<const std::string_view> servers);
  ~HttpMetrics();
  HttpMetrics(const HttpMetrics&) = delete;
  HttpMetrics& operator=(const HttpMetrics&) = delete;

  /// Where the server at `position` in the list reports to. Lives as long as this.
  http::Observer& server(std::size_t position);
  /// How many connections the server at `position` may have, and event streams among them.
  void set_limits(std::size_t position, std::size_t connections, std::size_t streams);
  /// An event that the full queue in front of the event streams refused.
  void stream_event_dropped();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
