// `record` from outside, and that a recording says what the live feeds said.
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "config/loader.h"
#include "ingest/capture/capture_reader.h"
#include "ingest/capture/capture_writer.h"
#include "ingest/capture/recorder.h"
#include "ingest/live/live_feeds.h"
#include "process.h"
#include "publish/encode.h"
#include "sim/simulator.h"

namespace spreadwatch::test {
namespace {

using Json = nlohmann::json;

/// Simulated exchanges, all nine unless named, on a thread of this process.
class SimulatedVenues {
 public:
  explicit SimulatedVenues(std::uint64_t seed, std::vector<std::string> venues = {},
                           std::uint16_t base_port = 0)
      : simulator_({.assets = {"BTC", "ETH"},
                    .seed = seed,
                    .base_port = base_port,
                    .control_port = 0,
                    .tls = false,
                    .tls_certificate_file = {},
                    .tls_key_file = {},
                    .venues = std::move(venues)}) {
    simulator_.start();
    ready_ = Json::parse(simulator_.ready_line());
    thread_ = std::jthread([this] { simulator_.run(); });
  }
  SimulatedVenues(const SimulatedVenues&) = delete;
  SimulatedVenues& operator=(const SimulatedVenues&) = delete;
  ~SimulatedVenues() { simulator_.stop(); }

  const Json& ready() const { return ready_; }
  std::string config() const {
    std::ostringstream out;
    out << "assets: [BTC, ETH]\nvenues:\n";
    for (const auto& [venue, urls] : ready_["venues"].items()) {
      out << "  " << venue << ": { ws_url: " << urls["ws_url"] << ", rest_url: " << urls["rest_url"]
          << " }\n";
    }
    out << "fx:\n  bank:\n";
    for (const Json& bank : ready_["bank"]) {
      out << "    - { name: " << bank["name"] << ", url: " << bank["url"]
          << ", pointer: " << bank["pointer"] << ", poll_s: 1 }\n";
    }
    out << "metrics: { port: 0 }\n";
    return out.str();
  }

 private:
  sim::Simulator simulator_;
  Json ready_;
  std::jthread thread_;
};

std::vector<std::string> captures_in(const std::filesystem::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    out.push_back(entry.path().string());
  }
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> text_lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

constexpr int kDeep = 1000;

/// Records, and keeps the records that `decode` should print, by venue.
class Live final : public ingest::LiveSink {
 public:
  explicit Live(ingest::CaptureWriter& writer) : recorder_(writer) {}

  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    recorder_.on_raw(venue, frame, sent);
  }
  void on_note(const ingest::FeedNote& note) override { recorder_.on_note(note); }
  void on_event(MarketEvent event) override {
    std::string text;
    const std::lock_guard lock(mutex_);
    if (const auto* ticker = std::get_if<Ticker>(&event)) {
      publish::append_record(text, *ticker);
      records_[std::string{to_string(ticker->venue)}].push_back(text);
    } else if (const auto* book = std::get_if<OrderBook>(&event)) {
      if (!book->synced()) {
        ++unsynced_;
      } else {
        publish::append_record(text, *book, kDeep);
        records_[std::string{to_string(book->venue)}].push_back(text);
      }
    }
    recorder_.on_event(std::move(event));
  }

  std::map<std::string, std::vector<std::string>> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  std::size_t unsynced() const {
    const std::lock_guard lock(mutex_);
    return unsynced_;
  }

 private:
  ingest::Recorder recorder_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> records_;  // guarded by mutex_
  std::size_t unsynced_ = 0;                                 // guarded by mutex_
};

/// Live feeds that are recorded.
class Recording {
 public:
  Recording(const std::string& config, std::chrono::milliseconds max_file_age)
      : loaded_(config::load_text(config, "c.yaml")),
        ingest_metrics_(registry_, ids()),
        writer_(options(max_file_age), clock_, capture_metrics_),
        live_(writer_),
        feeds_(loaded_.settings, loaded_.registry,
               ingest::wanted_instruments(loaded_.settings, loaded_.registry), clock_, live_,
               ingest_metrics_) {
    REQUIRE(loaded_.ok());
    writer_.start();
    feeds_.start();
  }
  const Live& live() const { return live_; }

