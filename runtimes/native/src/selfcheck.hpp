// The self-check: test frames from a seed are run, and the logits and states are compared with those in the description.
// Python's edgeshift/stream/selfcheck.py is the same.
#pragma once

#include <memory>

#include "edgeshift/edgeshift.h"
#include "model.hpp"

namespace edgeshift {

// Run the self-check twice. Throws Error if the artifact has none, or the runtime fails.
es_check self_check(std::shared_ptr<const Model> model);

} // namespace edgeshift
