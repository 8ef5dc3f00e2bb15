// Makes the calls of a golden transcript through the C interface, and compares the results.
#pragma once

#include <stdexcept>
#include <string>

#include "edgeshift/edgeshift.h"
#include "transcript.hpp"

namespace edgeshift {

// A result that is not the expected one.
class Difference : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Read a transcript. Throws runtime_error.
Transcript read_transcript_file(const std::string &path);

// Make the calls. Throws Difference at the first result that is not the expected one, and runtime_error if a call fails or the
// transcript belongs to another artifact.
void play(es_model *model, const Transcript &transcript);

} // namespace edgeshift
