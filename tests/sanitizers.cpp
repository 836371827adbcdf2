// What the sanitizers must not judge, in every test program.

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  // Debian's libraries are not instrumented. Of cpprestsdk the sanitizer sees the frees but not the
  // reference counts that order them; of librdkafka the accesses but not the C11 locks around
  // them; of spdlog the registry's construction but not its guard.
  return "race:libcpprest\n"
         "race:pplx::details::_CancellationTokenState\n"
         "race:spdlog::details::registry\n"
         "called_from_lib:librdkafka.so\n"
         "called_from_lib:libzstd.so\n"
         "called_from_lib:liblz4.so\n";
}
#endif
