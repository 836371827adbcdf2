// The seeds say what they are meant to say, and what the mutations make of them is taken apart
// without harm. The fuzz targets do the rest, elsewhere and for longer.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_venue.h"
#include "tests/fuzz/json_tree.h"
#include "tests/fuzz/mutator.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/session.h"
#include "tests/ingest/helpers.h"

namespace spreadwatch::fuzz {
namespace {

using ingest::ControlMessage;
using ingest::Normalizer;
using ingest::test::Memory;

const std::vector<Seed>& seeds_of(VenueId venue) {
  static std::array<std::vector<Seed>, kVenueCount> all;
  std::vector<Seed>& seeds = all[index_of(venue)];
  if (seeds.empty()) seeds = venue_seeds(venue);
  return seeds;
}

void play_all(VenueId venue, std::string_view session, Memory& memory) {
  Normalizer normalizer{venue};
  const std::vector<Step> steps = steps_of(session);
  for (std::size_t i = 0; i < steps.size(); ++i) play(steps[i], i, normalizer, memory);
}

Memory play_seed(VenueId venue, std::string_view name) {
  Memory memory;
  for (const Seed& seed : seeds_of(venue)) {
    if (seed.name == name) play_all(venue, seed.content, memory);
  }
  return memory;
}

/// Instead of libFuzzer's: turns one bit.
std::size_t turn_a_bit(std::uint8_t* data, std::size_t size, std::size_t) {
  if (size > 0) data[size / 2] ^= 4;
  return size;
}

bool has(const Memory& memory, ControlMessage::Kind kind) {
  return std::ranges::any_of(memory.controls, [&](const auto& c) { return c.kind == kind; });
}

TEST_CASE("seeds: every venue's subscriptions give tickers and synced books at every depth") {
  for (const VenueIdentity& venue : kVenues) {
    const std::string name{venue.name};
    CAPTURE(name);
    for (const int depth : ingest::make_adapter(venue.id)->profile().depths) {
      CAPTURE(depth);
      const Memory memory = play_seed(venue.id, "depth-" + std::to_string(depth));
      CHECK(memory.errors.empty());
      CHECK_FALSE(memory.tickers.empty());
      REQUIRE_FALSE(memory.books.empty());
      CHECK(std::ranges::all_of(memory.books, &OrderBook::synced));
      CHECK_FALSE(memory.books.back().bids.empty());
    }
    const Memory two = play_seed(venue.id, "two");
    CHECK(two.errors.empty());
    CHECK(two.markets.size() >= 2);
    std::set<std::string> bases;
    for (const OrderBook& book : two.books) bases.insert(book.instrument.base);
    CHECK(bases == std::set<std::string>{"BTC", "XRP"});
  }
}

TEST_CASE("seeds: every venue's REST answers give markets, tickers, books and refusals") {
  for (const VenueIdentity& venue : kVenues) {
    const std::string name{venue.name};
    CAPTURE(name);
    const Memory memory = play_seed(venue.id, "rest");
    CHECK(memory.markets.size() >= 2);
    CHECK_FALSE(memory.tickers.empty());
    CHECK(memory.errors.size() >= 3);
    CHECK(std::ranges::any_of(memory.streams,
                              [](const std::string& s) { return s.starts_with("rest:"); }));
  }
}

TEST_CASE("seeds: every venue's faults and losses are followed by a synced book") {
  for (const VenueIdentity& venue : kVenues) {
    const std::string name{venue.name};
    CAPTURE(name);
    for (const Seed& seed : seeds_of(venue.id)) {
      if (seed.name != "gap" && seed.name != "reconnect" && seed.name != "malformed") continue;
      CAPTURE(seed.name);
      Memory memory;
      play_all(venue.id, seed.content, memory);
      REQUIRE_FALSE(memory.books.empty());
      CHECK(memory.books.back().synced());
      if (seed.name == "reconnect") {
        CHECK(std::ranges::any_of(memory.books, [](const auto& b) { return !b.synced(); }));
      }
      if (seed.name == "malformed") CHECK_FALSE(memory.errors.empty());
    }
    const Memory refusals = play_seed(venue.id, "refusals");
    CHECK_FALSE((refusals.errors.empty() && refusals.controls.empty()));
  }
}

TEST_CASE("seeds: pongs and heartbeats are there where a venue has them") {
  for (const VenueIdentity& venue : kVenues) {
    const auto adapter = ingest::make_adapter(venue.id);
    if (adapter->profile().ping != VenueProfile::Ping::kText) continue;
    const std::string name{venue.name};
    CAPTURE(name);
    const Memory memory = play_seed(venue.id, "refusals");
    CHECK((has(memory, ControlMessage::Kind::kPong) ||
           has(memory, ControlMessage::Kind::kHeartbeat)));
  }
}

TEST_CASE("seeds: every target has some") {
  std::set<std::string> targets;
  std::set<std::string> files;
  for (const Seed& seed : all_seeds()) {
    targets.insert(seed.target);
    CHECK_FALSE(seed.content.empty());
    CHECK(files.insert(seed.target + "/" + seed.name).second);
  }
  for (const VenueIdentity& venue : kVenues) {
    CHECK(targets.contains("fuzz_" + std::string{venue.name}));
  }
  for (const char* const target : {"fuzz_wallets", "fuzz_capture", "fuzz_bank_rate", "fuzz_config",
                                   "fuzz_http", "fuzz_budgets", "fuzz_address"}) {
    CHECK(targets.contains(target));
  }
}

TEST_CASE("every venue: what mutation makes of the seeds breaks no promise") {
  for (const VenueIdentity& venue : kVenues) {
    const std::string name{venue.name};
    CAPTURE(name);
    const std::vector<Seed>& seeds = seeds_of(venue.id);
    for (std::uint32_t i = 0; i < 300; ++i) {
      const Seed& seed = seeds[i % seeds.size()];
      std::string session = mutate(seed.content, 32'768, i, &turn_a_bit);
      if (i % 3 == 0) session = mutate(session, 32'768, i + 1, &turn_a_bit);
      if (i % 5 == 0) session = cross_over(session, seeds[i % 7].content, 32'768, i);
      check_session(venue.id, session, true);
    }
  }
}

TEST_CASE("mutator: most of what it makes is JSON again") {
  int payloads = 0;
  int good = 0;
  for (const Seed& seed : seeds_of(VenueId::kOkx)) {
    for (std::uint32_t i = 0; i < 30; ++i) {
      const std::string session = mutate(seed.content, 32'768, i, &turn_a_bit);
      for (const Step& step : steps_of(session)) {
        if (step.kind != Step::Kind::kFrame) continue;
        ++payloads;
        good += nlohmann::json::accept(step.payload) ? 1 : 0;
      }
    }
  }
  CHECK(good > payloads / 2);
  CHECK(good < payloads);
}

TEST_CASE("mutator: the same seed makes the same, within the size") {
  const std::string& session = seeds_of(VenueId::kKraken).front().content;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::string made = mutate(session, 5'000, i, &turn_a_bit);
    CHECK(made == mutate(session, 5'000, i, &turn_a_bit));
    CHECK(made.size() <= 5'000);
    CHECK(cross_over(session, made, 5'000, i).size() <= 5'000);
  }
}

/// The session without its line `dropped`; empty when it has no such line.
std::string without_line(const std::string& session, std::size_t dropped) {
  std::string out;
  std::size_t number = 0;
  for (std::size_t at = 0; at < session.size(); ++number) {
    const std::size_t end = session.find('\n', at);
    if (number != dropped) out += session.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return dropped < number ? out : std::string{};
}

TEST_CASE("mutator: relinked messages are taken although one is missing") {
  const std::array<std::pair<VenueId, const char*>, 4> chained = {
      {{VenueId::kOkx, "depth-400"},
       {VenueId::kBybit, "depth-50"},
       {VenueId::kGateio, "depth-50"},
       {VenueId::kKraken, "depth-100"}}};
  for (const auto& [venue, name] : chained) {
    CAPTURE(std::string{to_string(venue)});
    const auto seed = std::ranges::find(seeds_of(venue), name, &Seed::name);
    REQUIRE(seed != seeds_of(venue).end());
    int lost = 0;
    int mended = 0;
    for (std::size_t i = 0;; ++i) {
      const std::string session = without_line(seed->content, i);
      if (session.empty()) break;
      Memory as_it_is;
      play_all(venue, session, as_it_is);
      if (std::ranges::all_of(as_it_is.books, &OrderBook::synced)) continue;
      ++lost;
      Memory relinked;
      play_all(venue, relink(session), relinked);
      mended += std::ranges::all_of(relinked.books, &OrderBook::synced) ? 1 : 0;
    }
    CHECK(lost > 0);
    CHECK(mended > 0);  // not all: without a removal the book may be crossed
  }
}

TEST_CASE("json tree: text survives the way there and back") {
  for (const char* const text :
       {R"({"a":1.10,"a":[1e400,-0,"x\"y",{}],"b":{"c":null}})", "[]", "7", R"("")"}) {
    const std::optional<JsonTree> tree = parse_tree(text);
    REQUIRE(tree.has_value());
    std::string out;
    write_tree(*tree, out);
    CHECK(out == text);
  }
  for (const char* const text : {"", "{", "[1", R"({"a"})", R"("x)", "[1]]", "{}x"}) {
    CHECK_FALSE(parse_tree(text).has_value());
  }
  CHECK_FALSE(parse_tree(std::string(100'000, '[')).has_value());
}

}  // namespace
}  // namespace spreadwatch::fuzz
