#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/steady_time.h"
#include "ingest/live/subscription_table.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/rest_client.h"

namespace spreadwatch::ingest {

/// Fetches over REST the first whole book of each order book stream of one connection that is
/// nothing but changes: within the venue's budget and outage gate, kMaxInFlight at a time, whoever
/// has waited longest first, and again, ever more slowly, until the book is synced.
///
/// An answer belongs to the connection that was open when it was requested: the changes that waited
/// for it are gone with that connection, so after a reconnect or stop() it is ignored, and it may
/// come when the object is gone.
///
/// Bounds: one entry for every order book stream of the table. Threads: everything on the thread
/// that runs the io_context, answers and the reader included.
class SnapshotSeeder {
 public:
  static constexpr int kMaxInFlight = 4;  ///< leaves others' requests a place in the queue
  /// Snapshots in a row that do not fit, after which the stream is subscribed anew.
  static constexpr int kUnfit = 8;

  struct Settings {
    VenueId venue{};
    std::uint32_t connection = 0;        ///< Frame::connection of the answers
    milliseconds timeout{5'000};         ///< of a request
    milliseconds first_retry{200};       ///< how long a failed one is waited for again at first
    milliseconds longest_retry{10'000};  ///< and at most; doubles in between
  };
  /// Has the normalizer read a snapshot, received `now`.
  using Reader = std::function<void(const Frame& frame, SteadyTime now)>;

  /// What `context` refers to, `rest`, `table` and `random` (of the jitter) must outlive the
  /// object.
  SnapshotSeeder(const VenueContext& context, Settings settings, VenueRest& rest,
                 SubscriptionTable& table, std::mt19937_64& random, Reader read);
  SnapshotSeeder(const SnapshotSeeder&) = delete;
  SnapshotSeeder& operator=(const SnapshotSeeder&) = delete;

  void on_open();
  /// What was wanted is forgotten.
  void on_closed();
  /// Nothing is read, reported or requested from here on.
  void stop() { stopped_ = true; }

  /// Has a snapshot fetched, unless one is on its way or has a time already.
  void want(const std::string& stream, SteadyTime now);
  /// The streams that `old` has or wants a snapshot for and that are of the table, too, are wanted
  /// here: an answer would come to nobody there.
  void succeed(const SnapshotSeeder& old, SteadyTime now);
  /// A snapshot is on its way or has its time.
  bool awaited(const std::string& stream) const;
  /// The order book is synced: no snapshot is wanted any more.
  void on_synced(const std::string& stream);
  void forget(const std::string& stream) { seeds_.erase(stream); }

  /// Requests what is due.
  void fetch(SteadyTime now);
  /// As fetch(), if anything new was wanted since the last call.
  void fetch_wanted(SteadyTime now);

 private:
  struct Seed {
    std::optional<SteadyTime> due;
    bool in_flight = false;  // the RestClient answers every request
    int failures = 0;        // since the book was last synced
  };

  void on_answer(const std::string& stream, std::uint64_t generation, const RestCall& call,
                 const RestResult& result);
  void on_snapshot(const std::string& stream, const RestCall& call, const RestAnswer& answer,
                   SteadyTime now);
  void on_failure(const std::string& stream, const RestCall& call, const RestFailure& failure,
                  SteadyTime now);
  /// How long to wait before a snapshot that failed so many times is requested again.
  milliseconds pause(int failures);

  const VenueContext context_;
  const Settings settings_;
  VenueRest& rest_;
  SubscriptionTable& table_;
  std::mt19937_64& random_;
  const Reader read_;
  std::unordered_map<std::string, Seed> seeds_;  // what is wanted, or has failed
  int in_flight_ = 0;                            // of earlier connections, too
  std::uint64_t generation_ = 0;                 // of the connection
  bool open_ = false;
  bool stopped_ = false;
  bool fresh_ = false;                     // wanted since fetch_wanted()
  std::shared_ptr<SnapshotSeeder*> self_;  // answers come through it, as long as there is one
};

}  // namespace spreadwatch::ingest
