#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spreadwatch {

/// What can be wrong with something that came from outside.
///
/// One closed list: the error record's `code`, the metric's `reason` label and the dead letter's
/// `code` are these names and no others.
enum class ErrorCode : std::uint8_t {
  kCaptureLine,       ///< a capture line that does not parse
  kMalformedJson,     ///< a payload that is not JSON
  kSchemaMismatch,    ///< JSON, but a field is missing or of another type
  kValueOutOfRange,   ///< a number that is negative, absurd or not representable
  kObsoleteProtocol,  ///< a payload of a protocol generation the venue has retired
  kOversizedFrame,    ///< longer than the frame limit
  kUnknownSymbol,     ///< a symbol that is not an instrument of the venue
  kVenueError,        ///< the venue itself reports an error
  kSequenceGap,       ///< messages are missing between two order book updates
  kChecksumMismatch,  ///< the maintained book differs from the venue's checksum
  kCrossedBook,       ///< best bid at or above best ask
  kOutOfOrder,        ///< an older message after a newer one
  kSnapshotMissing,   ///< a delta for a book that has no snapshot
  kConnectFailed,     ///< name resolution, TCP connect or websocket upgrade failed
  kTlsFailed,         ///< TLS handshake or certificate check failed
  kTimeout,           ///< no answer within the deadline
  kClosedByPeer,      ///< the peer closed or reset the connection
  kRateLimited,       ///< the venue answered that a limit is reached
  kBanned,            ///< the venue refuses this address for a time
  kHttpStatus,        ///< an HTTP status outside 2xx
};

inline constexpr std::array<std::string_view, 20> kErrorCodeNames = {
    "capture_line",      "malformed_json",    "schema_mismatch", "value_out_of_range",
    "obsolete_protocol", "oversized_frame",   "unknown_symbol",  "venue_error",
    "sequence_gap",      "checksum_mismatch", "crossed_book",    "out_of_order",
    "snapshot_missing",  "connect_failed",    "tls_failed",      "timeout",
    "closed_by_peer",    "rate_limited",      "banned",          "http_status"};

/// The code's name on every outside surface, e.g. `sequence_gap`.
constexpr std::string_view to_string(ErrorCode code) {
  return kErrorCodeNames[static_cast<std::size_t>(code)];
}

/// A failure as a value: a code from the closed list and a sentence for a person.
struct Error {
  ErrorCode code{};
  std::string detail;

  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace spreadwatch
