// `replay`: captures through the same stages as live data, in the captures' own time, so that the
// same capture and configuration give the same bytes.
#include <array>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "app/capture_input.h"
#include "app/commands.h"
#include "app/line_output.h"
#include "app/load_config.h"
#include "fx/bank_rate.h"
#include "ingest/normalizer.h"
#include "ingest/wallet_routes.h"
#include "publish/encode.h"
#include "spread/engine.h"

namespace spreadwatch::app {
namespace {

/// When each venue's last frame came. A capture does not hold pongs, so silence between two frames
/// proves nothing: a connection counts as alive from its first frame until `liveness` after its
/// last.
using LastFrames = std::array<std::optional<Timestamp>, kVenueCount>;

class Replay final : private ingest::MarketSink, private spread::EventSink {
 public:
  Replay(const config::Loaded& loaded, const LastFrames& last_frames)
      : settings_(loaded.settings),
        last_frames_(last_frames),
        engine_(loaded.settings, loaded.registry, *this, loaded.wallets) {}

  void feed(const ingest::CaptureLine& line) {
    line_ = line.line;
    if (line.error) return capture_error(line, *line.error);
    if (line.sent && !line.connection_lost()) return;
    if (line.receive_time) now_ = std::max(now_, *line.receive_time);
    engine_.advance(now_);
    if (line.channel == "fx") return feed_bank(line);
    if (line.channel == ingest::kAuditChannel) return;  // was compared with, never shown
    const std::optional<VenueId> venue = venue_from_name(line.exchange);
    if (!venue) return capture_error(line, {ErrorCode::kCaptureLine, "unknown exchange"});
    if (settings_.venue(*venue) == nullptr) return;  // a venue left out is off

    if (line.channel == "wallet") return feed_wallet(line, *venue);
    venue_ = *venue;
    auto& normalizer = normalizers_[index_of(*venue)];
    if (!normalizer) normalizer = std::make_unique<ingest::Normalizer>(*venue);
    if (line.connection_lost()) {
      normalizer->invalidate(line.connection, FeedState::kDown, ErrorCode::kClosedByPeer, *this);
      return;
    }
    if (alive_.emplace(*venue, line.connection).second) {
      engine_.on(StreamStatus{.venue = *venue,
                              .connection = line.connection,
                              .time = last_frames_[index_of(*venue)].value_or(now_)},
                 now_);
    }
    normalizer->feed({.origin = line.origin,
                      .payload = line.payload,
                      .channel = line.channel,
                      .symbol = line.symbol,
                      .receive_time = line.receive_time,
                      .connection = line.connection},
                     *this);
  }

  void finish() { engine_.finish(now_); }

  /// True when stdout took everything.
  bool flush() { return output_.flush(); }
  bool bad_lines() const { return bad_lines_; }

 private:
  template <class Record, class... More>
  void print(const Record& record, More... more) {
    publish::append_record(output_.buffer(), record, more...);
    output_.end_line();
  }

  void capture_error(const ingest::CaptureLine& line, const Error& error) {
    publish::append_error(output_.buffer(), line.exchange, error, line.line);
    output_.end_line();
    bad_lines_ = true;
  }

  void feed_bank(const ingest::CaptureLine& line) {
    for (const config::BankSettings& bank : settings_.fx.bank) {
      if (bank.name != line.exchange) continue;
      const Result<double> rate = fx::parse_bank_rate(line.payload, bank.pointer, bank.invert);
      if (rate) {
        engine_.on(BankQuote{.source = bank.name, .rate = *rate, .time = now_}, now_);
      } else {
        publish::append_error(output_.buffer(), bank.name, rate.error(), line.line);
        output_.end_line();
      }
    }
  }

  void feed_wallet(const ingest::CaptureLine& line, VenueId venue) {
    const Result<std::vector<WalletStatus>> wallets =
        ingest::parse_wallets(venue, line.payload, now_);
    if (!wallets) {
      publish::append_error(output_.buffer(), line.exchange, wallets.error(), line.line);
      output_.end_line();
      return;
    }
    for (const WalletStatus& status : *wallets) engine_.on(status, now_);
  }

  void on_ticker(const Ticker& ticker) override { print(ticker); }
  void on_order_book(const std::string& /*stream*/, const OrderBook& book) override {
    engine_.on_book(book, now_);
    if (book.synced()) print(book, settings_.publish.orderbook_levels);
  }
  void on_market(const ingest::MarketInfo& market) override {
    MarketStatus status{venue_, market.instrument, market.active, std::nullopt};
    if (market.min_notional) status.min_notional = market.min_notional->to_double();
    engine_.on(status, now_);
  }
  void on_error(const FeedError& error) override { print(error, std::optional{line_}); }

  void on_fx(const fx::FxEvent& event) override { print(event); }
  void on_premium(const spread::PremiumEvent& event) override { print(event); }
  void on_spread(const spread::SpreadEvent& event) override { print(event); }
  void on_opportunity(const spread::OpportunityEvent& event) override { print(event); }

  const config::Settings& settings_;
  const LastFrames last_frames_;
  LineOutput output_;
  spread::Engine engine_;
  std::array<std::unique_ptr<ingest::Normalizer>, kVenueCount> normalizers_;
  std::set<std::pair<VenueId, std::uint32_t>> alive_;  // connections seen
  VenueId venue_{};                                    // of the line being read
  Timestamp now_{};
  std::uint64_t line_ = 0;
  bool bad_lines_ = false;
};

std::optional<LastFrames> find_last_frames(const std::vector<std::filesystem::path>& captures) {
  std::optional<CaptureInput> input = CaptureInput::open(captures);
  if (!input) return std::nullopt;
  LastFrames last{};
  while (const ingest::CaptureLine* line = input->next()) {
    if (line->error || line->sent || !line->receive_time) continue;
    // Polled because the connection said nothing: no sign of its life.
    if (line->channel == ingest::kPolledChannel || line->channel == ingest::kAuditChannel) continue;
    if (line->channel == "wallet") continue;  // another connection's
    const std::optional<VenueId> venue = venue_from_name(line->exchange);
    if (venue)
      last[index_of(*venue)] =
          std::max(last[index_of(*venue)].value_or(Timestamp::min()), *line->receive_time);
  }
  return last;
}

}  // namespace

int replay(const ReplayOptions& options) {
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;

  std::optional<StdinCopy> copy;
  std::vector<std::filesystem::path> captures = options.captures;
  for (std::filesystem::path& capture : captures) {
    if (capture != "-") continue;
    if (!copy) copy.emplace();  // read twice, so it has to be kept
    capture = copy->path();
  }
  const std::optional<LastFrames> last_frames = find_last_frames(captures);
  if (!last_frames) return kExitBadInput;
  std::optional<CaptureInput> input = CaptureInput::open(captures);
  if (!input) return kExitBadInput;

  Replay replay(*loaded, *last_frames);
  while (const ingest::CaptureLine* line = input->next()) replay.feed(*line);
  replay.finish();
  if (!replay.flush()) {
    std::cerr << "spreadwatch: cannot write to stdout\n";
    return kExitCouldNotStart;
  }
  return replay.bad_lines() ? kExitBadInput : kExitOk;
}

}  // namespace spreadwatch::app
