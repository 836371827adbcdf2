#include "app/signals.h"

#include <pthread.h>

#include <csignal>

namespace spreadwatch::app {
namespace {

sigset_t termination_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

TerminationSignals::TerminationSignals() {
  const sigset_t set = termination_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that goes away while we write is an error of that write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
}

int TerminationSignals::wait() const {
  const sigset_t set = termination_set();
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

std::optional<int> TerminationSignals::wait_for(microseconds longest) const {
  const sigset_t set = termination_set();
  const auto whole = std::chrono::floor<seconds>(longest);
  const timespec wait{.tv_sec = whole.count(),
                      .tv_nsec = std::chrono::nanoseconds{longest - whole}.count()};
  const int number = sigtimedwait(&set, nullptr, &wait);
  return number > 0 ? std::optional{number} : std::nullopt;
}

}  // namespace spreadwatch::app
