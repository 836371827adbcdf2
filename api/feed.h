#pragma once

#include "api/broadcaster.h"
#include "api/store.h"
#include "spread/event.h"

namespace spreadwatch::api {

/// Hands an event to the HTTP side: the store keeps it, the stream sends it. `record` is its record if the caller
/// has encoded it already (publish::append_event), else null: then it is encoded here, once, and only when
/// somebody needs the text. A FeedError is not part of the HTTP side and is ignored.
/// Threads: any.
void feed(Store& store, Broadcaster& broadcaster, const spread::Event& event,
          Record record = nullptr);

}  // namespace spreadwatch::api
