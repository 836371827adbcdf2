// A recording holds what the live layer did to order books besides reading payloads: a replay and a
// decode of it give what the live sink was given.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "app/capture_events.h"
#include "app/capture_input.h"
#include "config/loader.h"
#include "ingest/capture/capture_writer.h"
#include "ingest/capture/recorder.h"
#include "ingest/live/live_feeds.h"
#include "process.h"
#include "publish/encode.h"
#include "tests/live/fake_venue.h"

namespace spreadwatch::test {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr int kAllLevels = 1000;
const Instrument kRecordedBtc{"BTC", "USDT"};
const Instrument kRecordedEth{"ETH", "USDT"};

/// Everything that can be compared of a book, in one line.
std::string described(const OrderBook& book) {
  std::ostringstream out;
  const auto us = [](const std::optional<Timestamp>& t) { return t ? to_us(*t) : -1; };
  out << to_string(book.venue) << ' ' << book.instrument.name() << ' ' << to_string(book.state)
      << ' ' << (book.reason ? to_string(*book.reason) : "-") << ' ' << to_string(book.origin)
      << " connection " << book.connection << " epoch " << book.epoch << " sequence "
      << book.sequence.value_or(-1) << " at " << us(book.exchange_time) << " received "
      << us(book.receive_time);
  for (const auto* side : {&book.bids, &book.asks}) {
    out << " |";
    for (const Level& level : *side) {
      out << ' ' << level.price.to_string() << 'x' << level.size.to_string();
    }
  }
  return out.str();
}
std::string described(const Ticker& ticker) {
  std::string out;
  publish::append_record(out, ticker);
  return out;
}

/// Order books and tickers in the order in which they were told.
struct Told {
  std::vector<std::string> lines;    ///< described()
  std::vector<std::string> records;  ///< what `decode` prints of them
  std::vector<OrderBook> books;

  void add(const OrderBook& book) {
    books.push_back(book);
    lines.push_back(described(book));
    if (!book.synced()) return;
    publish::append_record(records.emplace_back(), book, kAllLevels);
  }
  void add(const Ticker& ticker) {
    lines.push_back(described(ticker));
    records.push_back(described(ticker));
  }
};

/// Records, and keeps what it was told.
class LiveBooks final : public ingest::LiveSink {
 public:
  explicit LiveBooks(ingest::CaptureWriter& writer) : recorder_(writer) {}

  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    recorder_.on_raw(venue, frame, sent);
  }
  void on_note(const ingest::FeedNote& note) override { recorder_.on_note(note); }
  void on_event(MarketEvent event) override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto* const book = std::get_if<OrderBook>(&event)) told_.add(*book);
      if (const auto* const ticker = std::get_if<Ticker>(&event)) told_.add(*ticker);
    }
    recorder_.on_event(std::move(event));
  }
  Told told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  ingest::Recorder& recorder() { return recorder_; }

 private:
  ingest::Recorder recorder_;
  mutable std::mutex mutex_;
  Told told_;  // guarded by mutex_
};

/// What a replay of captures is told.
class ReplayedBooks final : public app::CaptureSink {
 public:
  void on_time(Timestamp) override {}
  void on_book(const OrderBook& book, Timestamp) override { told.add(book); }
  void on_market(const MarketEvent&, Timestamp) override {}
  void on_ticker(const Ticker& ticker) override { told.add(ticker); }
  void on_payload_error(std::string_view, const Error&, std::uint64_t) override {}
  void on_line_error(std::string_view, const Error& error, std::uint64_t) override {
    FAIL_CHECK(error.detail);
  }
  Told told;
};

auto shown(const Instrument& instrument, Origin origin) {
  return [instrument, origin](const OrderBook& b) {
    return b.synced() && b.instrument == instrument && b.origin == origin;
  };
}
auto became(const Instrument& instrument, FeedState state, bool polled = false) {
  return [instrument, state, polled](const OrderBook& b) {
    return b.state == state && b.instrument == instrument &&
           (b.connection == kPolledConnection) == polled;
  };
}

/// Live feeds of a fake Bybit, recorded.
class RecordedRun {
 public:
  explicit RecordedRun(const std::string& venue_settings)
      : config_("assets: [BTC, ETH]\nvenues:\n  bybit: { ws_url: \"" + venue.ws_url() +
                "\", rest_url: \"" + venue.rest_url() + "\", orderbook_depth: 50, " +
                venue_settings + " }\n"),
        loaded_(config::load_text(config_, "c.yaml")) {
    REQUIRE(loaded_.ok());
    start();
  }
  ~RecordedRun() { stop(); }
  RecordedRun(const RecordedRun&) = delete;
  RecordedRun& operator=(const RecordedRun&) = delete;

