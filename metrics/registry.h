#pragma once

#include <memory>
#include <string>

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace spreadwatch::metrics {

/// Every metric of one program. The component classes of this folder register their series here and
/// must not outlive it. Threads: any.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Everything there is now, in the Prometheus text format: what a scrape answers.
  std::string text() const;

  /// The library's registry, for the component classes and the exposer.
  const std::shared_ptr<prometheus::Registry>& shared() const { return registry_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace spreadwatch::metrics
