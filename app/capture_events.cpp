#include "app/capture_events.h"

#include <algorithm>

#include "app/capture_input.h"
#include "ingest/decode/wallet_routes.h"

namespace spreadwatch::app {

std::optional<LastFrames> find_last_frames(const std::vector<std::filesystem::path>& captures) {
  std::optional<CaptureInput> input = CaptureInput::open(captures);
  if (!input) return std::nullopt;
  LastFrames last{};
  while (const ingest::CaptureLine* line = input->next()) {
    if (line->error || line->sent || !line->receive_time) continue;
    // Of the rest nothing is a sign of a connection's life, nor is what was polled because it said
    // nothing.
    if (line->content() != ingest::CaptureContent::kMarketData) continue;
    if (line->channel == ingest::kPolledChannel) continue;
    const std::optional<VenueId> venue = venue_from_name(line->exchange);
    if (venue)
      last[index_of(*venue)] =
          std::max(last[index_of(*venue)].value_or(Timestamp::min()), *line->receive_time);
  }
  return last;
}

void CaptureEvents::feed(const ingest::CaptureLine& line) {
  line_ = line.line;
  if (line.error) return sink_.on_line_error(line.exchange, *line.error, line.line);
  const ingest::CaptureContent content = line.content();
  if (content == ingest::CaptureContent::kRequest) return;
  if (line.receive_time) now_ = std::max(now_, *line.receive_time);
  sink_.on_time(now_);
  if (content == ingest::CaptureContent::kBankRate) return feed_bank(line);
  if (content == ingest::CaptureContent::kAudit) return;
  const std::optional<VenueId> venue = venue_from_name(line.exchange);
  if (!venue) {
    if (line.sent) return;
    return sink_.on_line_error(line.exchange, {ErrorCode::kCaptureLine, "unknown exchange"},
                               line.line);
  }
  if (settings_.venue(*venue) == nullptr) return;  // a venue left out is off
  if (content == ingest::CaptureContent::kWallets) return feed_wallet(line, *venue);

  venue_ = *venue;
  auto& captured = venues_[index_of(*venue)];
  if (!captured) {
    captured =
        std::make_unique<ingest::CapturedVenue>(*venue, static_cast<ingest::MarketSink&>(*this));
  }
  if (!line.about_books() && alive_.emplace(*venue, line.connection).second) {
    sink_.on_market(ConnectionStatus{.venue = *venue,
                                     .connection = line.connection,
                                     .time = last_frames_[index_of(*venue)].value_or(now_)},
                    now_);
  }
  captured->feed(line);
}

void CaptureEvents::feed_bank(const ingest::CaptureLine& line) {
  for (std::size_t i = 0; i < settings_.fx.bank.size(); ++i) {
    const config::BankSettings& bank = settings_.fx.bank[i];
    if (bank.name != line.exchange) continue;
    Result<double> rate = fx::parse_bank_rate(line.payload, bank.pointer, bank.invert);
    if (rate) rate = bank_gates_[i].admit(*rate);
    if (rate) {
      sink_.on_market(BankQuote{.source = bank.name, .rate = *rate, .time = now_}, now_);
    } else {
      sink_.on_payload_error(bank.name, rate.error(), line.line);
    }
  }
}

void CaptureEvents::feed_wallet(const ingest::CaptureLine& line, VenueId venue) {
  std::vector<Error> refused;
  const Result<std::vector<WalletStatus>> wallets =
      ingest::parse_wallets(venue, line.payload, now_, &refused);
  if (!wallets) return sink_.on_payload_error(line.exchange, wallets.error(), line.line);
  for (const Error& row : refused) sink_.on_payload_error(line.exchange, row, line.line);
  for (const WalletStatus& status : *wallets) sink_.on_market(status, now_);
}

void CaptureEvents::on_order_book(const std::string& /*stream*/, const OrderBook& book) {
  sink_.on_book(book, now_);
}

void CaptureEvents::on_market(const ingest::MarketInfo& market) {
  sink_.on_market(market.status(venue_), now_);
}

void CaptureEvents::on_error(const FeedError& error) {
  sink_.on_payload_error(to_string(error.venue), error.error, line_);
}

}  // namespace spreadwatch::app