  void start() {
    ingest::CaptureWriter::Options options;
    options.folder = folder_.path() / "out";
    writer_ = std::make_unique<ingest::CaptureWriter>(options, clock_, capture_metrics_);
    live_ = std::make_unique<LiveBooks>(*writer_);
    feeds_ = std::make_unique<ingest::LiveFeeds>(
        loaded_.settings, loaded_.registry,
        ingest::wanted_instruments(loaded_.settings, loaded_.registry), clock_, *live_,
        ingest_metrics_);
    writer_->start();
    live_->recorder().begin(VenueId::kBybit, clock_.now());
    feeds_->start();
  }
  void stop() {
    if (!feeds_) return;
    feeds_->stop();
    writer_->stop();
    CHECK(writer_->counts().dropped == 0);
    const Told told = live_->told();
    told_.lines.insert(told_.lines.end(), told.lines.begin(), told.lines.end());
    told_.records.insert(told_.records.end(), told.records.begin(), told.records.end());
    told_.books.insert(told_.books.end(), told.books.begin(), told.books.end());
    feeds_.reset();
  }

  ingest::LiveFeeds& feeds() { return *feeds_; }
  const Told& told() const { return told_; }
  std::size_t size() const { return live_->told().books.size(); }
  /// Waits until a book from number `from` on is as asked for.
  bool until(std::size_t from, const std::function<bool(const OrderBook&)>& matches) const {
    return eventually(15s, [&] {
      const std::vector<OrderBook> books = live_->told().books;
      return std::any_of(books.begin() + static_cast<std::ptrdiff_t>(from), books.end(), matches);
    });
  }
  /// Waits until enough has been heard of the socket's book for its silence to be noticed soon.
  bool until_usual(const Instrument& instrument, std::size_t from) const {
    return eventually(15s, [&] {
      const std::vector<OrderBook> books = live_->told().books;
      return std::count_if(books.begin() + static_cast<std::ptrdiff_t>(from), books.end(),
                           shown(instrument, Origin::kWs)) > 20;
    });
  }
  double metric(const std::string& series) const {
    const std::string text = registry_.text();
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
  }

  std::vector<std::filesystem::path> captures() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "out")) {
      out.push_back(entry.path());
    }
    std::ranges::sort(out);
    return out;
  }
  Told replayed() const {
    const auto last = app::find_last_frames(captures());
    REQUIRE(last.has_value());
    ReplayedBooks sink;
    app::CaptureEvents events(loaded_.settings, *last, sink);
    auto input = app::CaptureInput::open(captures());
    REQUIRE(input.has_value());
    while (const ingest::CaptureLine* line = input->next()) events.feed(*line);
    return sink.told;
  }
  /// The ticker and order book records that the program prints.
  std::vector<std::string> printed(std::vector<std::string> command) const {
    for (const auto& file : captures()) command.push_back(file.string());
    const Finished finished = run(command);
    CHECK_MESSAGE(finished.code == 0, finished.err);
    std::vector<std::string> out;
    std::istringstream in(finished.out);
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(R"({"type":"orderbook")") || line.starts_with(R"({"type":"ticker")")) {
        out.push_back(line);
      }
    }
    return out;
  }

  /// Ends the run and holds replay and decode against what the live sink was told.
  void check_replayed() {
    stop();
    const Told again = replayed();
    const std::size_t common = std::min(again.lines.size(), told_.lines.size());
    for (std::size_t i = 0; i < common; ++i) {
      CAPTURE(i);
      REQUIRE(again.lines[i] == told_.lines[i]);
    }
    CHECK(again.lines.size() == told_.lines.size());
    CHECK(printed({program(), "decode", "--depth", std::to_string(kAllLevels)}) == told_.records);
    std::vector<std::string> live;
    for (const OrderBook& book : told_.books) {
      if (!book.synced()) continue;
      publish::append_record(live.emplace_back(), book, loaded_.settings.publish.orderbook_levels);
    }
    std::vector<std::string> replay =
        printed({program(), "replay", "--config", folder_.write("c.yaml", config_)});
    std::erase_if(replay,
                  [](const std::string& r) { return r.starts_with(R"({"type":"ticker")"); });
    CHECK(replay == live);
  }

  FakeBybit venue;

 private:
  const std::string config_;
  const config::Loaded loaded_;
  TemporaryFolder folder_;
  const SystemClock clock_;
  metrics::Registry registry_;
  metrics::IngestMetrics ingest_metrics_{registry_, std::vector<VenueId>{VenueId::kBybit}};
  metrics::CaptureMetrics capture_metrics_{registry_};
  std::unique_ptr<ingest::CaptureWriter> writer_;
  std::unique_ptr<LiveBooks> live_;
  Told told_;  // of the runs that ended
  std::unique_ptr<ingest::LiveFeeds> feeds_;
};

