#include "metrics/exposer.h"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace spreadwatch::metrics {
namespace {

constexpr std::size_t kScrapesAtOnce = 2;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Whether an Accept-Encoding header names gzip with another weight than 0.
bool accepts_gzip(std::string_view header) {
  while (!header.empty()) {
    const std::size_t comma = std::min(header.find(','), header.size());
    const std::string_view coding = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    const std::size_t semicolon = std::min(coding.find(';'), coding.size());
    const std::string_view name = trimmed(coding.substr(0, semicolon));
    if (name != "gzip" && name != "x-gzip") continue;
    const std::string_view weight = trimmed(coding.substr(std::min(semicolon + 1, coding.size())));
    return !weight.starts_with("q=0") ||
           weight.find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

/// Throws std::runtime_error when zlib has no memory.
std::string gzipped(std::string text) {
  constexpr int kGzip = 15 + 16;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::runtime_error("gzip: no memory");
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("gzip: not everything was compressed");
  return out;
}

http::Response plain(int status, std::string body) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(body)};
}

http::Response answer(const Registry& registry, const http::Request& request) {
  if (request.path != "/metrics") return plain(404, "there is nothing here but /metrics\n");
  if (request.method != "GET") {
    http::Response refused = plain(405, "this answers to GET and HEAD only\n");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return refused;
  }
  http::Response response{.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"},
                                      {"Vary", "Accept-Encoding"}},
                          .body = registry.text()};
  if (accepts_gzip(request.accept_encoding)) {
    response.body = gzipped(std::move(response.body));
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  return response;
}

http::Response refusal(http::Rejection reason) {
  return plain(status_of(reason), std::string{to_string(reason)} + "\n");
}

}  // namespace

Exposer::Exposer(const Registry& registry, const std::string& address, std::uint16_t port,
                 std::size_t connections, http::Observer* observer)
    : server_(
          address, port,
          [&registry](const http::Request& request) { return answer(registry, request); }, refusal,
          {.connections = connections, .workers = kScrapesAtOnce}, observer) {
  try {
    server_.start();
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("metrics: " + std::string{error.what()});
  }
}

}  // namespace spreadwatch::metrics
