#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/instrument.h"
#include "core/result.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/venue_profile.h"
#include "ingest/decode/decoded.h"

namespace spreadwatch::ingest {

/// What we allow ourselves of a published limit: the rest is for clock differences, for what was
/// sent just before a restart, and for other programs behind the same address.
inline constexpr double kBudgetShare = 0.8;

/// One channel of one instrument on a connection.
struct Subscription {
  Channel channel{};
  Instrument instrument;
  int depth = 0;  ///< one of the profile's depths; order books only

  friend auto operator<=>(const Subscription&, const Subscription&) = default;
};

/// A REST request of public data, relative to the venue's REST address.
struct RestCall {
  std::string path;     ///< path and query, from the slash
  std::string channel;  ///< Frame::channel of its answer
  std::string symbol;   ///< Frame::symbol of its answer; empty for many
  int weight = 1;       ///< what it costs of VenueProfile::rest
};

/// A venue described: its names, its subscribe messages, its payloads. Does no I/O, reads no clock,
/// owns no thread. State is limited to the market list it has been shown and scratch memory for
/// parsing. Threads: one at a time.
class VenueAdapter {
 public:
  static constexpr std::size_t kMaxFrameBytes = 8U << 20U;

  virtual ~VenueAdapter();
  virtual const VenueProfile& profile() const noexcept = 0;

  /// The venue's spelling of an instrument (the inverse of instrument()).
  virtual std::string venue_symbol(const Instrument& instrument) const = 0;
  /// The order book stream name that decode() gives for this subscription.
  virtual std::string book_stream(const Instrument& instrument, int depth) const = 0;

  /// Text frames that subscribe, each within the venue's limits per message. For a venue whose
  /// subscribe replaces, `subscriptions` must be the whole list.
  virtual std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                             Timestamp now) const = 0;
  /// Text frames that unsubscribe; empty for a venue whose subscribe replaces.
  virtual std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                               Timestamp now) const = 0;
  /// Text frames after which the socket tells when a market is listed, halted or delisted; empty
  /// where the venue has no such channel.
  virtual std::vector<std::string> watch_markets(Timestamp now) const;
  /// The text ping of a venue with Ping::kText.
  virtual std::string ping(Timestamp now) const;

  virtual RestCall book_call(const Instrument& instrument, int depth) const = 0;
  /// The book over REST that an order book of the socket starts from: as book_call(), but shallower
  /// where that would cost more than `weight`.
  virtual RestCall seed_call(const Instrument& instrument, int depth, int weight) const;
  /// The books of `instruments` (one to VenueProfile::books_per_call) for while the socket does not
  /// deliver them, and to check those that it does. Where the price of a call rises with the depth,
  /// at most 100 levels a side. Its answer is to be fed on kPolledChannel or kAuditChannel.
  virtual RestCall polled_call(std::span<const Instrument> instruments, int depth) const;
  /// One call, or several where the venue takes only so many instruments at a time.
  virtual std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const = 0;
  virtual RestCall markets_call() const = 0;

  /// Reads one payload into `out` (cleared first). Never throws: what cannot be read is in
  /// `out.errors`, and every price and size that comes out is finite and in range (prices above
  /// zero, sizes not negative). A market list is learned on the way.
  void decode(const Frame& frame, Decoded& out);

  /// Knows the market list that another adapter of the venue has been shown.
  void learn_from(const VenueAdapter& other) { listed_ = other.listed_; }

  /// The canonical instrument: from the market list when it has been seen, else by splitting the
  /// symbol at the longest known quote currency. nullopt when it is not a spot instrument.
  std::optional<Instrument> instrument(std::string_view venue_symbol) const;

  /// The smallest depth the venue offers that is at least `requested` (its largest when none is;
  /// its default when 0).
  int offered_depth(int requested) const { return profile().offered_depth(requested); }

 protected:
  VenueAdapter();
  /// The work of decode(): fills `out`, may throw simdjson::simdjson_error or DecodeFailure for the
  /// payload as a whole. `ticker.venue/instrument/origin/…` are filled in afterwards. What parse()
  /// put into `out` before it threw is dropped.
  virtual void parse(const Frame& frame, Decoded& out) = 0;
  /// parse() says what it has recognized so far, so that an error further on names it. `stream`
  /// only where a lost message makes the stream untrustworthy (deltas).
  void about(std::string_view symbol, std::string_view stream = {});
  /// The call whose path is `path` and then the instrument's symbol.
  RestCall call_of(std::string_view path, std::string_view channel,
                   const Instrument& instrument) const;
  /// ticker_calls() of a venue that tells one instrument's ticker (`one`, and then its symbol) or
  /// all.
  std::vector<RestCall> one_or_all(std::span<const Instrument> instruments, std::string_view one,
                                   std::string_view all) const;
  /// ticker_calls() of a venue that takes symbols between commas behind `path`, as many at a time
  /// as its profile says.
  std::vector<RestCall> in_groups(std::span<const Instrument> instruments,
                                  std::string_view path) const;
  /// Splits a symbol without a market list.
  virtual std::optional<Instrument> split(std::string_view venue_symbol) const = 0;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  void finish_tickers(const Frame& frame, Decoded& out) const;
  void learn(const std::vector<MarketInfo>& markets);

  std::unordered_map<std::string, Instrument, Hash, std::equal_to<>> listed_;
  std::string symbol_;  ///< of about()
  std::string stream_;
};

/// Makes the adapter of a venue. Every VenueId has one.
std::unique_ptr<VenueAdapter> make_adapter(VenueId id);
/// The profile of a venue's adapter; lives as long as the program. Threads: any.
const VenueProfile& venue_profile(VenueId id);

}  // namespace spreadwatch::ingest
