#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch {

/// `count` events in any window of `per`.
struct RateLimit {
  int count = 0;
  milliseconds per{0};
};

/// What a venue's order books prove themselves with, for those whose messages carry changes.
struct BookProof {
  std::string_view number;    ///< what the venue calls a change's number, "u"; for errors
  std::string_view first;     ///< the number a change of several begins with, "U"; empty = none has
  std::string_view previous;  ///< the number a change follows, "prevSeqId"; empty = none tells
  bool restarts_at_one = false;  ///< a message with number 1 is a whole book

  /// How the text that the CRC32 is of is written.
  enum class Text : std::uint8_t {
    kNone,
    kByLevel,  ///< best bid, best ask, next bid, …: price and size as written, between colons
    kBySide    ///< asks, then bids: digits without point and leading zeros, nothing between
  };
  Text text = Text::kNone;
  std::size_t levels = 0;  ///< a side, that the checksum is of
};

/// What is known of a venue before talking to it: addresses, keepalive, limits, and how its books
/// prove themselves. Each number comes from the venue's documentation, named at `docs_url`.
struct VenueProfile {
  VenueId id{};
  std::string_view ws_url;
  std::string_view rest_url;
  std::string_view docs_url;
  std::string_view protocol;   ///< generation and the date it was read, e.g. "v5 (2026-10)"
  std::string_view integrity;  ///< one sentence: how a lost or wrong message is noticed

  enum class Ping : std::uint8_t { kNone, kProtocol, kText };
  Ping ping = Ping::kProtocol;  ///< who keeps the line open: kNone = the server pings, we answer
  milliseconds ping_every{15'000};
  milliseconds pong_within{10'000};
  milliseconds silence{60'000};  ///< a healthy connection never says nothing for so long

  RateLimit connects;               ///< new connections, per address
  std::vector<RateLimit> messages;  ///< what we may send on one connection
  RateLimit rest;                   ///< REST weight, per address
  milliseconds block{
      0};  ///< how long an address that goes on asking is shut out; 0 = not documented
  std::size_t max_subscriptions =
      1000;                 ///< per connection (a channel of an instrument counts as one)
  milliseconds max_age{0};  ///< the server closes a connection of this age; 0 = not documented

  bool subscribe_replaces = false;  ///< a later subscribe message replaces all earlier ones
  bool book_needs_rest = false;     ///< the book's first snapshot comes over REST
  std::vector<int> depths;          ///< levels a side the venue offers, rising
  int default_depth = 0;

  /// What tells that a book over REST and one of the socket are of the same moment.
  enum class Match : std::uint8_t { kNothing, kTime, kSequence };
  Match match = Match::kNothing;
  /// A book over REST and one of the socket of the same market are numbered in one series.
  bool one_series = false;
  BookProof proof;
  std::size_t books_per_call = 1;  ///< instruments in one polled_call()
  /// Instruments in one of ticker_calls(); 0 = a call for several is for all that the venue lists.
  std::size_t tickers_per_call = 0;

  /// The smallest depth the venue offers that is at least `requested` (its largest when none is;
  /// its default when 0).
  int offered_depth(int requested) const;
};

}  // namespace spreadwatch
