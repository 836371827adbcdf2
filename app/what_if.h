#pragma once

#include "api/providers.h"
#include "app/engine_loop.h"
#include "core/time.h"

namespace spreadwatch::app {

/// Asks the engine what a size would earn now, and waits for the answer, at most half a second.
/// Threads: any but the engine's.
api::ProfitAnswer ask_profit(EngineLoop& engine, const Clock& clock, const api::ProfitQuery& query);

}  // namespace spreadwatch::app
