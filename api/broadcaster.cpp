#include "api/broadcaster.h"

#include <algorithm>
#include <map>
#include <utility>

namespace spreadwatch::api {
namespace {

/// Events are collected for so long at most, so that a busy moment costs one write per client, not
/// many.
constexpr std::chrono::milliseconds kWake{200};

void append_event(std::string& out, std::string_view topic, std::uint64_t id,
                  std::string_view record) {
  out += "id: ";
  out += std::to_string(id);
  out += "\nevent: ";
  out += topic;
  out += "\ndata: ";
  out += record;
  out += "\n\n";
}

}  // namespace

std::optional<Topic> topic_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kTopicNames.size(); ++i) {
    if (kTopicNames[i] == name) return static_cast<Topic>(i);
  }
  return std::nullopt;
}

Broadcaster::Broadcaster(std::size_t max_clients, std::chrono::milliseconds heartbeat,
                         std::function<void()> dropped)
    : max_clients_(max_clients),
      heartbeat_(heartbeat),
      on_dropped_(std::move(dropped)),
      thread_([this] { run(); }) {}

Broadcaster::~Broadcaster() { close(); }

void Broadcaster::publish(Topic topic, std::string_view record) {
  if (!wanted(topic)) return;
  while (!record.empty() && (record.back() == '\n' || record.back() == '\r')) {
    record.remove_suffix(1);  // a line end inside an event would end it
  }
  const bool queued = events_.try_push(
      Event{topic, next_id_.fetch_add(1, std::memory_order_relaxed), std::string{record}});
  if (!queued && on_dropped_) on_dropped_();
}

bool Broadcaster::add(std::shared_ptr<StreamSink> sink, TopicMask topics) {
  const std::lock_guard lock(mutex_);
  if (closed_ || clients_.size() >= max_clients_) return false;
  clients_.push_back({std::move(sink), topics});
  clients_changed();
  return true;
}

void Broadcaster::remove(const StreamSink* sink) {
  const std::lock_guard lock(mutex_);
  std::erase_if(clients_, [sink](const Client& c) { return c.sink.get() == sink; });
  clients_changed();
}

void Broadcaster::close() {
  events_.close();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const Client& client : clients_) client.sink->finish(false);
  clients_.clear();
  clients_changed();
}

void Broadcaster::clients_changed() {
  TopicMask wanted = 0;
  for (const Client& client : clients_) wanted |= client.topics;
  wanted_.store(wanted, std::memory_order_relaxed);
}

std::size_t Broadcaster::clients() const {
  const std::lock_guard lock(mutex_);
  return clients_.size();
}

void Broadcaster::run() {
  std::vector<Event> batch;
  auto next_heartbeat = std::chrono::steady_clock::now() + heartbeat_;
  const auto wake = std::min(kWake, heartbeat_);
  while (events_.pop_all(batch, wake)) {
    if (!batch.empty()) fan_out(batch);
    const auto now = std::chrono::steady_clock::now();
    alive_.beat(now);
    if (now < next_heartbeat) continue;
    heartbeat();
    next_heartbeat = now + heartbeat_;
  }
  alive_.rest();
}

void Broadcaster::fan_out(const std::vector<Event>& batch) {
  std::map<TopicMask, StreamChunk> chunks;  // clients with the same topics share one text
  std::vector<std::size_t> slow;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const TopicMask topics = clients_[i].topics;
    auto found = chunks.find(topics);
    if (found == chunks.end()) {
      std::string text;
      for (const Event& event : batch) {
        if ((topics & mask_of(event.topic)) == 0) continue;
        append_event(text, to_string(event.topic), event.id, event.record);
      }
      found = chunks.emplace(topics, std::make_shared<const std::string>(std::move(text))).first;
    }
    if (found->second->empty()) continue;
    if (!clients_[i].sink->offer(found->second)) slow.push_back(i);
  }
  drop_slow(slow);
}

void Broadcaster::heartbeat() {
  static const StreamChunk kBeat = std::make_shared<const std::string>(": heartbeat\n\n");
  std::vector<std::size_t> slow;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!clients_[i].sink->offer(kBeat)) slow.push_back(i);
  }
  drop_slow(slow);
}

void Broadcaster::drop_slow(const std::vector<std::size_t>& slow) {
  for (auto i = slow.rbegin(); i != slow.rend(); ++i) {
    const auto at = clients_.begin() + static_cast<std::ptrdiff_t>(*i);
    at->sink->finish(true);
    clients_.erase(at);
  }
  cut_.fetch_add(slow.size(), std::memory_order_relaxed);
  clients_changed();
}

}  // namespace spreadwatch::api
