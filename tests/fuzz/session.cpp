#include "tests/fuzz/session.h"

#include <algorithm>

namespace spreadwatch::fuzz {
namespace {

constexpr std::int64_t kStartMs = 1'790'000'000'000;

/// The next word of `text`, which loses it and the blank behind it.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word == "-" ? std::string_view{} : word;
}

Step step_of(std::string_view line) {
  Step step;
  step.payload = line;
  if (line.size() < 2 || line[1] < '0' || line[1] > '9' || (line.size() > 2 && line[2] != ' ')) {
    return step;
  }
  std::string_view rest = line.substr(std::min<std::size_t>(3, line.size()));
  switch (line[0]) {
    case 'w':
      break;
    case 'r':
      step.origin = Origin::kRest;
      step.channel = take_word(rest);
      step.symbol = take_word(rest);
      break;
    case 'd':
      step.kind = Step::Kind::kDown;
      break;
    case 'y':
      step.kind = Step::Kind::kResync;
      break;
    default:
      return step;
  }
  const auto digit = static_cast<std::uint32_t>(line[1] - '0');
  step.connection = digit > 5 ? digit - 5 + ingest::kPlaces : digit;
  step.payload = rest;
  return step;
}

}  // namespace

std::vector<Step> steps_of(std::string_view text) {
  std::vector<Step> steps;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    steps.push_back(step_of(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return steps;
}

ingest::Frame frame_of(const Step& step, std::size_t index, std::string_view payload) {
  ingest::Frame frame;
  frame.origin = step.origin;
  frame.payload = payload;
  frame.channel = step.channel;
  frame.symbol = step.symbol;
  frame.connection = step.connection;
  frame.receive_time = timestamp_from_ms(kStartMs + static_cast<std::int64_t>(index) * 100);
  return frame;
}

void play(const Step& step, std::size_t index, ingest::Normalizer& normalizer,
          ingest::MarketSink& sink) {
  switch (step.kind) {
    case Step::Kind::kFrame: {
      const std::vector<char> copy{step.payload.begin(), step.payload.end()};
      normalizer.feed(frame_of(step, index, {copy.data(), copy.size()}), sink);
      break;
    }
    case Step::Kind::kDown:
      normalizer.invalidate(step.connection, FeedState::kDown, ErrorCode::kClosedByPeer, sink);
      break;
    case Step::Kind::kResync:
      normalizer.invalidate(step.connection, FeedState::kSyncing, std::nullopt, sink);
      break;
  }
}

}  // namespace spreadwatch::fuzz
