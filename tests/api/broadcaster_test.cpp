#include "api/broadcaster.h"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using spreadwatch::api::Broadcaster;
using spreadwatch::api::kAllTopics;
using spreadwatch::api::mask_of;
using spreadwatch::api::StreamChunk;
using spreadwatch::api::StreamSink;
using spreadwatch::api::Topic;

namespace {

/// Keeps what it was given; refuses once `room` chunks are there.
class Recorder final : public StreamSink {
 public:
  explicit Recorder(std::size_t room = 1'000'000) : room_(room) {}
  bool offer(const StreamChunk& chunk) override {
    const std::lock_guard lock(mutex_);
    if (chunks_.size() >= room_) return false;
    chunks_.push_back(chunk);
    changed_.notify_all();
    return true;
  }
  void finish(bool cut) override {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    cut_ = cut;
    changed_.notify_all();
  }
  bool wait_for_text(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return joined().find(text) != std::string::npos; });
  }
  bool wait_for_end() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return finished_; });
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return joined();
  }
  std::vector<StreamChunk> chunks() {
    const std::lock_guard lock(mutex_);
    return chunks_;
  }
  bool cut() {
    const std::lock_guard lock(mutex_);
    return cut_;
  }

 private:
  std::string joined() const {
    std::string all;
    for (const StreamChunk& c : chunks_) all += *c;
    return all;
  }
  const std::size_t room_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<StreamChunk> chunks_;
  bool finished_ = false;
  bool cut_ = false;
};

}  // namespace

TEST_CASE("an event reaches the clients that asked for its topic and no others") {
  Broadcaster broadcaster(10, 15s);
  const auto fx = std::make_shared<Recorder>();
  const auto all = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(fx, mask_of(Topic::kFx)));
  REQUIRE(broadcaster.add(all, kAllTopics));
  broadcaster.publish(Topic::kPremium, R"({"n":1})");
  broadcaster.publish(Topic::kFx, "{\"n\":2}\n");
  REQUIRE(fx->wait_for_text("\"n\":2"));
  REQUIRE(all->wait_for_text("\"n\":2"));
  CHECK(fx->text() == "id: 2\nevent: fx\ndata: {\"n\":2}\n\n");
  CHECK(all->text() ==
        "id: 1\nevent: premium\ndata: {\"n\":1}\n\nid: 2\nevent: fx\ndata: {\"n\":2}\n\n");
}

TEST_CASE("clients of the same topics share one text") {
  Broadcaster broadcaster(10, 15s);
  const auto a = std::make_shared<Recorder>();
  const auto b = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(a, kAllTopics));
  REQUIRE(broadcaster.add(b, kAllTopics));
  broadcaster.publish(Topic::kFx, "{}");
  REQUIRE(a->wait_for_text("{}"));
  REQUIRE(b->wait_for_text("{}"));
  CHECK(a->chunks().front() == b->chunks().front());
}

TEST_CASE("a client without room is cut and counted, the others go on") {
  Broadcaster broadcaster(10, 15s);
  const auto slow = std::make_shared<Recorder>(0);
  const auto good = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(slow, kAllTopics));
  REQUIRE(broadcaster.add(good, kAllTopics));
  broadcaster.publish(Topic::kFx, "{}");
  REQUIRE(slow->wait_for_end());
  CHECK(slow->cut());
  REQUIRE(good->wait_for_text("{}"));
  CHECK(broadcaster.clients() == 1);
  CHECK(broadcaster.cut() == 1);
}

TEST_CASE("a quiet stream gets heartbeats") {
  Broadcaster broadcaster(10, 20ms);
  const auto client = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(client, kAllTopics));
  CHECK(client->wait_for_text(": heartbeat\n\n: heartbeat\n\n"));
}

TEST_CASE("there are at most as many clients as allowed") {
  Broadcaster broadcaster(1, 15s);
  const auto first = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(first, kAllTopics));
  CHECK_FALSE(broadcaster.add(std::make_shared<Recorder>(), kAllTopics));
  broadcaster.remove(first.get());
  CHECK(broadcaster.add(std::make_shared<Recorder>(), kAllTopics));
}

TEST_CASE("closing ends every stream without cutting it, and nothing is accepted after") {
  Broadcaster broadcaster(10, 15s);
  const auto client = std::make_shared<Recorder>();
  REQUIRE(broadcaster.add(client, kAllTopics));
  broadcaster.close();
  REQUIRE(client->wait_for_end());
  CHECK_FALSE(client->cut());
  CHECK_FALSE(broadcaster.add(std::make_shared<Recorder>(), kAllTopics));
  broadcaster.publish(Topic::kFx, "{}");
  CHECK(broadcaster.dropped() == 0);
}
