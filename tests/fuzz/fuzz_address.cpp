// Addresses as configurations have them. What is taken says the same when it is written out and
// read again, and holds nothing that could end a header line or a host name.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/address.h"
#include "core/secrets.h"
#include "core/text.h"
#include "tests/fuzz/require.h"

namespace {

using namespace spreadwatch;
using fuzz::require;

bool graphic(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

void check_url(std::string_view text) {
  const Result<Url> url = Url::parse(text);
  if (!url) {
    require(!url.error().detail.empty(), "an error says what is wrong");
    return;
  }
  require(!url->host.empty() && graphic(url->host), "a host has only what hosts have");
  require(url->target.starts_with('/') && graphic(url->target), "a target fits a request line");
  const Result<Url> again = Url::parse(url->scheme + "://" + url->authority() + url->target);
  require(again.has_value(), "an address reads back");
  require(again->host == url->host && again->port == url->port && again->target == url->target &&
              again->secure == url->secure && again->userinfo.empty(),
          "an address reads back as the same, without its user");
  require(url->userinfo.empty() == url->authorization().empty(), "a user is an Authorization");
  require(graphic(url->authorization().substr(url->userinfo.empty() ? 0 : 6)),
          "an Authorization fits a header");
  if (!url->userinfo.empty()) {
    require(without_credentials(text).find("://***@") != std::string::npos, "a user is not shown");
  }
}

void check_hosts(std::string_view text) {
  const auto hosts = parse_host_ports(text);
  if (!hosts) return;
  std::string written;
  for (const HostPort& host : *hosts) {
    require(!host.host.empty() && graphic(host.host), "a host has only what hosts have");
    if (!written.empty()) written += ',';
    written += join_host_port(host.host, host.port.value_or(9092));
  }
  const auto again = parse_host_ports(written);
  require(again.has_value() && again->size() == hosts->size(), "a list reads back");
  for (std::size_t i = 0; i < hosts->size(); ++i) {
    require((*again)[i].host == (*hosts)[i].host, "a list reads back as the same");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check_url(text);
  check_hosts(text);
  if (const auto listen = parse_listen_address(text)) {
    require(listen_addresses_overlap(*listen, *listen), "an address overlaps itself");
    require(parse_listen_address(*listen) == listen, "an address to listen on reads back");
  }
  const std::string shown = visible(without_secrets(text), 200);
  require(is_utf8(shown) && shown.size() < 300, "what is shown is text of the length allowed");
  require(std::ranges::none_of(shown, [](char c) { return c >= 0 && c < ' '; }),
          "what is shown is one line");
  return 0;
}
