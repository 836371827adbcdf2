#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/bounded_queue.h"
#include "core/heartbeat.h"
#include "http/stream.h"

namespace spreadwatch::api {

/// What a stream client can ask for: the record types of the same name.
enum class Topic : std::uint8_t { kTicker, kOrderBook, kFx, kPremium, kSpread, kOpportunity };
inline constexpr std::array<std::string_view, 6> kTopicNames = {
    "ticker", "orderbook", "fx", "premium", "spread", "opportunity"};
constexpr std::string_view to_string(Topic t) { return kTopicNames[static_cast<std::size_t>(t)]; }
std::optional<Topic> topic_from_name(std::string_view name);

/// A set of topics, one bit each.
using TopicMask = std::uint32_t;
constexpr TopicMask mask_of(Topic t) { return TopicMask{1} << static_cast<unsigned>(t); }
inline constexpr TopicMask kAllTopics = (TopicMask{1} << kTopicNames.size()) - 1;

/// A piece of an event stream that any number of clients send without copying it.
using StreamChunk = http::Stream::Chunk;

/// Where a client's share of the stream goes. Threads: called by the broadcaster's own thread only.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  /// Queues the chunk; false when there is no room or the client is gone. Must not block.
  virtual bool offer(const StreamChunk& chunk) = 0;
  /// No more will come. `cut`: what is still queued shall be thrown away.
  virtual void finish(bool cut) = 0;
};

/// Fans events out to the clients of `/api/v1/stream`: each event is written out once, however many
/// listen.
///
/// publish() is cheap and never waits: events go through a bounded queue to one thread. Past the
/// bound they are dropped and counted; a client that does not keep up is cut and counted. Threads:
/// any.
class Broadcaster {
 public:
  /// `dropped` is told of each event that the full queue refused, on the thread that published it.
  Broadcaster(std::size_t max_clients, std::chrono::milliseconds heartbeat,
              std::function<void()> dropped = {});
  ~Broadcaster();  ///< close()
  Broadcaster(const Broadcaster&) = delete;
  Broadcaster& operator=(const Broadcaster&) = delete;

  /// Sends `record` (one JSON record on one line) to every client that asked for `topic`.
  void publish(Topic topic, std::string_view record);

  /// Whether a client listens to the topic now, so that nobody encodes for nobody.
  bool wanted(Topic topic) const {
    return (wanted_.load(std::memory_order_relaxed) & mask_of(topic)) != 0;
  }

  /// False when there are as many clients as allowed, or after close().
  bool add(std::shared_ptr<StreamSink> sink, TopicMask topics);
  void remove(const StreamSink* sink);

  /// Ends every client's stream and the thread. Idempotent.
  void close();

  std::size_t clients() const;
  /// Of the thread that fans out.
  const Heartbeat& alive() const { return alive_; }
  std::uint64_t cut() const {
    return cut_.load(std::memory_order_relaxed);
  }                                                            ///< clients cut as too slow
  std::uint64_t dropped() const { return events_.refused(); }  ///< events refused by the full queue
  std::uint64_t published() const { return next_id_.load(std::memory_order_relaxed) - 1; }

 private:
  struct Event {
    Topic topic{};
    std::uint64_t id = 0;
    std::string record;
  };
  struct Client {
    std::shared_ptr<StreamSink> sink;
    TopicMask topics = 0;
  };

  void run();
  void fan_out(const std::vector<Event>& batch);
  void heartbeat();
  void drop_slow(const std::vector<std::size_t>& slow);  // REQUIRES: mutex_ held; rising
  void clients_changed();                                // REQUIRES: mutex_ held

  static constexpr std::size_t kQueuedEvents = 20'000;

  const std::size_t max_clients_;
  const std::chrono::milliseconds heartbeat_;
  const std::function<void()> on_dropped_;
  BoundedQueue<Event> events_{kQueuedEvents};
  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<std::uint64_t> cut_{0};
  std::atomic<TopicMask> wanted_{0};
  mutable std::mutex mutex_;
  std::vector<Client> clients_;  // guarded by mutex_
  bool closed_ = false;          // guarded by mutex_
  Heartbeat alive_;
  std::jthread thread_;
};

}  // namespace spreadwatch::api
