#include "ingest/capture/capture_reader.h"

#include <simdjson.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "core/decimal.h"
#include "ingest/decode/decoded.h"

namespace spreadwatch::ingest {
namespace {

/// Bytes of a file after decompression.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `size` bytes; 0 at the end. nullopt when the file is damaged.
  virtual std::optional<std::size_t> read(char* out, std::size_t size) = 0;
  virtual std::uint64_t bytes_read() const = 0;
};

/// zlib reads gzip files and, transparently, plain ones.
class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(gzFile file) : file_(file) { gzbuffer(file_, 256U << 10U); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { gzclose_r(file_); }

  std::optional<std::size_t> read(char* out, std::size_t size) override {
    const int got = gzread(file_, out, static_cast<unsigned>(size));
    if (got < 0) return std::nullopt;
    if (got == 0) {
      int code = Z_OK;
      gzerror(file_, &code);
      if (code != Z_OK && code != Z_STREAM_END) return std::nullopt;
    }
    return static_cast<std::size_t>(got);
  }
  std::uint64_t bytes_read() const override {
    const z_off_t offset = gzoffset(file_);
    return offset < 0 ? 0 : static_cast<std::uint64_t>(offset);
  }

 private:
  gzFile file_;
};

class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(std::FILE* file) : file_(file), stream_(ZSTD_createDStream()) {}
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;
  ~ZstdSource() override {
    ZSTD_freeDStream(stream_);
    std::fclose(file_);
  }

  std::optional<std::size_t> read(char* out, std::size_t size) override {
    ZSTD_outBuffer output{out, size, 0};
    while (output.pos == 0) {
      if (input_.pos == input_.size) {
        input_ = {buffer_.data(), std::fread(buffer_.data(), 1, buffer_.size(), file_), 0};
        total_ += input_.size;
        if (input_.size == 0) {
          // The end of the file inside a compressed block is damage, between blocks it is the end.
          if (std::ferror(file_) != 0 || pending_ != 0) return std::nullopt;
          return 0;
        }
      }
      pending_ = ZSTD_decompressStream(stream_, &output, &input_);
      if (ZSTD_isError(pending_) != 0U) return std::nullopt;
    }
    return output.pos;
  }
  std::uint64_t bytes_read() const override { return total_; }

 private:
  std::FILE* file_;
  ZSTD_DStream* stream_;
  std::array<char, 256U << 10U> buffer_{};
  ZSTD_inBuffer input_{buffer_.data(), 0, 0};
  std::size_t pending_ = 0;
  std::uint64_t total_ = 0;
};

// What is kept per connection of a venue stays bounded, whatever a file says.
constexpr std::uint64_t kMaxConnection = 1000;

class LineReader final : public CaptureReader {
 public:
  explicit LineReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  bool next(CaptureLine& out) override {
    while (true) {
      const LineStatus status = read_line();
      if (status == LineStatus::kEnd) return false;
      ++line_;
      if (status == LineStatus::kOk && blank()) continue;
      out.line = line_;
      out.error.reset();
      out.exchange.clear();
      if (status == LineStatus::kDamaged) {
        fail(out, "the file is damaged here");
        ended_ = true;
      } else if (status == LineStatus::kTooLong) {
        fail(out, "longer than " + std::to_string(kMaxLineBytes) + " bytes");
      } else {
        parse(out);
      }
      return true;
    }
  }
  std::uint64_t bytes_read() const override { return source_->bytes_read(); }

 private:
  enum class LineStatus : std::uint8_t { kOk, kTooLong, kDamaged, kEnd };

  static void fail(CaptureLine& out, std::string detail) {
    out.error = Error{ErrorCode::kCaptureLine, std::move(detail)};
  }

