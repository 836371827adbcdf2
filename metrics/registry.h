#pragma once

#include <functional>
#include <memory>
#include <string>

namespace prometheus {
class Collectable;
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

  /// `refresh` is called before each scrape is answered, on the thread that answers, one scrape at
  /// a time: for what is known by looking, not by an event. It must not wait, and what it uses must
  /// live until the last scrape.
  void on_scrape(std::function<void()> refresh);

  /// The library's registry, for the component classes.
  const std::shared_ptr<prometheus::Registry>& shared() const { return registry_; }
  /// What a scrape is answered from, for the exposer.
  std::shared_ptr<prometheus::Collectable> scraped() const;

 private:
  class Scraped;
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<Scraped> scraped_;
};

}  // namespace spreadwatch::metrics
