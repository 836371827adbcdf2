// Only in builds with the thread sanitizer: librdkafka starts its threads with C11's thrd_create,
// which that sanitizer does not know, so that the first allocation on such a thread ends the
// process. The program's own definition goes before the C library's.

#include "publish/kafka_client.h"

#if defined(__SANITIZE_THREAD__)

#include <pthread.h>
#include <threads.h>

#include <memory>

namespace {

struct Start {
  thrd_start_t function;
  void* argument;
};

void* run(void* p) {
  const std::unique_ptr<Start> start{static_cast<Start*>(p)};
  start->function(start->argument);
  return nullptr;
}

}  // namespace

extern "C" int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto start = std::make_unique<Start>(Start{function, argument});
  if (pthread_create(thread, nullptr, run, start.get()) != 0) return thrd_error;
  static_cast<void>(start.release());
  return thrd_success;
}

extern "C" int thrd_join(thrd_t thread, int* result) {
  if (result != nullptr) *result = 0;
  return pthread_join(thread, nullptr) == 0 ? thrd_success : thrd_error;
}

#endif

namespace spreadwatch::publish {

void keep_thread_interposition() {}

}  // namespace spreadwatch::publish
