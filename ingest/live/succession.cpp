#include "ingest/live/succession.h"

#include "ingest/net/backoff.h"

namespace spreadwatch::ingest {

void Succession::on_open(SteadyTime now, milliseconds max_age) {
  due_at_.reset();
  if (max_age.count() == 0) return;
  // Spread, so that connections opened together are not renewed together.
  std::uniform_real_distribution<double> share(0.90, 0.96);
  const auto age = static_cast<double>(max_age.count()) * share(random_);
  due_at_ = now + milliseconds{static_cast<milliseconds::rep>(age)};
}

void Succession::on_announced(SteadyTime now) {
  std::uniform_int_distribution<milliseconds::rep> wait(0, kSpread.count());
  due_at_ = now + milliseconds{wait(random_)};
}

bool Succession::rescue(SteadyTime now) {
  if (due(now) || now < next_rescue_) return false;
  if (now - next_rescue_ > kLongestRescue) rescues_ = 0;
  next_rescue_ = now + doubled(kFirstRescue, rescues_++, kLongestRescue);
  due_at_ = now;
  return true;
}

void Succession::succeed(const Succession& old) {
  rescues_ = old.rescues_;
  next_rescue_ = old.next_rescue_;
}

}  // namespace spreadwatch::ingest
