#include "app/signals.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <ctime>

namespace spreadwatch::app {
namespace {

sigset_t kept_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

TerminationSignals::TerminationSignals() {
  const sigset_t set = kept_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int TerminationSignals::wait(const std::function<void()>& each_second) const {
  const sigset_t set = kept_set();
  constexpr timespec kSecond{.tv_sec = 1, .tv_nsec = 0};
  while (true) {
    const int number = sigtimedwait(&set, nullptr, &kSecond);
    if (number == SIGINT || number == SIGTERM) return number;
    if (number == SIGHUP) {
      spdlog::info(
          "SIGHUP: going on; the configuration is read at the start only, and this log needs no "
          "reopening");
    }
    if (each_second) each_second();
  }
}

}  // namespace spreadwatch::app
