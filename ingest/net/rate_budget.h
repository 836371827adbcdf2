#pragma once

#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/time.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/net/rest_outage.h"

namespace spreadwatch::ingest {

/// A sliding window: at most `count` (times kBudgetShare, at least 1) in any `per` and half a
/// second (or half of `per`, if that is shorter) more, since not everything is equally long under
/// way.
///
/// Time is passed in; time that runs backwards moves the window with it. A limit with count 0 or
/// per 0 allows everything. Threads: one at a time.
class RateWindow {
 public:
  explicit RateWindow(RateLimit limit);

  /// How long until `weight` more fit; 0 = now. A weight above the whole budget fits an empty
  /// window.
  microseconds wait(Timestamp now, int weight = 1);
  void take(Timestamp now, int weight = 1);
  /// What could be taken at once; the whole window of a limit that allows everything is INT_MAX.
  int left(Timestamp now);

  const RateLimit& limit() const { return limit_; }  ///< after the margins

  struct Taken {
    Timestamp time;
    int weight;
  };
  /// What still counts at `now`, second by second, for a later restore(). Empty for a window that
  /// is over before a program can be started again (under ten seconds).
  std::vector<Taken> kept(Timestamp now);
  /// Puts back what kept() gave before a restart. What is over or lies beyond `now` is left out.
  void restore(const std::vector<Taken>& taken, Timestamp now);

 private:
  void advance(Timestamp now);

  RateLimit limit_;
  std::deque<Taken> taken_;  // oldest first, all within the window
  int sum_ = 0;
  Timestamp last_{};
};

/// What one connection may still send. Threads: one at a time.
class MessageBudget {
 public:
  explicit MessageBudget(std::span<const RateLimit> limits);

  /// 0 = taken; else how long to wait before asking again, nothing taken. Keepalives (`ping`) count
  /// in windows of up to a minute only: the longer ones of the venues are about subscribing.
  microseconds take(Timestamp now, bool ping = false);
  /// Whether `messages` more would leave at least the fraction `spare` of every window. Takes
  /// nothing.
  bool leaves(Timestamp now, int messages, double spare);

 private:
  struct Window {
    RateWindow rate;
    bool counts_pings;
  };
  std::vector<Window> windows_;
};

/// What an address may still ask of one venue: connects and REST weight, and whether the venue has
/// refused us. Shared by all connections of the venue. Threads: one at a time.
class VenueBudget {
 public:
  /// `seed` is of the jitter in outages.
  explicit VenueBudget(const VenueProfile& profile, std::uint64_t seed = 1);

  /// What must not be forgotten over a restart: pauses, and what counts in the long windows.
  struct State {
    std::optional<Timestamp> connect_pause;
    std::optional<Timestamp> rest_pause;
    std::vector<RateWindow::Taken> connects;
    std::vector<RateWindow::Taken> rest;
  };
  State state(Timestamp now);
  /// Pauses are believed for as long as the longest ban that a venue is known for.
  void restore(const State& state, Timestamp now);

  /// 0 = taken; else how long to wait before asking again, nothing taken.
  microseconds take_connect(Timestamp now);
  microseconds take_rest(Timestamp now, int weight = 1);
  /// Weight that could be taken now, whatever pauses there are.
  int rest_left(Timestamp now) { return rest_.left(now); }
  /// As take_rest(), for what can wait: leaves the fraction `spare` of the window to what cannot.
  microseconds take_rest(Timestamp now, int weight, double spare);

  /// What a REST request or a websocket upgrade was answered with. 429, 418, 403 and everything
  /// with a Retry-After pause what was refused, without Retry-After for a time that grows with each
  /// refusal; a ban (418) pauses both. Other statuses change nothing.
  void refused_connect(Timestamp now, int status, std::optional<milliseconds> retry_after);
  void refused_rest(Timestamp now, int status, std::optional<milliseconds> retry_after);
  /// Something worked again: refusals without Retry-After start small again.
  void accepted_connect() { connect_refusals_ = 0; }
  /// `retry_after` is of the answer's head, should refused_in_body() follow.
  void accepted_rest(std::optional<milliseconds> retry_after = std::nullopt) {
    refusals_before_ = std::exchange(rest_refusals_, 0);
    retry_after_ = retry_after;
  }
  /// The body of the answer that accepted_rest() was just told of is a refusal, or a ban: as
  /// refused_rest() with 429, or 418, and no acceptance after all.
  void refused_in_body(Timestamp now, bool banned);

  /// The venue's own count of the weight used in its window.
  void used_weight(Timestamp now, int used);

  /// Until when connects (REST requests) are paused; nullopt when they are not.
  std::optional<Timestamp> connect_paused_until(Timestamp now) const;
  std::optional<Timestamp> rest_paused_until(Timestamp now) const;

  RestOutage& outage() { return outage_; }

 private:
  milliseconds guess(int status, bool rest, int refusals) const;
  milliseconds pause_for(int status, bool rest, int refusals,
                         const std::optional<milliseconds>& retry_after) const;

  RateWindow connects_;
  RateWindow rest_;
  const milliseconds block_;
  std::optional<Timestamp> connect_pause_;
  std::optional<Timestamp> rest_pause_;
  int connect_refusals_ = 0;
  int rest_refusals_ = 0;
  int refusals_before_ = 0;                  // the last acceptance
  std::optional<milliseconds> retry_after_;  // that came with it
  RestOutage outage_;
};

}  // namespace spreadwatch::ingest