  /// Ends it and holds decode's output against what the feeds gave.
  void check_decoded(std::size_t min_files) {
    feeds_.stop();
    writer_.stop();
    CHECK(writer_.counts().dropped == 0);
    std::vector<std::string> command{program(), "decode", "--depth", std::to_string(kDeep)};
    const std::vector<std::string> files = captures_in(folder_.path() / "out");
    CHECK(files.size() >= min_files);
    command.insert(command.end(), files.begin(), files.end());
    const Finished decoded = run(command);
    CHECK(decoded.code == 0);
    std::map<std::string, std::vector<std::string>> printed;
    for (const std::string& line : text_lines(decoded.out)) {
      const Json record = Json::parse(line);
      CHECK_MESSAGE(record["type"] != "error", line);
      printed[record["exchange"].get<std::string>()].push_back(line);
    }
    const auto expected = live_.records();
    CHECK(printed.size() == expected.size());
    for (const auto& [venue, records] : expected) {
      CAPTURE(venue);
      CHECK(printed[venue] == records);
    }
  }

 private:
  std::vector<VenueId> ids() const {
    std::vector<VenueId> out;
    for (const auto& venue : loaded_.settings.venues) out.push_back(venue.id);
    return out;
  }
  ingest::CaptureWriter::Options options(std::chrono::milliseconds max_file_age) const {
    ingest::CaptureWriter::Options out;
    out.folder = folder_.path() / "out";
    out.max_file_age = max_file_age;
    return out;
  }

