#include "metrics/exposer.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>

#include "tests/metrics/full_registry.h"

namespace spreadwatch::metrics {
namespace {

/// The whole HTTP answer to a GET, until the server closes.
std::string get(std::uint16_t port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    CHECK(send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
      answer.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

TEST_CASE("port 0 takes a free port, says which, and serves the registry there") {
  FullRegistry all;
  all.ingest.venue(VenueId::kUpbit).gap();
  const Exposer exposer(all.registry, "127.0.0.1", 0);
  REQUIRE(exposer.port() != 0);
  const std::string answer = get(exposer.port(), "/metrics");
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(answer.find("spreadwatch_ingest_gaps_total{venue=\"upbit\"} 1\n") != std::string::npos);
  CHECK(get(exposer.port(), "/other").starts_with("HTTP/1.1 404"));
  all.fx.set_rate(0, 1390.0, 1391.0, 1390.5, all.clock.time);
  all.clock.time += seconds{7};
  CHECK(get(exposer.port(), "/metrics").find("spreadwatch_fx_age_seconds{pair=\"USDT/KRW\"} 7\n") !=
        std::string::npos);
}

TEST_CASE("a taken port is an error that names it") {
  const Registry registry;
  const Exposer first(registry, "127.0.0.1", 0);
  const std::string port = std::to_string(first.port());
  try {
    const Exposer second(registry, "127.0.0.1", first.port());
    FAIL("no error");
  } catch (const std::runtime_error& e) {
    CHECK(std::string{e.what()}.find("127.0.0.1:" + port) != std::string::npos);
  }
}

TEST_CASE("an address of another machine is an error") {
  const Registry registry;
  CHECK_THROWS_AS(Exposer(registry, "192.0.2.1", 0), std::runtime_error);
}

}  // namespace
}  // namespace spreadwatch::metrics
