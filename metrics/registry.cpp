#include "metrics/registry.h"

#include <prometheus/collectable.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <utility>
#include <vector>

namespace spreadwatch::metrics {

/// The library's registry behind the calls that bring it up to date.
class Registry::Scraped final : public prometheus::Collectable {
 public:
  explicit Scraped(std::shared_ptr<prometheus::Registry> registry)
      : registry_(std::move(registry)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    {
      const std::lock_guard lock(mutex_);
      for (const std::function<void()>& refresh : refreshes_) refresh();
    }
    return registry_->Collect();
  }

  void add(std::function<void()> refresh) {
    const std::lock_guard lock(mutex_);
    refreshes_.push_back(std::move(refresh));
  }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  mutable std::mutex mutex_;
  std::vector<std::function<void()>> refreshes_;  // guarded by mutex_
};

Registry::Registry()
    : registry_(std::make_shared<prometheus::Registry>()),
      scraped_(std::make_shared<Scraped>(registry_)) {}

Registry::~Registry() = default;

std::string Registry::text() const {
  return prometheus::TextSerializer{}.Serialize(scraped_->Collect());
}

void Registry::on_scrape(std::function<void()> refresh) { scraped_->add(std::move(refresh)); }

std::shared_ptr<prometheus::Collectable> Registry::scraped() const { return scraped_; }

}  // namespace spreadwatch::metrics