  TemporaryFolder folder_;
  const config::Loaded loaded_;
  const SystemClock clock_;
  metrics::Registry registry_;
  metrics::IngestMetrics ingest_metrics_;
  metrics::CaptureMetrics capture_metrics_{registry_};
  ingest::CaptureWriter writer_;
  Live live_;
  ingest::LiveFeeds feeds_;
};

TEST_CASE("decode of a recording prints, venue by venue, the very records the live feeds gave") {
  const SimulatedVenues venues(5);
  Recording recording(venues.config(), std::chrono::milliseconds{1500});  // more than one file
  CHECK(eventually(std::chrono::seconds{30}, [&] {
    const auto records = recording.live().records();
    return records.size() == kVenueCount &&
           std::ranges::all_of(records, [](const auto& r) { return r.second.size() >= 40; });
  }));
  recording.check_decoded(2);
}

TEST_CASE("so it does when a venue went away and came back with other numbers") {
  for (const VenueId venue :
       {VenueId::kUpbit, VenueId::kOkx, VenueId::kBinance, VenueId::kKraken}) {
    const std::string name{to_string(venue)};
    CAPTURE(name);
    auto first = std::make_unique<SimulatedVenues>(9, std::vector{name});
    const std::string url = first->ready()["venues"][name]["rest_url"];
    const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    Recording recording(first->config(), std::chrono::hours{1});
    const auto has = [&](std::size_t count) {
      const auto records = recording.live().records();
      const auto found = records.find(name);
      return found != records.end() && found->second.size() >= count;
    };
    REQUIRE(eventually(std::chrono::seconds{20}, [&] { return has(20); }));
    first.reset();
    REQUIRE(eventually(std::chrono::seconds{20}, [&] { return recording.live().unsynced() > 0; }));
    const std::size_t before = recording.live().records()[name].size();
    // The venue's own place among the nine, so that it has the same port again.
    const SimulatedVenues second(10, {name}, static_cast<std::uint16_t>(port - index_of(venue)));
    REQUIRE(eventually(std::chrono::seconds{20}, [&] { return has(before + 20); }));
    recording.check_decoded(1);
  }
}

/// The true book of a venue's BTC market.
Json true_book(const Json& ready, const std::string& venue) {
  const std::string_view quote = identity(*venue_from_name(venue)).default_quote;
  const HttpAnswer answer = http_get(ready["control_url"].get<std::string>() + "/v1/books/" +
                                     venue + "/BTC-" + std::string{quote});
  return answer.status == 200 ? Json::parse(answer.body) : Json();
}

bool same_levels(const Json& ours, const Json& truth) {
  for (const char* side : {"bids", "asks"}) {
    const std::size_t levels = std::min(ours[side].size(), truth[side].size());
    if (levels == 0) return false;
    for (std::size_t i = 0; i < levels; ++i) {
      if (ours[side][i] != truth[side][i]) return false;
    }
  }
  return true;
}

TEST_CASE("record keeps every venue's true books until SIGTERM, and replays without an error") {
  const SimulatedVenues venues(6);
  const TemporaryFolder folder;
  const auto config = folder.write("record.yaml", venues.config());
  const std::filesystem::path out = folder.path() / "deep" / "out";
  std::map<std::string, std::vector<Json>> truths;
  {
    Process recorder({program(), "record", "--config", config, "--out", out});
    // The tail has to be there too: SIGTERM comes at no particular moment of the flushing.
    REQUIRE(recorder.wait_for(
        [](const Process& p) {
          return p.err().find("kraken connection 0 is up") != std::string::npos;
        },
        std::chrono::seconds{20}));
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{3300};
    while (std::chrono::steady_clock::now() < end) {
      for (const auto& [venue, urls] : venues.ready()["venues"].items()) {
        truths[venue].push_back(true_book(venues.ready(), venue));
      }
    }
    recorder.signal(SIGTERM);
    CHECK(recorder.wait(std::chrono::seconds{10}) == 0);
    CHECK(recorder.err().find(" 0 dropped, 0 write errors") != std::string::npos);
  }
  std::vector<std::string> files = captures_in(out);
  // Each venue's part says where it begins, ahead of everything else of that venue.
  std::map<std::string, std::vector<std::string>> events;
  for (const std::string& file : files) {
    auto reader = ingest::CaptureReader::open(file);
    REQUIRE(reader.has_value());
    for (ingest::CaptureLine line; (*reader)->next(line);) {
      if (venue_from_name(line.exchange)) events[line.exchange].push_back(line.event);
    }
  }
  CHECK(events.size() == kVenueCount);
  for (const auto& [venue, told] : events) {
    CAPTURE(venue);
    CHECK(told.front() == "start");
    CHECK(std::ranges::count(told, "start") == 1);
    CHECK(std::ranges::count(told, "added") >= 2);  // BTC and ETH
  }
  std::vector<std::string> decode{program(), "decode", "--depth", "1000"};
  decode.insert(decode.end(), files.begin(), files.end());
  const Finished decoded = run(decode);
  CHECK(decoded.code == 0);
  // By what names a state of the book: the venue's sequence and its time.
  std::map<std::string, std::map<std::string, std::vector<Json>>> books;
  for (const std::string& line : text_lines(decoded.out)) {
    const Json record = Json::parse(line);
    CHECK_MESSAGE(record["type"] != "error", line);
    if (record["type"] != "orderbook" || record["base"] != "BTC") continue;
    auto& states = books[record["exchange"].get<std::string>()];
    states["at " + record["exchange_ts_ms"].dump()].push_back(record);
    if (!record["sequence"].is_null()) states[record["sequence"].dump()].push_back(record);
  }
  for (const auto& [venue, polled] : truths) {
    CAPTURE(venue);
    std::size_t compared = 0;
    for (const Json& truth : polled) {
      if (truth.is_null()) continue;
      const auto found = books[venue].find(
          truth["sequence"].is_null() ? "at " + truth["ts_ms"].dump() : truth["sequence"].dump());
      if (found == books[venue].end()) continue;  // before it was subscribed
      ++compared;
      CHECK(std::ranges::any_of(found->second,
                                [&](const Json& ours) { return same_levels(ours, truth); }));
    }
    CHECK(compared * 2 > polled.size());
  }

  std::vector<std::string> replay{program(), "replay", "--config", config};
  replay.insert(replay.end(), files.begin(), files.end());
  const Finished replayed = run(replay);
  CHECK(replayed.code == 0);
  bool bank = false;
  for (const std::string& line : text_lines(replayed.out)) {
    if (line.find("USD/KRW") != std::string::npos)
      bank = bank || line.find("\"ok\"") != std::string::npos;
    CHECK_FALSE(line.starts_with(R"({"type":"error")"));
  }
  CHECK(bank);
  // The wallets' answers are there as well: a transfer between two venues that give theirs is
  // judged.
  bool wallets = false;
  for (const std::string& line : text_lines(replayed.out)) {
    wallets = wallets || (line.find(R"("buy":"korbit","sell":"bithumb","mode":"transfer")") !=
                              std::string::npos &&
                          line.find("wallet_unknown") == std::string::npos);
  }
  CHECK(wallets);

  // Nothing was done that a real exchange would punish.
  CHECK(http_get(venues.ready()["control_url"].get<std::string>() + "/v1/violations").body == "[]");
}

TEST_CASE("after a lost connection nothing is believed until the next snapshot") {
  const auto capture = [](const std::string& between) {
    const auto line = [](const Json& raw, const std::string& recv, const std::string& more) {
      return R"({"exchange":"okx","kind":"ws",)" + more + R"("recv_ts":)" + recv + R"(,"raw":)" +
             Json(raw.is_null() ? "" : raw.dump()).dump() + "}\n";
    };
    const auto book = [](const char* action, int sequence, int previous, const char* price) {
      return Json{{"arg", {{"channel", "books"}, {"instId", "BTC-USDT"}}},
                  {"action", action},
                  {"data",
                   {{{"asks", {{"101", "1", "0", "1"}}},
                     {"bids", {{price, "1", "0", "1"}}},
                     {"ts", "1700000000000"},
                     {"checksum", 0},
                     {"seqId", sequence},
                     {"prevSeqId", previous}}}}};
    };
    return line(book("snapshot", 10, -1, "99"), "1700000000", "") +
           (between.empty() ? "" : line(Json(), "1700000001", between)) +
           line(book("update", 11, 10, "98"), "1700000002", "");
  };
  const TemporaryFolder folder;
  const auto codes = [&](const std::string& between) {
    std::string out;
    for (const std::string& text :
         text_lines(run({program(), "decode", folder.write("c.jsonl", capture(between))}).out)) {
      const Json record = Json::parse(text);
      out += record["type"] == "error" ? record["code"].get<std::string>() : "book";
      out += ' ';
    }
    return out;
  };
  CHECK(codes("") == "book book ");
  CHECK(codes(R"("channel":"request","dir":"tx","event":"down",)") == "book snapshot_missing ");
  // Another connection's end is none of its business.
  CHECK(codes(R"("channel":"request","dir":"tx","event":"down","connection":1,)") == "book book ");
}

TEST_CASE("record exits with 3 when its folder cannot be written") {
  const TemporaryFolder folder;
  const auto config =
      folder.write("c.yaml",
                   "assets: [BTC]\nvenues: {upbit: {ws_url: \"ws://127.0.0.1:1\", rest_url: "
                   "\"http://127.0.0.1:1\"}}\nmetrics: {port: 0}\n");
  const Finished finished =
      run({program(), "record", "--config", config, "--out", config / "below"});
  CHECK(finished.code == 3);
  CHECK(finished.err.find("below") != std::string::npos);
  CHECK(run({program(), "record", "--config", config}).code == 2);
  CHECK(run({program(), "record", "--config", folder.write("bad.yaml", "x: 1\n"), "--out",
             folder.path()})
            .code == 1);
}

}  // namespace
}  // namespace spreadwatch::test
