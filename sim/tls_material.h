#pragma once

#include <string>

namespace spreadwatch::sim {

/// Certificate and key, PEM. Both empty = no TLS.
struct TlsMaterial {
  std::string certificate_pem;
  std::string key_pem;
};

/// A key of its own and a certificate for localhost, 127.0.0.1 and ::1, signed by itself, valid for
/// a year. Throws std::runtime_error when OpenSSL fails.
TlsMaterial self_signed();

}  // namespace spreadwatch::sim
