// Upbit spot, public data of WebSocket v1 and REST v1. The payloads are read in upbit_family.cpp.
//
// Docs: https://docs.upbit.com/kr/reference/websocket-guide (read 2026-10).
// Limits: 5 connects a second for an address; 5 messages a second and 100 a minute on a connection;
// REST 10 calls a second in each group. No cap on codes or connections is documented; 855 codes in
// one message work.
// Traps: a request with an Origin header is throttled to one in 10 s. A second subscribe message
// replaces the first. An unknown or lower-case code is answered with silence. An idle socket is
// closed after about 60 s, although the documentation says 120. The frames are binary. `.N` on a
// code asks for a depth; the reply's code comes without it. Thin books are padded with zeros; large
// prices are written 1.16539E8.

#include "ingest/decode/venues/registry.h"
#include "ingest/decode/venues/upbit_family.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::minutes;

const VenueProfile& upbit_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kUpbit;
    p.ws_url = "wss://api.upbit.com/websocket/v1";
    p.rest_url = "https://api.upbit.com";
    p.docs_url = "https://docs.upbit.com/kr/reference/websocket-guide";
    p.protocol = "WebSocket v1, REST v1 (2026-10)";
    p.integrity = "every message is a whole book; no sequence number and no checksum";
    p.ping = VenueProfile::Ping::kProtocol;
    p.ping_every =
        milliseconds{10'000};  // quiet markets send nothing: the pong is the sign of life
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{30'000};
    p.connects = {5, seconds{1}};
    p.messages = {{5, seconds{1}}, {100, minutes{1}}};
    p.rest = {10, seconds{1}};
    p.max_subscriptions = 1000;  // no documented cap
    p.subscribe_replaces = true;
    p.depths = {1, 5, 15, 30};
    p.default_depth = 30;
    p.match = VenueProfile::Match::kTime;  // of the last change, in both
    p.books_per_call = 30;                 // every market in one call works; keeps it short
    p.tickers_per_call = 100;              // not limited by the venue; keeps the address short
    return p;
  }();
  return profile;
}

constexpr UpbitDialect kUpbit = {
    .profile = upbit_profile,
    .markets_path = "/v1/market/all?is_details=true",
    .book_call_counts = true,
    .ungrouped_level = 0,
};

}  // namespace

std::unique_ptr<VenueAdapter> make_upbit() { return make_upbit_like(kUpbit); }

}  // namespace spreadwatch::ingest
