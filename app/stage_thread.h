#pragma once

#include <pthread.h>

namespace spreadwatch::app {

/// What `top -H` and a debugger call this thread. At most 15 characters.
inline void name_thread(const char* name) { pthread_setname_np(pthread_self(), name); }

}  // namespace spreadwatch::app
