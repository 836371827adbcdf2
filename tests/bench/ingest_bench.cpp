// What a frame costs from bytes to a maintained book, beside what simdjson alone needs to read its
// levels.
//
// Both run in turns over the same frames in one benchmark, so that the machine's mood cancels out;
// `ratio` is the number to watch (goal: at most 2). Frames are recorded where a recording of the
// venue's present protocol exists, else made here in the documented shape at real depth. The
// recordings are looked for in
// ../shared/frames beside the sources, or in SPREADWATCH_FRAMES; without them those benchmarks are
// skipped.

#include <benchmark/benchmark.h>
#include <simdjson.h>
#include <time.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ingest/book/normalizer.h"

namespace spreadwatch::ingest {
namespace {

namespace od = simdjson::ondemand;

struct BenchFrame {
  Origin origin = Origin::kWs;
  std::string symbol;
  std::string payload;
};

/// How the levels of a venue's frames are written.
enum class Shape { kArrays, kObjects, kUnits };

struct Subject {
  VenueId venue{};
  Shape shape{};
  const char* outer = nullptr;  ///< the member around the levels; null = none
  bool outer_is_list = false;
  const char* bids = nullptr;
  const char* asks = nullptr;
  const char* price = nullptr;  ///< of objects
  const char* size = nullptr;
  std::vector<BenchFrame> frames;
};

// ── The bare parse
// ──────────────────────────────────────────────────────────────────────────────────────

using Pairs = std::vector<std::pair<double, double>>;

double number(od::value value) {
  od::json_type type = value.type();
  if (type == od::json_type::number) return value.get_double();
  const std::string_view text = value.get_string();
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

void bare_side(const Subject& s, od::value side, Pairs& out) {
  for (od::value row : side.get_array()) {
    std::pair<double, double> level;
    if (s.shape == Shape::kArrays) {
      int column = 0;
      for (od::value cell : row.get_array()) {
        if (column == 0) level.first = number(cell);
        if (column == 1) level.second = number(cell);
        ++column;
      }
    } else {
      level.first = number(row[s.price]);
      level.second = number(row[s.size]);
    }
    out.push_back(level);
  }
}

/// Reads the levels of one frame as doubles: the least that any consumer of the book has to do.
class Bare {
 public:
  void read(const Subject& s, const std::string& payload) {
    bids_.clear();
    asks_.clear();
    if (buffer_.size() < payload.size() + simdjson::SIMDJSON_PADDING) {
      buffer_.resize(payload.size() + simdjson::SIMDJSON_PADDING);
    }
    std::copy(payload.begin(), payload.end(), buffer_.begin());
    od::document document = parser_.iterate(buffer_.data(), payload.size(), buffer_.size());
    od::object object;
    if (s.outer == nullptr) {
      object = document.get_object();
    } else if (s.outer_is_list) {
      object = document[s.outer].at(0).get_object();
    } else {
      od::object inner;
      if (document[s.outer].get_object().get(inner) != simdjson::SUCCESS) {
        document.rewind();
        object = document.get_object();  // a REST book among the websocket's
      } else {
        object = inner;
      }
    }
    if (s.shape == Shape::kUnits) {
      for (od::value unit : object[s.bids].get_array()) {
        std::pair<double, double> bid;
        std::pair<double, double> ask;
        for (auto field : unit.get_object()) {
          const std::string_view key = field.unescaped_key();
          const double value = field.value().get_double();
          if (key == "ask_price") ask.first = value;
          if (key == "bid_price") bid.first = value;
          if (key == "ask_size") ask.second = value;
          if (key == "bid_size") bid.second = value;
        }
        bids_.push_back(bid);
        asks_.push_back(ask);
      }
    } else {
      for (auto field : object) {
        const std::string_view key = field.unescaped_key();
        if (key == s.bids || (key == "bids")) {
          bare_side(s, field.value(), bids_);
        } else if (key == s.asks || (key == "asks")) {
          bare_side(s, field.value(), asks_);
        }
      }
    }
    benchmark::DoNotOptimize(bids_.data());
    benchmark::DoNotOptimize(asks_.data());
  }

 private:
  od::parser parser_;
  std::vector<char> buffer_;
  Pairs bids_;
  Pairs asks_;
};

// ── The frames
// ──────────────────────────────────────────────────────────────────────────────────────────

std::filesystem::path frames_directory() {
  if (const char* const given = std::getenv("SPREADWATCH_FRAMES")) return given;
  return std::filesystem::path{SPREADWATCH_SOURCE_DIR} / ".." / "shared" / "frames";
}

/// The order book frames of a recording that the venue's normalizer accepts.
std::vector<BenchFrame> recorded(VenueId venue, const std::string& file, std::size_t at_most) {
  std::vector<BenchFrame> out;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in{
      ::gzopen((frames_directory() / file).c_str(), "rb"), &::gzclose};
  if (!in) {
    std::cerr << "SKIPPED: recording " << file << " is not in " << frames_directory() << "\n";
    return out;
  }
  class Refusals final : public MarketSink {
   public:
    void on_ticker(const Ticker&) override {}
    void on_order_book(const std::string&, const OrderBook&) override {}
    void on_error(const FeedError&) override { ++count; }
    std::size_t count = 0;
  } refusals;
  Normalizer normalizer{venue};
  std::string content;
  std::vector<char> block(1U << 16U);
  for (int n = 0;
       (n = ::gzread(in.get(), block.data(), static_cast<unsigned>(block.size()))) > 0;) {
    content.append(block.data(), static_cast<std::size_t>(n));
  }
  for (std::size_t at = 0; at < content.size() && out.size() < at_most;) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    const nlohmann::json line =
        nlohmann::json::parse(content.begin() + static_cast<std::ptrdiff_t>(at),
                              content.begin() + static_cast<std::ptrdiff_t>(end));
    at = end + 1;
    if (line.value("channel", "") != "orderbook") continue;
    BenchFrame frame;
    frame.origin = line["kind"] == "rest" ? Origin::kRest : Origin::kWs;
    if (line.contains("symbol") && line["symbol"].is_string()) frame.symbol = line["symbol"];
    frame.payload = line["raw"];
    if (venue == VenueId::kOkx) {
      // As sent today: the checksum is always zero.
      const auto checksum = frame.payload.find("\"checksum\":");
      const auto stop = frame.payload.find_first_of(",}", checksum);
      if (checksum != std::string::npos)
        frame.payload.replace(checksum + 11, stop - checksum - 11, "0");
    }
    Frame probe;
    probe.origin = frame.origin;
    probe.payload = frame.payload;
    probe.channel = "orderbook";
    probe.symbol = frame.symbol;
    const std::size_t before = refusals.count;
    normalizer.feed(probe, refusals);
    if (refusals.count == before) out.push_back(std::move(frame));
  }
  return out;
}

std::string price_text(int i) { return std::to_string(116'500'000 + i * 1000); }
std::string size_text(int i, int round) {
  std::string digits = std::to_string(10'000'000 + (i * 7919 + round * 104'729) % 89'999'999);
  return "0." + digits;
}

/// Books in the documented shape; `units` levels a side, sizes changing from frame to frame.
std::vector<BenchFrame> synthetic(VenueId venue, int levels) {
  std::vector<BenchFrame> out;
  for (int round = 0; round < 64; ++round) {
    std::string p;
    const auto side = [&](const char* price, const char* size, bool quoted, int direction) {
      for (int i = 0; i < levels; ++i) {
        const std::string q = quoted ? "\"" : "";
        p += (i == 0 ? "{\"" : ",{\"") + std::string{price} + "\":" + q +
             price_text(direction * (i + 1)) + q + ",\"" + size + "\":" + q +
             size_text(i * direction + 1000, round) + q + "}";
      }
    };
    const std::string ts = std::to_string(1'790'134'742'106LL + round);
    if (venue == VenueId::kUpbit || venue == VenueId::kBithumb) {
      p = R"({"type":"orderbook","code":"KRW-BTC","timestamp":)" + ts +
          R"(,"total_ask_size":2.51469375,"total_bid_size":1.63815297,"orderbook_units":[)";
      for (int i = 0; i < levels; ++i) {
        p += (i == 0 ? "" : ",") + std::string{"{\"ask_price\":"} + price_text(i + 1) +
             ",\"bid_price\":" + price_text(-i - 1) + ",\"ask_size\":" + size_text(i, round) +
             ",\"bid_size\":" + size_text(i + 500, round) + "}";
      }
      p += R"(],"stream_type":"REALTIME","level":0})";
    } else if (venue == VenueId::kKorbit) {
      p = R"({"symbol":"btc_krw","timestamp":)" + ts +
          R"(,"type":"orderbook","snapshot":false,"data":{"timestamp":)" + ts + R"(,"asks":[)";
      side("price", "qty", true, 1);
      p += R"(],"bids":[)";
      side("price", "qty", true, -1);
      p += "]}}";
    } else if (venue == VenueId::kCoinone) {
      p = R"({"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW","target_currency":"BTC","timestamp":)" +
          ts + R"(,"id":")" + ts + R"(001","asks":[)";
      // Coinone lists its asks from the farthest.
      std::string asks;
      std::swap(asks, p);
      side("price", "qty", true, 1);
      std::swap(asks, p);
      p += asks + R"(],"bids":[)";
      side("price", "qty", true, -1);
      p += "]}}";
    } else {  // Gate obu
      p = R"({"channel":"spot.obu","result":{"t":)" + ts +
          R"(,"full":true,"s":"ob.BTC_USDT.50","u":)" + std::to_string(73'777'715'168LL + round);
      for (const int direction : {-1, 1}) {
        p += direction < 0 ? R"(,"b":[)" : R"(],"a":[)";
        for (int i = 0; i < levels; ++i) {
          p += (i == 0 ? "[\"" : ",[\"") + std::to_string(104'027 + direction * (i + 1)) +
               ".1\",\"" + size_text(i, round) + "\"]";
        }
      }
      p += R"(]},"time_ms":)" + ts + "}";
    }
    out.push_back({Origin::kWs, "", std::move(p)});
  }
  return out;
}

// ── The measurement
// ─────────────────────────────────────────────────────────────────────────────────────

/// Processor time of this thread: other work on the machine does not count.
std::chrono::nanoseconds now() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

class Discard final : public MarketSink {
 public:
  void on_ticker(const Ticker&) override {}
  void on_order_book(const std::string&, const OrderBook& book) override {
    benchmark::DoNotOptimize(book.bids.data());
    ++shown;
  }
  void on_error(const FeedError& error) override { last_error = error.error.detail; }
  std::size_t shown = 0;
  std::string last_error;
};

void run(benchmark::State& state, const Subject& subject) {
  if (subject.frames.empty()) {
    state.SkipWithError("no recording");
    return;
  }
  Bare bare;
  Normalizer normalizer{subject.venue};
  Discard sink;
  std::chrono::nanoseconds bare_time{0};
  std::chrono::nanoseconds full_time{0};
  std::size_t bytes = 0;
  for (const BenchFrame& frame : subject.frames) bytes += frame.payload.size();
  std::size_t rounds = 0;
  for (auto _ : state) {
    const auto begin = now();
    for (const BenchFrame& frame : subject.frames) bare.read(subject, frame.payload);
    const auto middle = now();
    for (const BenchFrame& frame : subject.frames) {
      Frame f;
      f.origin = frame.origin;
      f.payload = frame.payload;
      f.symbol = frame.symbol;
      f.channel = "orderbook";
      normalizer.feed(f, sink);
    }
    const auto end = now();
    bare_time += middle - begin;
    full_time += end - middle;
    ++rounds;
    state.PauseTiming();
    // Sequences and snapshots start over with the next round.
    normalizer.invalidate(0, FeedState::kDown, ErrorCode::kClosedByPeer, sink);
    state.ResumeTiming();
  }
  if (!sink.last_error.empty() || sink.shown == 0) {
    state.SkipWithError(("the frames were refused: " + sink.last_error).c_str());
    return;
  }
  const auto frames = static_cast<double>(rounds * subject.frames.size());
  state.counters["bytes"] = static_cast<double>(bytes) / static_cast<double>(subject.frames.size());
  state.counters["bare_ns"] = static_cast<double>(bare_time.count()) / frames;
  state.counters["full_ns"] = static_cast<double>(full_time.count()) / frames;
  state.counters["ratio"] =
      static_cast<double>(full_time.count()) / static_cast<double>(bare_time.count());
}

std::vector<std::pair<std::string, Subject>> subjects() {
  using V = VenueId;
  std::vector<std::pair<std::string, Subject>> out;
  out.push_back({"upbit/30",
                 {V::kUpbit, Shape::kUnits, nullptr, false, "orderbook_units", nullptr, nullptr,
                  nullptr, synthetic(V::kUpbit, 30)}});
  out.push_back({"bithumb/15",
                 {V::kBithumb, Shape::kUnits, nullptr, false, "orderbook_units", nullptr, nullptr,
                  nullptr, synthetic(V::kBithumb, 15)}});
  out.push_back({"korbit/30",
                 {V::kKorbit, Shape::kObjects, "data", false, "bids", "asks", "price", "qty",
                  synthetic(V::kKorbit, 30)}});
  out.push_back({"coinone/16",
                 {V::kCoinone, Shape::kObjects, "data", false, "bids", "asks", "price", "qty",
                  synthetic(V::kCoinone, 16)}});
  out.push_back({"okx/recorded",
                 {V::kOkx, Shape::kArrays, "data", true, "bids", "asks", nullptr, nullptr,
                  recorded(V::kOkx, "okx.books.20220513.jsonl", 5000)}});
  out.push_back({"bybit/recorded",
                 {V::kBybit, Shape::kArrays, "data", false, "b", "a", nullptr, nullptr,
                  recorded(V::kBybit, "bybit.v5-ob500-xrpusdt.20241201.jsonl", 5000)}});
  out.push_back({"gateio/50",
                 {V::kGateio, Shape::kArrays, "result", false, "b", "a", nullptr, nullptr,
                  synthetic(V::kGateio, 50)}});
  out.push_back({"binance/recorded",
                 {V::kBinance, Shape::kArrays, "data", false, "b", "a", nullptr, nullptr,
                  recorded(V::kBinance, "binance.spot-btcusdt.20240808.jsonl.gz", 1000)}});
  out.push_back({"kraken/recorded",
                 {V::kKraken, Shape::kObjects, "data", true, "bids", "asks", "price", "qty",
                  recorded(V::kKraken, "kraken.v2-book.20260816.jsonl", 5000)}});
  return out;
}

}  // namespace
}  // namespace spreadwatch::ingest

int main(int argc, char** argv) {
  const auto subjects = spreadwatch::ingest::subjects();
  for (const auto& [name, subject] : subjects) {
    benchmark::RegisterBenchmark(("decode_and_book/" + name).c_str(),
                                 [&subject = subject](benchmark::State& state) {
                                   spreadwatch::ingest::run(state, subject);
                                 });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
