#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ingest/book/normalizer.h"

/// What a venue said on its connections and over REST, as lines of text.
///
///   w1 {"type":"ticker",…}             a frame of connection 1
///   r1 orderbook KRW-BTC {"market":…}  an answer over REST, with channel and symbol
///   d1                                 connection 1 is gone
///   y1                                 its streams are subscribed anew
///
/// Connections 6 to 9 are opened to succeed 1 to 4. "-" stands for no channel or symbol. Any other
/// line is a frame of connection 1 as it is.
namespace spreadwatch::fuzz {

struct Step {
  enum class Kind : std::uint8_t { kFrame, kDown, kResync };
  Kind kind = Kind::kFrame;
  Origin origin = Origin::kWs;
  std::uint32_t connection = 1;
  std::string_view channel;
  std::string_view symbol;
  std::string_view payload;
};

/// Views into `text`. Every text is a session.
std::vector<Step> steps_of(std::string_view text);

/// The frame of a step, received `index` tenths of a second after a fixed time. `payload` takes
/// the place of the step's.
ingest::Frame frame_of(const Step& step, std::size_t index, std::string_view payload);

/// Gives a step to a normalizer, its payload from memory of exactly its size.
void play(const Step& step, std::size_t index, ingest::Normalizer& normalizer,
          ingest::MarketSink& sink);

}  // namespace spreadwatch::fuzz
