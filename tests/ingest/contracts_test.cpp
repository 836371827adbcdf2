// The table of ingest/contracts.md is the one in code, for every venue there is.
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using Ping = VenueProfile::Ping;

std::string duration(milliseconds d) {
  const auto ms = d.count();
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + " h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + " min";
  if (ms % 1000 == 0) return std::to_string(ms / 1000) + " s";
  return std::to_string(ms) + " ms";
}

std::string limit(const RateLimit& l) { return std::to_string(l.count) + " in " + duration(l.per); }

std::string or_dash(milliseconds d) { return d.count() > 0 ? duration(d) : "-"; }

std::string row(const VenueProfile& p) {
  std::string messages;
  for (const RateLimit& l : p.messages) messages += (messages.empty() ? "" : ", ") + limit(l);
  std::string keepalive = "it pings";
  if (p.ping == Ping::kProtocol) keepalive = "protocol ping every " + duration(p.ping_every);
  if (p.ping == Ping::kText) keepalive = "text ping every " + duration(p.ping_every);
  std::ostringstream out;
  out << "| " << to_string(p.id) << " | " << p.protocol << " | " << p.integrity << " | "
      << (p.book_needs_rest ? "REST" : "socket") << " | " << keepalive << ", pong within "
      << duration(p.pong_within) << ", dead after " << duration(p.silence) << " | "
      << limit(p.connects) << " | " << (messages.empty() ? "-" : messages) << " | " << limit(p.rest)
      << " | " << p.max_subscriptions << " | " << or_dash(p.max_age) << " | " << or_dash(p.block)
      << " | [docs](" << p.docs_url << ") |\n";
  return out.str();
}

TEST_CASE("the page of contracts is the table in code") {
  std::string table =
      "| venue | protocol, read | how a lost or wrong message is noticed | first book | keepalive "
      "| "
      "connects | messages a connection | REST weight | subscriptions a connection | closed at | "
      "block | source |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const VenueIdentity& venue : kVenues) table += row(make_adapter(venue.id)->profile());
  std::ifstream file(std::string{SPREADWATCH_SOURCE_DIR} + "/ingest/contracts.md");
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  CHECK_MESSAGE(page.ends_with(table), "the page should end with\n", table);
}

}  // namespace
}  // namespace spreadwatch::ingest::test
