// `decode`: captures to normalized records. Every venue's frames go through the same Normalizer as
// live ones.
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "app/capture_input.h"
#include "app/commands.h"
#include "app/line_output.h"
#include "core/text.h"
#include "ingest/book/normalizer.h"
#include "ingest/capture/captured_venue.h"
#include "publish/encode.h"

namespace spreadwatch::app {
namespace {

/// Foreign text for a terminal, without control characters and without what is no UTF-8.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const bool control = length == 1 ? text.front() < ' ' || text.front() == '\x7f'
                                     : text.starts_with('\xc2') && text[1] < '\xa0';
    if (length > 0 && !control) {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

class Printer final : public ingest::MarketSink {
 public:
  Printer(LineOutput& output, int depth) : output_(output), depth_(depth) {}

  void set_line(std::uint64_t line) { line_ = line; }

  void on_ticker(const Ticker& ticker) override {
    publish::append_record(output_.buffer(), ticker);
    output_.end_line();
  }
  void on_order_book(const std::string& /*stream*/, const OrderBook& book) override {
    if (!book.synced()) return;
    publish::append_record(output_.buffer(), book, depth_);
    output_.end_line();
  }
  void on_error(const FeedError& error) override {
    publish::append_record(output_.buffer(), error, line_);
    output_.end_line();
  }
  void on_capture_error(const ingest::CaptureLine& line, const Error& error) {
    publish::append_error(output_.buffer(), line.exchange, error, line.line);
    output_.end_line();
    bad_lines_ = true;
  }
  bool bad_lines() const { return bad_lines_; }

 private:
  LineOutput& output_;
  const int depth_;
  std::uint64_t line_ = 0;
  bool bad_lines_ = false;
};

}  // namespace

int decode(const DecodeOptions& options) {
  std::optional<CaptureInput> input = CaptureInput::open(options.captures);
  if (!input) return kExitBadInput;

  LineOutput output;
  Printer printer(output, options.depth);
  std::array<std::unique_ptr<ingest::CapturedVenue>, kVenueCount> venues;
  while (const ingest::CaptureLine* line = input->next()) {
    if (line->error) {
      printer.on_capture_error(*line, *line->error);
      continue;
    }
    if (line->content() != ingest::CaptureContent::kMarketData) continue;
    const std::optional<VenueId> venue = venue_from_name(line->exchange);
    if (!venue) {
      if (line->sent) continue;
      printer.on_capture_error(*line, {ErrorCode::kCaptureLine, "unknown exchange"});
      continue;
    }
    auto& captured = venues[index_of(*venue)];
    if (!captured) captured = std::make_unique<ingest::CapturedVenue>(*venue, printer);
    printer.set_line(line->line);
    captured->feed(*line);
    for (const ingest::Remark& remark : captured->take_remarks()) {
      std::cerr << "spreadwatch: line " << line->line << ": " << line->exchange
                << (remark.kind == ingest::Remark::Kind::kWarning ? " warns: "
                                                                  : ": not read here: ")
                << printable(remark.text) << '\n';
    }
  }
  if (!output.flush()) {
    std::cerr << "spreadwatch: cannot write to stdout\n";
    return kExitCouldNotStart;
  }
  return printer.bad_lines() ? kExitBadInput : kExitOk;
}

}  // namespace spreadwatch::app
