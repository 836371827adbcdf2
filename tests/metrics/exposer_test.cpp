#include "metrics/exposer.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/api/raw_client.h"
#include "tests/metrics/full_registry.h"

namespace spreadwatch::metrics {
namespace {

using api::test::Reply;
using api::test::request;

std::string get(std::uint16_t port, const std::string& path) {
  api::test::RawClient client(port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  client.receive_all();
  return client.received();
}

/// What was compressed with gzip; empty when it was not.
std::string inflated(const std::string& text) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return "";
  std::string in = text;
  std::string out(1U << 22U, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  out.resize(result == Z_STREAM_END ? stream.total_out : 0);
  inflateEnd(&stream);
  return out;
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

TEST_CASE("HEAD is answered as GET is, without the body") {
  FullRegistry all;
  const Exposer exposer(all.registry, "127.0.0.1", 0);
  const Reply head = request(exposer.port(), "HEAD", "/metrics");
  const Reply got = request(exposer.port(), "GET", "/metrics");
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  auto headers = head.headers;
  headers["date"] = got.headers.at("date");
  CHECK(headers == got.headers);
  CHECK(headers.at("content-length") == std::to_string(got.body.size()));
  CHECK(headers.at("content-type") == "text/plain; version=0.0.4; charset=utf-8");
  const Reply posted = request(exposer.port(), "POST", "/metrics", "Content-Length: 0\r\n");
  CHECK(posted.status == 405);
  CHECK(posted.headers.at("allow") == "GET, HEAD");
}

TEST_CASE("the exposition is compressed for who asks for gzip, and for nobody else") {
  FullRegistry all;
  const Exposer exposer(all.registry, "127.0.0.1", 0);
  const auto asked = [&](const std::string& accept) {
    return request(exposer.port(), "GET", "/metrics", "Accept-Encoding: " + accept + "\r\n");
  };
  for (const std::string accept : {"gzip", "deflate, gzip;q=0.5", "br;q=1.0, gzip ;q=1"}) {
    CAPTURE(accept);
    const Reply reply = asked(accept);
    CHECK(reply.headers.at("content-encoding") == "gzip");
    CHECK(inflated(reply.body) == all.registry.text());
  }
  for (const std::string accept : {"identity", "gzip;q=0", "gzip; q=0.0", "deflate"}) {
    CAPTURE(accept);
    const Reply reply = asked(accept);
    CHECK_FALSE(reply.headers.contains("content-encoding"));
    CHECK(reply.body == all.registry.text());
  }
}

TEST_CASE("half-open connections, however many, keep nobody from a scrape") {
  FullRegistry all;
  const Exposer exposer(all.registry, "127.0.0.1", 0, 8, &all.http.server(1));
  std::vector<std::unique_ptr<api::test::RawClient>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<api::test::RawClient>(exposer.port()));
    clients.back()->send("GET /metrics HTTP/1.1\r\nHost:");
  }
  const std::string answer = get(exposer.port(), "/metrics");
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(answer.find("spreadwatch_http_connections{kind=\"all\",server=\"metrics\"} 8\n") !=
        std::string::npos);
  CHECK(answer.find("spreadwatch_http_rejected_total{reason=\"made_room\",server=\"metrics\"} "
                    "23\n") != std::string::npos);
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
