#include "sim/limits.h"

namespace spreadwatch::sim {
namespace {

constexpr std::size_t kMaxKeys = 1024;

}  // namespace

void Violations::count(VenueId venue, std::string_view rule, std::int64_t now_ms) {
  Entry& entry = entries_[{venue, std::string(rule)}];
  ++entry.count;
  entry.last_ts_ms = now_ms;
}

std::vector<Violations::Row> Violations::rows() const {
  std::vector<Row> rows;
  rows.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    rows.push_back({key.first, key.second, entry.count, entry.last_ts_ms});
  }
  return rows;
}

void RateWindow::expire(std::int64_t now_ms) {
  while (!entries_.empty() && entries_.front().ts_ms <= now_ms - window_ms_) {
    used_ -= entries_.front().units;
    entries_.pop_front();
  }
}

bool RateWindow::admit(std::int64_t now_ms, std::int64_t units) {
  expire(now_ms);
  if (used_ + units > limit_) return false;
  used_ += units;
  entries_.push_back({now_ms, units});
  return true;
}

std::int64_t RateWindow::used(std::int64_t now_ms) {
  expire(now_ms);
  return used_;
}

std::int64_t RateWindow::frees_at(std::int64_t now_ms) {
  expire(now_ms);
  return entries_.empty() ? now_ms : entries_.front().ts_ms + window_ms_;
}

RateWindow& KeyedRate::operator[](const std::string& key) {
  const auto found = windows_.find(key);
  if (found != windows_.end()) return found->second;
  if (windows_.size() >= kMaxKeys) windows_.clear();
  return windows_.emplace(key, RateWindow(limit_, window_ms_)).first->second;
}

}  // namespace spreadwatch::sim
