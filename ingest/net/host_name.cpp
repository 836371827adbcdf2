#include "ingest/net/host_name.h"

#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

namespace spreadwatch::ingest {

bool names_host(x509_st* certificate, const std::string& host) {
  if (certificate == nullptr || host.empty()) return false;
  boost::system::error_code ec;
  boost::asio::ip::make_address(host, ec);
  if (!ec) return X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
  // Left alone, OpenSSL looks at the common name beside alternative names that are no DNS names.
  const bool has_names = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
  const unsigned flags = has_names ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0;
  return X509_check_host(certificate, host.c_str(), host.size(), flags, nullptr) == 1;
}

}  // namespace spreadwatch::ingest
