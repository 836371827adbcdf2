#include "metrics/registry.h"

#include <prometheus/collectable.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <set>
#include <vector>

namespace spreadwatch::metrics {
namespace {

const Clock& machine_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

class Registry::Scraped final : public prometheus::Collectable {
 public:
  explicit Scraped(const Clock& clock)
      : clock_(clock), registry_(std::make_shared<prometheus::Registry>()) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    {
      const std::lock_guard lock(mutex_);
      const Timestamp now = clock_.now();
      for (Refreshed* const series : refreshed_) series->refresh(now);
    }
    return registry_->Collect();
  }

  const Clock& clock() const { return clock_; }
  const std::shared_ptr<prometheus::Registry>& registry() const { return registry_; }
  void add(Refreshed& series) {
    const std::lock_guard lock(mutex_);
    refreshed_.insert(&series);
  }
  void remove(Refreshed& series) {
    const std::lock_guard lock(mutex_);
    refreshed_.erase(&series);
  }

 private:
  const Clock& clock_;
  const std::shared_ptr<prometheus::Registry> registry_;
  mutable std::mutex mutex_;
  std::set<Refreshed*> refreshed_;  // guarded by mutex_
};

Registry::Registry(const Clock& clock) : scraped_(std::make_shared<Scraped>(clock)) {}

Registry::Registry() : Registry(machine_clock()) {}

Registry::~Registry() = default;

std::string Registry::text() const {
  return prometheus::TextSerializer{}.Serialize(scraped_->Collect());
}

const std::shared_ptr<prometheus::Registry>& Registry::shared() const {
  return scraped_->registry();
}

std::shared_ptr<prometheus::Collectable> Registry::scraped() const { return scraped_; }

Timestamp Registry::now() const { return scraped_->clock().now(); }

Timestamp Registry::shown(Timestamp moment) const { return scraped_->clock().shown(moment); }

void Registry::add(Refreshed& series) { scraped_->add(series); }

void Registry::remove(Refreshed& series) { scraped_->remove(series); }

}  // namespace spreadwatch::metrics