  bool blank() const {
    return std::ranges::all_of(text_, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
  }

  /// Fills text_ with the next line, without its end.
  LineStatus read_line() {
    text_.clear();
    if (ended_) return LineStatus::kEnd;
    bool too_long = false;
    while (true) {
      if (position_ == filled_) {
        const std::optional<std::size_t> got = source_->read(buffer_.data(), buffer_.size());
        if (!got) return LineStatus::kDamaged;
        position_ = 0;
        filled_ = *got;
        if (filled_ == 0) {
          ended_ = true;
          if (text_.empty() && !too_long) return LineStatus::kEnd;
          return too_long ? LineStatus::kTooLong : LineStatus::kOk;
        }
      }
      const char* const start = buffer_.data() + position_;
      const auto* const end =
          static_cast<const char*>(std::memchr(start, '\n', filled_ - position_));
      const auto length =
          end == nullptr ? filled_ - position_ : static_cast<std::size_t>(end - start);
      if (text_.size() + length > kMaxLineBytes) {
        too_long = true;
        text_.clear();
      }
      if (!too_long) text_.append(start, length);
      position_ += length;
      if (end != nullptr) {
        ++position_;
        return too_long ? LineStatus::kTooLong : LineStatus::kOk;
      }
    }
  }

  void parse(CaptureLine& out) {
    out.origin = Origin::kWs;
    out.channel.clear();
    out.symbol.clear();
    out.payload.clear();
    out.receive_time.reset();
    out.connection = 0;
    out.sent = false;
    out.event.clear();
    out.state.reset();
    out.reason.reset();
    bool has_kind = false;
    bool has_payload = false;
    try {
      text_.reserve(text_.size() + simdjson::SIMDJSON_PADDING);
      simdjson::ondemand::document document =
          parser_.iterate(text_.data(), text_.size(), text_.capacity());
      for (auto field : document.get_object()) {
        const std::string_view key = field.unescaped_key();
        simdjson::ondemand::value value = field.value();
        if (key == "exchange") {
          out.exchange = std::string_view{value.get_string()};
        } else if (key == "kind") {
          const std::string_view kind = value.get_string();
          if (kind != "ws" && kind != "rest") {
            return fail(out,
                        "kind must be ws or rest, not \"" + std::string{kind.substr(0, 20)} + "\"");
          }
          out.origin = kind == "ws" ? Origin::kWs : Origin::kRest;
          has_kind = true;
        } else if (key == "channel") {
          if (!value.is_null()) out.channel = std::string_view{value.get_string()};
        } else if (key == "symbol") {
          if (!value.is_null()) out.symbol = std::string_view{value.get_string()};
        } else if (key == "recv_ts") {
          if (value.is_null()) continue;
          std::string_view token = value.raw_json_token();
          while (!token.empty() && token.back() <= ' ') token.remove_suffix(1);
          if (!read_seconds(token, out.receive_time)) {
            return fail(out, "recv_ts must be seconds since 1970 or null");
          }
        } else if (key == "dir") {
          if (!value.is_null() && std::string_view{value.get_string()} == "tx") out.sent = true;
        } else if (key == "connection") {
          std::uint64_t number = 0;
          // Foreign captures may mean something else by it.
          if (value.get_uint64().get(number) == simdjson::SUCCESS && number <= kMaxConnection) {
            out.connection = static_cast<std::uint32_t>(number);
          }
        } else if (key == "event") {
          std::string_view text;
          if (value.get_string().get(text) == simdjson::SUCCESS) out.event = text;
        } else if (key == "state") {
          out.state = named<FeedState>(kFeedStateNames, value);
        } else if (key == "reason") {
          out.reason = named<ErrorCode>(kErrorCodeNames, value);
        } else if (key == "raw") {
          out.payload = std::string_view{value.get_string()};
          has_payload = true;
        }
      }
      if (document.current_location().error() == simdjson::SUCCESS)
        return fail(out, "text behind the object");
    } catch (const simdjson::simdjson_error& e) {
      return fail(out, e.what());
    }
    if (out.exchange.empty()) return fail(out, "exchange is missing");
    if (!has_kind) return fail(out, "kind is missing");
    if (!has_payload) return fail(out, "raw is missing");
    if (out.channel == kRequestChannel) out.sent = true;
  }

  /// The value whose name it is; foreign captures may mean something else by the key.
  template <class Enum, std::size_t N>
  static std::optional<Enum> named(const std::array<std::string_view, N>& names,
                                   simdjson::ondemand::value& value) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
    const auto found = std::ranges::find(names, text);
    if (found == names.end()) return std::nullopt;
    return static_cast<Enum>(found - names.begin());
  }

