#include "ingest/live/venue_context.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

namespace spreadwatch::ingest {
namespace {

template <class F>
void guarded(F&& f) noexcept {
  try {
    f();
  } catch (const std::exception& e) {
    spdlog::error("a feeds' handler threw: {}", e.what());
  } catch (...) {
    spdlog::error("a feeds' handler threw something unknown");
  }
}

}  // namespace

void notify(LiveSink& sink, MarketEvent event) noexcept {
  guarded([&] { sink.on_event(std::move(event)); });
}
void notify(LiveSink& sink, const FeedNote& note) noexcept {
  guarded([&] { sink.on_note(note); });
}
void notify(LiveSink& sink, VenueId venue, const Frame& frame, bool sent) noexcept {
  guarded([&] { sink.on_raw(venue, frame, sent); });
}

}  // namespace spreadwatch::ingest
