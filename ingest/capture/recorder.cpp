#include "ingest/capture/recorder.h"

#include <utility>
#include <variant>

#include "ingest/capture/capture_reader.h"

namespace spreadwatch::ingest {

// A full queue counts what it refuses; there is nothing else to be done about it here.

void Recorder::on_raw(VenueId venue, const Frame& frame, bool sent) {
  CaptureEntry entry;
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

// The line counts as sent, so that readers which know no events pass over it.
CaptureEntry Recorder::happened(VenueId venue, std::string_view event, Timestamp time) {
  CaptureEntry entry;
  entry.exchange = to_string(venue);
  entry.channel = kRequestChannel;
  entry.receive_time = time;
  entry.sent = true;
  entry.event = event;
  return entry;
}

void Recorder::begin(VenueId venue, Timestamp now) {
  writer_.offer(happened(venue, capture_event::kStart, now));
}

// Of what the frames meant only the end of a connection is not in the frames themselves.
void Recorder::on_event(MarketEvent event) {
  const auto* const status = std::get_if<ConnectionStatus>(&event);
  if (status == nullptr || status->alive) return;
  CaptureEntry entry = happened(status->venue, capture_event::kDown, status->time);
  entry.connection = status->connection;
  if (status->reason) entry.reason = to_string(*status->reason);
  writer_.offer(std::move(entry));
}

void Recorder::on_note(const FeedNote& note) {
  using Kind = FeedNote::Kind;
  const auto name = [&] {
    switch (note.kind) {
      case Kind::kAdded:
        return capture_event::kAdded;
      case Kind::kRemoved:
        return capture_event::kRemoved;
      case Kind::kInvalidated:
        return capture_event::kInvalid;
      case Kind::kForgotten:
        return capture_event::kForgotten;
      case Kind::kTickerPolled:
        return capture_event::kTickerPolled;
    }
    return std::string_view{};
  };
  CaptureEntry entry = happened(note.venue, name(), note.time);
  entry.origin = note.polled ? Origin::kRest : Origin::kWs;
  entry.symbol = note.instrument.name();
  if (note.kind == Kind::kInvalidated) {
    entry.state = to_string(note.state);
    if (note.reason) entry.reason = to_string(*note.reason);
  }
  writer_.offer(std::move(entry));
}

void Recorder::on_bank_body(const std::string& source, std::string_view body, Timestamp received) {
  CaptureEntry entry;
  entry.exchange = source;
  entry.origin = Origin::kRest;
  entry.channel = kBankChannel;
  entry.symbol = "USD/KRW";
  entry.receive_time = received;
  entry.payload = body;
  writer_.offer(std::move(entry));
}

}  // namespace spreadwatch::ingest