  /// Seconds with up to microseconds that count; finer digits are cut.
  static bool read_seconds(std::string_view token, std::optional<Timestamp>& out) {
    if (const auto point = token.find('.');
        point != std::string_view::npos && token.find_first_of("eE") == std::string_view::npos) {
      token = token.substr(0, std::min(token.size(), point + 7));
    }
    Decimal seconds_text;
    if (!Decimal::try_parse(token, seconds_text) || seconds_text.is_negative()) return false;
    constexpr std::int64_t kYear3000 = 32'503'680'000;
    if (seconds_text > Decimal{kYear3000, 0}) return false;
    Decimal::Mantissa us = seconds_text.mantissa();
    for (int scale = seconds_text.scale(); scale > 6; --scale) us /= 10;
    for (int scale = seconds_text.scale(); scale < 6; ++scale) us *= 10;
    out = timestamp_from_us(static_cast<std::int64_t>(us));
    return true;
  }

  std::unique_ptr<ByteSource> source_;
  std::array<char, 256U << 10U> buffer_{};
  std::size_t position_ = 0;
  std::size_t filled_ = 0;
  bool ended_ = false;
  std::uint64_t line_ = 0;
  std::string text_;
  simdjson::ondemand::parser parser_;
};

Error cannot_open(const std::filesystem::path& file) {
  return {ErrorCode::kCaptureLine, file.string() + ": cannot be opened"};
}

}  // namespace

bool CaptureLine::about_books() const {
  return sent && !event.empty() &&
         std::ranges::find(capture_event::kAll, event) != capture_event::kAll.end();
}

CaptureContent CaptureLine::content() const {
  if (sent && !about_books()) return CaptureContent::kRequest;
  if (channel == kBankChannel) return CaptureContent::kBankRate;
  if (channel == kWalletChannel) return CaptureContent::kWallets;
  if (channel == kAuditChannel) return CaptureContent::kAudit;
  return CaptureContent::kMarketData;
}

Result<std::unique_ptr<CaptureReader>> CaptureReader::open(const std::filesystem::path& file) {
  std::unique_ptr<ByteSource> source;
  if (file == "-") {
    gzFile input = gzdopen(fileno(stdin), "rb");
    if (input == nullptr) return Unexpected{cannot_open(file)};
    source = std::make_unique<GzipSource>(input);
  } else if (std::filesystem::is_directory(file)) {
    return Unexpected{cannot_open(file)};
  } else if (file.extension() == ".zst") {
    std::FILE* const input = std::fopen(file.c_str(), "rb");
    if (input == nullptr) return Unexpected{cannot_open(file)};
    source = std::make_unique<ZstdSource>(input);
  } else {
    gzFile input = gzopen(file.c_str(), "rb");
    if (input == nullptr) return Unexpected{cannot_open(file)};
    source = std::make_unique<GzipSource>(input);
  }
  return std::unique_ptr<CaptureReader>{std::make_unique<LineReader>(std::move(source))};
}

CaptureMerge::CaptureMerge(std::vector<std::unique_ptr<CaptureReader>> readers) {
  sources_.reserve(readers.size());
  for (auto& reader : readers) {
    sources_.emplace_back();
    sources_.back().reader = std::move(reader);
    advance(sources_.back());
  }
}

void CaptureMerge::advance(Source& source) {
  source.done = !source.reader->next(source.line);
  if (!source.done && !source.line.error && source.line.receive_time) {
    source.order = *source.line.receive_time;
  }
}

const CaptureLine* CaptureMerge::next() {
  if (last_ != nullptr) advance(*last_);
  last_ = nullptr;
  for (Source& source : sources_) {
    if (!source.done && (last_ == nullptr || source.order < last_->order)) last_ = &source;
  }
  return last_ == nullptr ? nullptr : &last_->line;
}

std::uint64_t CaptureMerge::bytes_read() const {
  std::uint64_t total = 0;
  for (const Source& source : sources_) total += source.reader->bytes_read();
  return total;
}

}  // namespace spreadwatch::ingest
