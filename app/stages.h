#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/heartbeat.h"

namespace spreadwatch::app {

/// What works in a running service, each on threads of its own.
enum class Stage : std::uint8_t { kFeeds, kBank, kEngine, kPublish, kStore, kKafka, kStream };
inline constexpr std::array<std::string_view, 7> kStageNames = {
    "feeds", "bank", "engine", "publish", "store", "kafka", "stream"};
constexpr std::string_view to_string(Stage s) { return kStageNames[static_cast<std::size_t>(s)]; }

/// The signs of life of every stage: whether one stands is asked of itself, not of another.
/// Threads: add() before the others; those any.
class Stages {
 public:
  /// `heartbeat` must outlive the stages; a stage of several threads has one of each.
  void add(Stage stage, const Heartbeat& heartbeat) { heartbeats_.emplace_back(stage, &heartbeat); }

  bool stands(Stage stage, Heartbeat::Time now) const {
    for (const auto& [of, heartbeat] : heartbeats_) {
      if (of == stage && heartbeat->stands(now)) return true;
    }
    return false;
  }
  /// Its latest sign of life; nullopt before the first.
  std::optional<Heartbeat::Time> last(Stage stage) const {
    std::optional<Heartbeat::Time> last;
    for (const auto& [of, heartbeat] : heartbeats_) {
      if (of == stage && heartbeat->last() > last) last = heartbeat->last();
    }
    return last;
  }

 private:
  std::vector<std::pair<Stage, const Heartbeat*>> heartbeats_;
};

}  // namespace spreadwatch::app
