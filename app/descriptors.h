#pragma once

namespace spreadwatch::app {

/// Gives this process as many file descriptors as it may have. False, having said on stderr what
/// is wrong, when those are too few to work with.
bool claim_descriptors();

}  // namespace spreadwatch::app
