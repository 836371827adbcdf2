#include "tests/fuzz/checker.h"
#include "tests/fuzz/fuzz_venue.h"
#include "tests/fuzz/session.h"

namespace spreadwatch::fuzz {
namespace {

using namespace spreadwatch::ingest;  // NOLINT(google-build-using-namespace)

/// A connection and the one that succeeds it: the book goes on with the other one.
bool carried_beside(const OrderBook& book, const Step& step) {
  return step.origin == Origin::kWs &&
         (succeeds(book.connection, step.connection) || succeeds(step.connection, book.connection));
}

/// What the decoder said of a frame, and what the normalizer made of it.
void check_decoded(const Decoded& decoded, const Normalizer& normalizer, const Step& step) {
  for (const BookMessage& book : decoded.books) {
    require(!book.stream.empty(), "a book message has a stream");
    for (const auto* side : {&book.bids, &book.asks}) {
      for (const Level& level : *side) {
        require(level.price.is_positive() && !level.size.is_negative(),
                "a decoded level is in range");
      }
    }
  }
  for (const DecodeError& error : decoded.errors) {
    require(!error.error.detail.empty(), "an error says what is wrong");
    const MaintainedBook* const book =
        error.stream.empty() ? nullptr : normalizer.find(error.stream);
    require(book == nullptr || carried_beside(book->book(), step) ||
                (!book->book().synced() && book->book().bids.empty()),
            "a stream that lost a message shows nothing");
  }
}

std::uint64_t play_all(VenueId venue, const std::vector<Step>& steps, bool with_decoder) {
  Normalizer normalizer{venue};
  Checker checker;
  const auto adapter = make_adapter(venue);  // sees what the normalizer's sees
  Decoded decoded;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    play(steps[i], i, normalizer, checker);
    if (!with_decoder || steps[i].kind != Step::Kind::kFrame) continue;
    adapter->decode(frame_of(steps[i], i, steps[i].payload), decoded);
    check_decoded(decoded, normalizer, steps[i]);
  }
  for (std::uint32_t connection = 0; connection < 10; ++connection) {
    for (const std::uint32_t renewals : {0U, 1U}) {
      normalizer.invalidate(connection + renewals * kPlaces, FeedState::kDown,
                            ErrorCode::kClosedByPeer, checker);
    }
  }
  return checker.digest();
}

}  // namespace

void check_session(VenueId venue, std::string_view session, bool thoroughly) {
  const std::vector<Step> steps = steps_of(session);
  const std::uint64_t digest = play_all(venue, steps, false);
  if (thoroughly) {
    require(play_all(venue, steps, true) == digest, "the same session gives the same output");
  }
}

}  // namespace spreadwatch::fuzz
