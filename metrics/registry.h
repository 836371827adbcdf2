#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/time.h"

namespace prometheus {
class Collectable;
class Registry;
}  // namespace prometheus

namespace spreadwatch::metrics {

/// A series that is of the moment at which it is looked at, such as an age.
class Refreshed {
 public:
  /// Called right before a scrape collects, on its thread; must not wait.
  virtual void refresh(Timestamp now) = 0;

 protected:
  ~Refreshed() = default;
};

/// Every metric of one program. The component classes of this folder register their series here and
/// must not outlive it. Threads: any.
class Registry {
 public:
  /// `clock` says of which moment a scrape is, and must outlive the registry. It has to be the one
  /// whose times the component classes are told.
  explicit Registry(const Clock& clock);
  /// By the machine's clock.
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Everything there is now, in the Prometheus text format: what a scrape answers.
  std::string text() const;

  /// The library's registry, for the component classes.
  const std::shared_ptr<prometheus::Registry>& shared() const;
  /// What a scrape is answered from: everything there is, as it is then.
  std::shared_ptr<prometheus::Collectable> scraped() const;

  Timestamp now() const;
  /// A moment of the clock as the time of day to tell (Clock::shown()).
  Timestamp shown(Timestamp moment) const;
  /// `series` is refreshed before each scrape until it is removed.
  void add(Refreshed& series);
  /// Returns when no scrape refreshes it any more.
  void remove(Refreshed& series);

 private:
  class Scraped;
  std::shared_ptr<Scraped> scraped_;
};

}  // namespace spreadwatch::metrics
