// What the thread sanitizer must not judge: Debian's cpprestsdk is not instrumented, so the
// sanitizer sees its frees but not the reference counts that order them.

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:libcpprest\n"
         "race:pplx::details::_CancellationTokenState\n";
}
#endif
