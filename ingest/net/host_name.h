#pragma once

#include <string>

// As OpenSSL names it; its own headers are large.
struct x509_st;

namespace spreadwatch::ingest {

/// Whether a server's certificate was made out to `host`, a name or an IP address without brackets:
/// one of its subject alternative names has to match. Only a certificate without any such names is
/// believed by its common name (RFC 9525 obsoletes that; certificates of private authorities still
/// live by it), and never for an address. Says nothing of who signed it. Threads: any.
bool names_host(x509_st* certificate, const std::string& host);

}  // namespace spreadwatch::ingest
