#pragma once

#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/decimal.h"
#include "ingest/book/normalizer.h"

/// What the ingest tests share: a sink that remembers, and the recordings.
namespace spreadwatch::ingest::test {

/// Keeps everything it is told, in order of arrival per kind.
class Memory final : public MarketSink {
 public:
  void on_ticker(const Ticker& ticker) override { tickers.push_back(ticker); }
  void on_order_book(const std::string& stream, const OrderBook& book) override {
    streams.push_back(stream);
    books.push_back(book);
  }
  void on_error(const FeedError& error) override { errors.push_back(error); }
  void on_control(const ControlMessage& control) override { controls.push_back(control); }
  void on_market(const MarketInfo& market) override { markets.push_back(market); }
  void on_need(const std::string& stream, const Instrument&, MaintainedBook::Need need) override {
    needs.emplace_back(stream, need);
  }

  void clear() { *this = Memory{}; }
  std::size_t records() const {
    std::size_t count = tickers.size();
    for (const OrderBook& book : books) count += book.synced() ? 1 : 0;
    return count;
  }

  std::vector<Ticker> tickers;
  std::vector<std::string> streams;
  std::vector<OrderBook> books;
  std::vector<FeedError> errors;
  std::vector<ControlMessage> controls;
  std::vector<MarketInfo> markets;
  std::vector<std::pair<std::string, MaintainedBook::Need>> needs;
};

inline Frame ws(std::string_view payload, std::uint32_t connection = 1) {
  Frame frame;
  frame.payload = payload;
  frame.connection = connection;
  frame.receive_time = timestamp_from_ms(1'790'000'000'123);
  return frame;
}

inline Frame rest(std::string_view payload, std::string_view channel,
                  std::string_view symbol = {}) {
  Frame frame = ws(payload);
  frame.origin = Origin::kRest;
  frame.channel = channel;
  frame.symbol = symbol;
  return frame;
}

/// A venue's normalizer, and what it made of one frame.
template <VenueId kVenue>
struct OneFrame {
  Normalizer normalizer{kVenue};
  Memory memory;

  void feed(const Frame& frame) {
    memory.clear();
    normalizer.feed(frame, memory);
  }
  void check_error(const Frame& frame, ErrorCode code) {
    CAPTURE(frame.payload);
    feed(frame);
    CHECK(memory.records() == 0);
    REQUIRE(memory.errors.size() == 1);
    CHECK(to_string(memory.errors[0].error.code) == to_string(code));
  }
};

/// A venue's normalizer, and what it made of all that came over the socket.
template <VenueId kVenue>
struct AllFrames {
  Normalizer normalizer{kVenue};
  Memory memory;

  void feed(std::string_view payload) { normalizer.feed(ws(payload), memory); }
};

/// A payload of the socket that gives an error and nothing else.
struct Refused {
  const char* payload;
  ErrorCode code;
  const char* symbol;  ///< that the error names
};

inline void check_refused(VenueId venue, std::initializer_list<Refused> cases) {
  for (const Refused& c : cases) {
    CAPTURE(c.payload);
    Normalizer normalizer{venue};
    Memory memory;
    normalizer.feed(ws(c.payload), memory);
    REQUIRE(memory.errors.size() == 1);
    CHECK(memory.errors[0].error.code == c.code);
    CHECK(memory.errors[0].symbol == c.symbol);
    CHECK(memory.records() == 0);
  }
}

/// Levels as "price@size price@size", in plain notation.
inline std::string text(const std::vector<Level>& levels) {
  std::string out;
  for (const Level& level : levels) {
    if (!out.empty()) out.push_back(' ');
    out += level.price.to_string() + "@" + level.size.to_string();
  }
  return out;
}

inline Decimal decimal(std::string_view digits) {
  const Result<Decimal> value = Decimal::parse(digits);
  REQUIRE_MESSAGE(value.has_value(), digits);
  return *value;
}

/// One line of a recording.
struct Recorded {
  std::string exchange;
  bool rest = false;
  std::string channel;
  std::string symbol;
  std::string raw;
  std::optional<Timestamp> receive_time;
  bool from_client = false;

  Frame frame() const {
    Frame f;
    f.origin = rest ? Origin::kRest : Origin::kWs;
    f.payload = raw;
    f.channel = channel;
    f.symbol = symbol;
    f.receive_time = receive_time;
    f.connection = 1;
    return f;
  }
};

/// The recordings' directory: SPREADWATCH_FRAMES, or `../shared/frames` beside the sources.
inline std::filesystem::path frames_directory() {
  if (const char* const given = std::getenv("SPREADWATCH_FRAMES")) return given;
  return std::filesystem::path{SPREADWATCH_SOURCE_DIR} / ".." / "shared" / "frames";
}

/// The directory of the small inputs: SPREADWATCH_CASES, or `../shared/cases` beside the sources.
inline std::filesystem::path cases_directory() {
  if (const char* const given = std::getenv("SPREADWATCH_CASES")) return given;
  return std::filesystem::path{SPREADWATCH_SOURCE_DIR} / ".." / "shared" / "cases";
}

/// The frames of a file of capture lines, plain or gzip; empty, with a message that nobody can
/// overlook, when it is not there.
inline std::vector<Recorded> recorded_frames(const std::filesystem::path& path,
                                             std::string_view set_with) {
  std::vector<Recorded> out;
  // Reads plain and gzip alike.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in{::gzopen(path.c_str(), "rb"), &::gzclose};
  if (!in) {
    MESSAGE("SKIPPED: " << path.string() << " is not there (set " << set_with << ")");
    return out;
  }
  std::string content;
  std::vector<char> block(1U << 16U);
  for (int n = 0;
       (n = ::gzread(in.get(), block.data(), static_cast<unsigned>(block.size()))) > 0;) {
    content.append(block.data(), static_cast<std::size_t>(n));
  }
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    const std::string_view line{content.data() + at, end - at};
    at = end + 1;
    if (line.empty()) continue;
    const nlohmann::json json = nlohmann::json::parse(line);
    Recorded r;
    r.exchange = json.value("exchange", "");
    r.rest = json.at("kind") == "rest";
    if (json.contains("channel") && json["channel"].is_string()) r.channel = json["channel"];
    if (json.contains("symbol") && json["symbol"].is_string()) r.symbol = json["symbol"];
    r.raw = json.at("raw");
    r.from_client = json.value("dir", "") == "tx" || r.channel == "request";
    if (json.contains("recv_ts") && json["recv_ts"].is_number()) {
      r.receive_time =
          timestamp_from_us(static_cast<std::int64_t>(json["recv_ts"].get<double>() * 1e6));
    }
    if (!r.from_client) out.push_back(std::move(r));
  }
  return out;
}

/// The frames of a recording.
inline std::vector<Recorded> recording(const std::string& file) {
  return recorded_frames(frames_directory() / file, "SPREADWATCH_FRAMES");
}

}  // namespace spreadwatch::ingest::test
