// The HTTP API's routes and parameters against requests, without a socket. A line is a request:
// method, blank, path and query.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "api/router.h"
#include "tests/api/sample.h"
#include "tests/fuzz/require.h"

namespace {

using spreadwatch::fuzz::require;
using namespace spreadwatch::api;  // NOLINT(google-build-using-namespace)

struct FixedClock final : spreadwatch::Clock {
  spreadwatch::Timestamp now() const override {
    return spreadwatch::timestamp_from_ms(1'790'000'000'000);
  }
};

struct Service {
  Service() { test::fill(store, clock.now()); }
  FixedClock clock;
  Store store;
  Router router{test::sample_venues(), store, clock, test::sample_providers()};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Service service;
  std::string_view left{reinterpret_cast<const char*>(data), size};
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    Request request;
    const std::size_t blank = std::min(line.find(' '), line.size());
    request.method = line.substr(0, blank);
    line.remove_prefix(std::min(blank + 1, line.size()));
    const std::size_t mark = std::min(line.find('?'), line.size());
    request.path = line.substr(0, mark);
    request.query = line.substr(std::min(mark + 1, line.size()));
    const Response response = service.router.answer(request);
    require(response.status >= 200 && response.status < 600, "an answer has a status");
    require((response.status == 405) == !response.allow.empty(), "a refused method names another");
    require(response.status < 400 || response.status == 503 ||
                response.content_type == "application/problem+json",
            "a refusal is a problem");
    if (response.content_type.ends_with("json") && !response.stream) {
      require(nlohmann::json::accept(response.body), "what says that it is JSON is JSON");
    }
  }
  return 0;
}
