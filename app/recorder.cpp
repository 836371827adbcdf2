#include "app/recorder.h"

#include <utility>
#include <variant>

namespace spreadwatch::app {

// A full queue counts what it refuses; there is nothing else to be done about it here.

void Recorder::on_raw(VenueId venue, const ingest::Frame& frame, bool sent) {
  ingest::CaptureEntry entry;
  entry.exchange = to_string(venue);
  entry.origin = frame.origin;
  entry.channel = frame.channel;
  entry.symbol = frame.symbol;
  entry.receive_time = frame.receive_time.value_or(Timestamp{});
  entry.connection = frame.connection;
  entry.sent = sent;
  entry.payload = frame.payload;
  writer_.offer(std::move(entry));
}

// Of what the frames meant only the end of a connection is not in the frames themselves. The line
// counts as sent, so that readers which know no events pass over it.
void Recorder::on_event(MarketEvent event) {
  const auto* const status = std::get_if<StreamStatus>(&event);
  if (status == nullptr || status->alive) return;
  ingest::CaptureEntry entry;
  entry.exchange = to_string(status->venue);
  entry.channel = "request";
  entry.receive_time = status->time;
  entry.connection = status->connection;
  entry.sent = true;
  entry.event = "down";
  writer_.offer(std::move(entry));
}

void Recorder::on_bank_body(const std::string& source, std::string_view body, Timestamp received) {
  ingest::CaptureEntry entry;
  entry.exchange = source;
  entry.origin = Origin::kRest;
  entry.channel = "fx";
  entry.symbol = "USD/KRW";
  entry.receive_time = received;
  entry.payload = body;
  writer_.offer(std::move(entry));
}

}  // namespace spreadwatch::app
