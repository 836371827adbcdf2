#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {

std::unique_ptr<VenueAdapter> make_adapter(VenueId id) { return registered(id).make(); }

}  // namespace spreadwatch::ingest
