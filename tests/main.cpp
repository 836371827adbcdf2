#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
#if defined(__SANITIZE_ADDRESS__)
  // Now, and not after the destructors of static objects: cpprestsdk's pool drops what is queued in
  // it when the process exits.
  __lsan_do_leak_check();
#endif
  return result;
}
