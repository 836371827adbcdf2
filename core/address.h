#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/result.h"

namespace spreadwatch {

// The one place that takes addresses apart. A host is a name (letters, digits, '-', '_', '.'), an
// IPv4 address or an IPv6 address; where a port may follow, an IPv6 address stands in brackets.
// What looks like an IPv4 address and is none, as 256.1.1.1, is no host. Errors are sentences that
// say what would be right and never repeat the address, which may hold a password.

/// A host and, when one was given, a port.
struct HostPort {
  std::string host;                   ///< without the brackets of an IPv6 address
  std::optional<std::uint16_t> port;  ///< from 1

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
Result<HostPort, std::string> parse_host_port(std::string_view text);

/// Reads a list of these with commas, as Kafka clients take it; spaces around them do not count.
Result<std::vector<HostPort>, std::string> parse_host_ports(std::string_view text);

/// The address to listen on that `text` names: an IPv4 or IPv6 address or `localhost`, without
/// brackets (`localhost` is 127.0.0.1); nullopt when it is none.
std::optional<std::string> parse_listen_address(std::string_view text);

/// Whether a listener on the one keeps a listener on the other from the same port. Both as from
/// parse_listen_address().
bool listen_addresses_overlap(std::string_view a, std::string_view b);

/// `host`, in brackets when it is an IPv6 address, and `:port`.
std::string join_host_port(std::string_view host, std::uint16_t port);

/// The parts of a ws://, wss://, http:// or https:// address.
struct Url {
  bool secure = false;
  std::string host;    ///< without the brackets of an IPv6 address
  std::string port;    ///< the scheme's own when none was given
  std::string target;  ///< path and query, at least "/"; no fragment
  std::string scheme;  ///< in lower case
  std::string
      userinfo;  ///< what stands before an '@', decoded: `user:password`; empty when nothing

  /// `host`, with the port when it is not the scheme's own: what a Host header holds. Without user
  /// information.
  std::string authority() const;
  /// `Basic …` for an Authorization header; empty without user information.
  std::string authorization() const;

  /// Errors: kConnectFailed, naming what is wrong.
  static Result<Url> parse(std::string_view text);
};

/// `text` with %XX turned into bytes; a '%' that begins no such thing stays.
std::string percent_decoded(std::string_view text);

}  // namespace spreadwatch
