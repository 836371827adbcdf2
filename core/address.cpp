#include "core/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace spreadwatch {
namespace {

constexpr std::size_t kMaxUrl = 4096;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<int> hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

bool is_v4(std::string_view text) {
  in_addr address{};
  return ::inet_pton(AF_INET, std::string{text}.c_str(), &address) == 1;
}

bool is_v6(std::string_view text) {
  // A zone names an interface of one machine; the resolvers below do not take one.
  in6_addr address{};
  return text.find('\0') == std::string_view::npos &&
         ::inet_pton(AF_INET6, std::string{text}.c_str(), &address) == 1;
}

/// A name of DNS or of the local network, or an IPv4 address.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  std::string_view last;
  for (std::string_view rest = host; !rest.empty();) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view label = rest.substr(0, dot);
    const bool good = !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
                      label.back() != '-' && std::ranges::all_of(label, [](char c) {
                        return is_letter(c) || is_digit(c) || c == '-' || c == '_';
                      });
    if (!good) return false;
    last = label;
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  // No top level is a number: resolvers take such a name for an address, in forms of their own.
  return !std::ranges::all_of(last, is_digit) || is_v4(host);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [ptr, ec] = std::from_chars(text.data(), end, number);
  if (ec != std::errc{} || ptr != end || number == 0 || number > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(number);
}

/// The characters of a path and a query (RFC 3986); a '%' begins two hexadecimal digits.
bool is_target(std::string_view text) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=:@/?";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !hex_value(text[i + 1]) || !hex_value(text[i + 2])) return false;
      i += 2;
    } else if (!is_letter(text[i]) && !is_digit(text[i]) &&
               kMarks.find(text[i]) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const unsigned group = (byte(i) << 16U) | (byte(i + 1) << 8U) | byte(i + 2);
    for (unsigned digit = 0; digit < 4; ++digit) {
      const bool padding = i + digit > bytes.size();
      out += padding ? '=' : kDigits[(group >> (18U - 6U * digit)) & 0x3fU];
    }
  }
  return out;
}

constexpr const char* kPortRange = "the port must be a whole number from 1 to 65535";
constexpr const char* kHostShape =
    "the host must be a name, an IPv4 address or an IPv6 address in brackets";

}  // namespace

Result<HostPort, std::string> parse_host_port(std::string_view text) {
  const auto bad = [](const char* why) { return Unexpected{std::string{why}}; };
  HostPort out;
  std::string_view after;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad(kHostShape);
    out.host = text.substr(1, close - 1);
    if (!is_v6(out.host)) return bad(kHostShape);
    after = text.substr(close + 1);
    if (!after.empty() && after.front() != ':') return bad(kHostShape);
  } else if (is_v6(text)) {
    return bad("an IPv6 address stands in brackets, as [::1]");
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    out.host = text.substr(0, colon);
    if (!is_host_name(out.host)) return bad(kHostShape);
    after = text.substr(colon);
  }
  if (after.empty()) return out;
  out.port = parse_port(after.substr(1));
  if (!out.port) return bad(kPortRange);
  return out;
}

Result<std::vector<HostPort>, std::string> parse_host_ports(std::string_view text) {
  std::vector<HostPort> out;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    std::string_view entry = text.substr(0, comma);
    text.remove_prefix(more ? comma + 1 : 0);
    const std::size_t first = std::min(entry.find_first_not_of(' '), entry.size());
    entry = entry.substr(first, entry.find_last_not_of(' ') + 1 - first);
    Result<HostPort, std::string> one = parse_host_port(entry);
    if (!one) return Unexpected{one.error()};
    out.push_back(std::move(*one));
  }
  return out;
}

std::optional<std::string> parse_listen_address(std::string_view text) {
  if (text == "localhost") return "127.0.0.1";
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (!is_v6(text)) return std::nullopt;
  }
  if (text.find('\0') != std::string_view::npos || !(is_v4(text) || is_v6(text))) {
    return std::nullopt;
  }
  return std::string{text};
}

bool listen_addresses_overlap(std::string_view a, std::string_view b) {
  struct Parsed {
    bool v6 = false;
    bool any = false;
    std::array<unsigned char, 16> bytes{};
  };
  const auto parse = [](std::string_view text) {
    Parsed out;
    out.v6 = text.find(':') != std::string_view::npos;
    ::inet_pton(out.v6 ? AF_INET6 : AF_INET, std::string{text}.c_str(), out.bytes.data());
    out.any = std::ranges::all_of(out.bytes, [](unsigned char byte) { return byte == 0; });
    return out;
  };
  const Parsed x = parse(a);
  const Parsed y = parse(b);
  if (x.v6 == y.v6) return x.any || y.any || x.bytes == y.bytes;
  // A listener on every IPv6 address usually takes IPv4 connections too.
  return x.v6 ? x.any : y.any;
}

std::string join_host_port(std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string out = v6 ? "[" : "";
  out.append(host).append(v6 ? "]:" : ":").append(std::to_string(port));
  return out;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + host + "]" : host;
  if (port != (secure ? "443" : "80")) out += ":" + port;
  return out;
}

std::string Url::authorization() const {
  if (userinfo.empty()) return {};
  // Basic authentication has both, always.
  const bool both = userinfo.find(':') != std::string::npos;
  return "Basic " + base64(both ? userinfo : userinfo + ":");
}

Result<Url> Url::parse(std::string_view text) {
  const auto bad = [](std::string_view why) {
    return Unexpected{Error{ErrorCode::kConnectFailed, "not an address: " + std::string{why}}};
  };
  if (text.size() > kMaxUrl) return bad("at most " + std::to_string(kMaxUrl) + " bytes");
  Url out;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return bad("it must begin with a scheme, as https://");
  out.scheme = text.substr(0, colon);
  std::ranges::transform(out.scheme, out.scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  out.secure = out.scheme == "wss" || out.scheme == "https";
  if (!out.secure && out.scheme != "ws" && out.scheme != "http") {
    return bad("the scheme must be ws, wss, http or https");
  }
  const std::string_view rest = text.substr(colon + 3);
  const auto path = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path);
  const auto fragment = std::min(rest.find('#'), rest.size());
  out.target = rest.substr(path, fragment - path);
  if (out.target.empty() || out.target.front() != '/') out.target.insert(0, "/");
  if (!is_target(out.target)) {
    return bad("what is not a letter, a digit or a mark must be written as %XX");
  }

  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = authority.substr(0, at);
    if (user.find_first_of("@/?") != std::string_view::npos || !is_target(user)) {
      return bad("what is not a letter, a digit or a mark must be written as %XX");
    }
    out.userinfo = percent_decoded(user);
    authority.remove_prefix(at + 1);
  }
  if (authority.empty()) return bad("a host must follow the scheme");
  // "http://host:/" is what RFC 3986 calls an empty port: the scheme's own.
  if (authority.size() > 1 && authority.back() == ':') authority.remove_suffix(1);
  Result<HostPort, std::string> host = parse_host_port(authority);
  if (!host) return bad(host.error());
  out.host = std::move(host->host);
  out.port = host->port ? std::to_string(*host->port) : std::string{out.secure ? "443" : "80"};
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = i + 2 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? hex_value(text[i + 2]) : std::nullopt;
    if (text[i] != '%' || !high || !low) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

}  // namespace spreadwatch
