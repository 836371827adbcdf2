// What the sanitizers must not judge, in every test program.

#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  // cpprestsdk's process-wide pool drops the continuations that are queued when the process exits.
  return "leak:_ScheduleFuncWithAutoInline\n"
         "leak:Concurrency::streams::details::streambuf_state_manager\n"
         "leak:pplx::details::_Task_impl_base::_AsyncInit\n";
}
#endif

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
