#include "tests/faults/expectations.h"

#include "ingest/decode/venue_adapter.h"

namespace spreadwatch::test {
namespace {

const BookProof& proof_of(VenueId venue) { return ingest::venue_profile(venue).proof; }
bool has_sequence(VenueId venue) { return !proof_of(venue).number.empty(); }
bool has_checksum(VenueId venue) {
  return !has_sequence(venue) && proof_of(venue).text != BookProof::Text::kNone;
}
bool sends_changes(VenueId venue) { return has_sequence(venue) || has_checksum(venue); }

Expected lost_message(VenueId venue) {
  if (has_sequence(venue)) return {Effect::kBook, {"faulted/sequence_gap"}, {"sequence_gap"}};
  if (has_checksum(venue))
    return {Effect::kBook, {"faulted/checksum_mismatch"}, {"checksum_mismatch"}};
  return {};  // the next message is the whole book
}

Expected unreadable_message(VenueId venue, const std::string& code) {
  Expected e = lost_message(venue);
  e.as.clear();
  e.errors = {code};
  // A frame that cannot be read does not say whose it is. Whole books heal with the next one.
  if (!sends_changes(venue)) e.effect = Effect::kEither;
  return e;
}

}  // namespace

std::vector<Row> rows() {
  const auto all = [](const Expected& e) { return [e](VenueId) { return e; }; };
  return {
      {"gap", {}, false, lost_message},
      {"bad_checksum",
       {},
       false,
       [](VenueId) {
         return Expected{Effect::kBook, {"faulted/checksum_mismatch"}, {"checksum_mismatch"}};
       }},
      {"duplicate", {}, false, all({})},
      {"reorder",
       {},
       false,
       [](VenueId venue) {
         Expected e = lost_message(venue);
         // The checksum of the second is right again when the two did not touch the same levels.
         if (has_checksum(venue)) e.effect = Effect::kEither;
         return e;
       }},
      {"crossed", {}, false, all({Effect::kBook, {"faulted/crossed_book"}, {"crossed_book"}})},
      {"one_sided", {}, false, all({Effect::kNothing, {}, {}, {"one_sided"}})},
      {"malformed", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"truncated", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"binary", {}, false, [](VenueId v) { return unreadable_message(v, "malformed_json"); }},
      {"oversized",
       {},
       false,
       all({Effect::kConnection, {"down/oversized_frame"}, {"oversized_frame"}})},
      {"drip", {}, false, all({})},
      {"late",
       {{"duration_ms", 8000}, {"ms", 6000}},
       false,
       all({Effect::kEither, {}, {}, {"stale_leg"}, milliseconds{10'000}})},
      {"close", {}, false, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"reset",
       {},
       false,
       all({Effect::kConnection, {"down/closed_by_peer", "down/connect_failed"}})},
      {"stale_snapshot", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"http_429", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"http_418",
       {{"retry_after_s", 2}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {},
            {},
            milliseconds{1000},
            milliseconds{25'000}})},
      {"http_5xx", {}, true, all({Effect::kConnection, {"down/closed_by_peer"}})},
      {"ban",
       {{"duration_ms", 3000}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {},
            {},
            milliseconds{1000},
            milliseconds{30'000}})},
      {"maintenance",
       {{"notice_ms", 300}},
       false,
       [](VenueId venue) {
         Expected e{Effect::kConnection, {}, {}, {}, milliseconds{2000}};
         if (venue == VenueId::kKraken) e.effect = Effect::kEither;  // its connections stay
         return e;
       }},
      {"freeze_stream",
       {{"duration_ms", 9000}},
       false,
       all({Effect::kBook, {}, {}, {}, kQuiet + milliseconds{2000}, milliseconds{30'000}})},
      {"freeze_socket",
       {},
       false,
       all({Effect::kConnection,
            {"down/timeout"},
            {},
            {},
            kLiveness + milliseconds{2000},
            milliseconds{25'000}})},
      // The venue denies a market that it has: everything else of it comes back as after any close,
      // and the market when it is asked for again after the fault.
      {"unknown_symbol",
       {{"duration_ms", 6000}},
       true,
       all({Effect::kConnection,
            {"down/closed_by_peer"},
            {"unknown_symbol"},
            {},
            milliseconds{6000},
            milliseconds{30'000}})},
      // Streams that end are silent streams until the list says why, which is asked for again when
      // the venue denies the market to those who ask about the silence. Kraken tells.
      {"delist",
       {},
       false,
       [](VenueId venue) {
         Expected e{Effect::kBook, {"down/unknown_symbol"}, {"unknown_symbol"}};
         if (venue != VenueId::kKraken) e.noticed = kQuiet + milliseconds{14'000};
         return e;
       }},
      // A venue's clock that is wrong is no delay...
      {"clock_skew",
       {{"duration_ms", 3000}, {"ms", 10'000}},
       false,
       all({Effect::kNothing, {}, {}, {}}),
       "clock_skew, ahead"},
      // ...but one that is set back looks like one until the window of the estimate has passed.
      {"clock_skew",
       {{"duration_ms", 3000}, {"ms", -10'000}},
       false,
       all({Effect::kNothing, {}, {}, {"stale_leg"}}),
       "clock_skew, set back"},
  };
}

bool spoils_messages(const std::string& fault) {
  static const std::set<std::string> kThese{"gap",     "bad_checksum", "duplicate", "reorder",
                                            "crossed", "one_sided",    "malformed", "truncated",
                                            "binary",  "drip"};
  return kThese.contains(fault);
}

std::string metric_of(const std::string& state, const std::string& reason) {
  if (state == "down" && reason != "unknown_symbol") return "disconnections_total{" + reason + "}";
  if (reason == "sequence_gap") return "gaps_total";
  if (reason == "checksum_mismatch") return "checksum_mismatches_total";
  return "decode_errors_total{" + reason + "}";
}

}  // namespace spreadwatch::test
