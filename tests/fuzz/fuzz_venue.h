#pragma once

#include <string_view>

#include "core/venue.h"

namespace spreadwatch::fuzz {

/// Plays a session (see session.h) to the venue's adapter and book rules, and aborts when what
/// comes out breaks a promise. `thoroughly` also requires that the same session again gives the
/// same, and looks at what the decoder itself says.
void check_session(VenueId venue, std::string_view session, bool thoroughly);

}  // namespace spreadwatch::fuzz