TEST_CASE("a book that an audit found wrong is no more shown by a replay than it was live") {
  RecordedRun run("audit_interval_ms: 100");
  REQUIRE(run.until(0, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(0, shown(kRecordedEth, Origin::kWs)));
  run.venue.rest_book(FakeBybit::RestBook::kWrong);
  const auto faulted = [](const OrderBook& b) {
    return b.state == FeedState::kFaulted && b.reason == ErrorCode::kChecksumMismatch;
  };
  REQUIRE(run.until(0, faulted));
  run.venue.rest_book(FakeBybit::RestBook::kTrue);
  const std::size_t from = run.size();
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kWs)));
  run.check_replayed();
  // The audits' answers are in the recording and shown to nobody.
  CHECK(std::ranges::none_of(run.told().books,
                             [](const OrderBook& b) { return b.origin == Origin::kRest; }));
}

TEST_CASE("books polled, taken back and followed by the socket's are replayed as they were shown") {
  RecordedRun run(
      "audit_interval_ms: 0, fallback_after_ms: 150, fallback_poll_ms: 100, liveness_ms: 700");
  REQUIRE(run.until(0, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(0, shown(kRecordedEth, Origin::kWs)));

  // The socket goes; REST shows what lies before it, then the truth, then nothing, then the truth.
  run.venue.rest_book(FakeBybit::RestBook::kOld);
  run.venue.refuse("503 Service Unavailable", "");
  std::size_t from = run.size();
  run.venue.close_all();
  REQUIRE(eventually(15s, [&] {
    return run.metric(
               "spreadwatch_ingest_decode_errors_total{reason=\"out_of_order\",venue=\"bybit\"}") >
           0;
  }));
  run.venue.rest_book(FakeBybit::RestBook::kTrue);
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kRest)));
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kRest)));
  run.venue.refuse_rest("500 Internal Server Error");
  REQUIRE(run.until(from, became(kRecordedBtc, FeedState::kDown, true)));
  REQUIRE(run.until(from, became(kRecordedEth, FeedState::kDown, true)));
  from = run.size();
  run.venue.refuse_rest("");
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kRest)));

  // The socket returns.
  from = run.size();
  run.venue.refuse("", "");
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kWs)));

  // One stream falls silent and is polled; the end of its connection then takes nothing away.
  REQUIRE(run.until_usual(kRecordedEth, from));
  run.venue.withhold("orderbook.50.ETHUSDT", true);
  from = run.size();
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kRest)));
  from = run.size();
  run.venue.close_all();
  REQUIRE(run.until(from, became(kRecordedBtc, FeedState::kDown)));
  from = run.size();
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kRest)));
  run.venue.withhold("orderbook.50.ETHUSDT", false);
  from = run.size();
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kWs)));
  run.check_replayed();
}

TEST_CASE("what was removed is not in a replay, and what was added again is") {
  RecordedRun run("audit_interval_ms: 0, fallback_after_ms: 150, fallback_poll_ms: 100");
  REQUIRE(run.until(0, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(0, shown(kRecordedEth, Origin::kWs)));
  std::size_t from = run.size();
  run.feeds().remove(VenueId::kBybit, kRecordedEth);
  REQUIRE(run.until(from, became(kRecordedEth, FeedState::kDown)));
  from = run.size();
  REQUIRE(run.until(from, shown(kRecordedBtc, Origin::kWs)));
  from = run.size();
  run.feeds().add(VenueId::kBybit, kRecordedEth);
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kWs)));

  // So it is while its book comes over REST.
  REQUIRE(run.until_usual(kRecordedEth, from));
  run.venue.withhold("orderbook.50.ETHUSDT", true);
  from = run.size();
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kRest)));
  from = run.size();
  run.feeds().remove(VenueId::kBybit, kRecordedEth);
  REQUIRE(run.until(from, became(kRecordedEth, FeedState::kDown, true)));
  run.venue.withhold("orderbook.50.ETHUSDT", false);
  from = run.size();
  run.feeds().add(VenueId::kBybit, kRecordedEth);
  REQUIRE(run.until(from, shown(kRecordedEth, Origin::kWs)));
  run.check_replayed();
}

