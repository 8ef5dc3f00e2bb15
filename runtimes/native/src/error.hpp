// The one exception of the core. The C interface turns it into a status and a message.
#pragma once

#include <stdexcept>
#include <string>

#include "edgeshift/edgeshift.h"

namespace edgeshift {

class Error : public std::runtime_error {
  public:
    Error(es_status status, const std::string &message) : std::runtime_error(message), status(status) {}
    const es_status status;
};

inline Error bad_artifact(const std::string &message) { return {ES_BAD_ARTIFACT, message}; }
inline Error bad_argument(const std::string &message) { return {ES_BAD_ARGUMENT, message}; }

} // namespace edgeshift
