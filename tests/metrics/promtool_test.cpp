#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/metrics/full_registry.h"

namespace spreadwatch::metrics {
namespace {

TEST_CASE("promtool check metrics accepts the exposition") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    MESSAGE("SKIPPED: promtool is not installed (Debian package prometheus)");
    return;
  }
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kUpbit);
  venue.ticker({"BTC", "KRW"});
  venue.set_oldest_book(all.clock.time - milliseconds{5});
  venue.set_tickers(1, all.clock.time, all.clock.time);
  all.fx.set_rate(0, 1390.0, 1391.0, 1390.5, timestamp_from_ms(1000));
  all.spread.set_premium("BTC", "korea", "asia", "usdt", 0.01, timestamp_from_ms(1000));
  all.spread.set_best("BTC", SpreadMetrics::Best{0.01, 12.5}, timestamp_from_ms(1000));
  all.publish.set_queue(1, 100, milliseconds{20});
  all.publish.set_outbox(1, 100, milliseconds{20});

  std::string path = (std::filesystem::temp_directory_path() / "metrics-XXXXXX").string();
  const int fd = mkstemp(path.data());
  REQUIRE(fd >= 0);
  std::ofstream(path) << all.registry.text();
  std::FILE* const pipe = popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string said;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    said.append(buffer.data(), n);
  }
  CHECK(pclose(pipe) == 0);
  CHECK(said == "");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace spreadwatch::metrics