TEST_CASE("what an earlier recording knew is not believed any longer when the next one begins") {
  RecordedRun run("audit_interval_ms: 0");
  REQUIRE(run.until(0, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(0, shown(kRecordedEth, Origin::kWs)));
  run.stop();
  run.start();
  REQUIRE(run.until(0, shown(kRecordedBtc, Origin::kWs)));
  REQUIRE(run.until(0, shown(kRecordedEth, Origin::kWs)));
  run.stop();
  Told again = run.replayed();
  // Between the two the books are taken back, which is nothing that either run has told.
  const auto taken_back = std::ranges::find_if(
      again.books, [](const OrderBook& b) { return b.state == FeedState::kDown; });
  REQUIRE(taken_back != again.books.end());
  std::erase_if(again.lines,
                [](const std::string& line) { return line.find(" down - ") != std::string::npos; });
  CHECK(again.lines == run.told().lines);
}

/// Lines of a capture of Upbit, whose every message is a whole book.
std::string upbit_capture(const std::vector<std::pair<std::string, std::string>>& happened) {
  std::string out;
  int second = 0;
  const auto line = [&](Json rest) {
    rest["exchange"] = "upbit";
    rest["recv_ts"] = 1'790'000'000 + second++;
    out += rest.dump() + "\n";
  };
  for (const auto& [what, symbol] : happened) {
    if (what == "book" || what == "polled") {
      const std::string code =
          symbol.substr(symbol.find('-') + 1) + "-" + symbol.substr(0, symbol.find('-'));
      const std::int64_t ms = (1'790'000'000LL + second) * 1000;
      Json book{
          {"orderbook_units",
           {{{"ask_price", 101 + second}, {"bid_price", 99}, {"ask_size", 1}, {"bid_size", 1}}}},
          {"timestamp", ms},
          {"total_ask_size", 1},
          {"total_bid_size", 1},
          {"level", 0}};
      if (what == "book") {
        book["type"] = "orderbook";
        book["code"] = code;
        book["stream_type"] = "REALTIME";
        line({{"kind", "ws"}, {"raw", book.dump()}});
      } else {
        book["market"] = code;
        line({{"kind", "rest"}, {"channel", "polled"}, {"raw", Json::array({book}).dump()}});
      }
      continue;
    }
    const bool polled = what.ends_with(" polled");
    Json event{{"kind", polled ? "rest" : "ws"},
               {"channel", "request"},
               {"dir", "tx"},
               {"event", what.substr(0, what.find(' '))},
               {"raw", ""}};
    if (!symbol.empty()) event["symbol"] = symbol;
    line(std::move(event));
  }
  return out;
}

/// What decode prints of it: the best asks of the books, by instrument.
std::string decoded_asks(const std::vector<std::pair<std::string, std::string>>& happened) {
  const TemporaryFolder folder;
  const Finished finished =
      run({program(), "decode", folder.write("c.jsonl", upbit_capture(happened))});
  CHECK(finished.code == 0);
  std::string out;
  std::istringstream in(finished.out);
  for (std::string line; std::getline(in, line);) {
    const Json record = Json::parse(line);
    CHECK(record["type"] == "orderbook");
    out += record["base"].get<std::string>() + " " +
           std::to_string(record["lowest_ask"].get<int>()) + " ";
  }
  return out;
}

TEST_CASE("messages that were still under way when a stream was unsubscribed are not shown") {
  const std::string btc = "BTC-KRW";
  const std::string eth = "ETH-KRW";
  CHECK(decoded_asks({{"book", btc}, {"book", eth}, {"book", btc}}) == "BTC 101 ETH 102 BTC 103 ");
  CHECK(decoded_asks({{"book", btc}, {"removed", btc}, {"book", btc}, {"book", eth}}) ==
        "BTC 101 ETH 104 ");
  CHECK(decoded_asks({{"removed", btc}, {"book", btc}, {"added", btc}, {"book", btc}}) ==
        "BTC 104 ");
  // A new recording begins with everything that it subscribes.
  CHECK(decoded_asks({{"removed", btc}, {"start", ""}, {"book", btc}}) == "BTC 103 ");
}

TEST_CASE("an event that a reader does not know, or of an unknown symbol, changes nothing") {
  const std::string btc = "BTC-KRW";
  CHECK(decoded_asks({{"book", btc}, {"unheard", btc}, {"book", btc}}) == "BTC 101 BTC 103 ");
  for (const char* event : {"removed", "invalid", "invalid polled", "forgotten", "added"}) {
    CHECK(decoded_asks({{"book", btc}, {event, "nonsense"}, {event, ""}, {"book", btc}}) ==
          "BTC 101 BTC 104 ");
  }
}

}  // namespace
}  // namespace spreadwatch::test
