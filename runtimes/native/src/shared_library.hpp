// The shared library of a runtime: where it is looked for, and its functions.
#pragma once

#include <string>
#include <vector>

#include "error.hpp"

namespace edgeshift {

// The names by which a runtime's library is found.
struct RuntimeLibrary {
    const char *title;              // in messages, such as "LiteRT"
    const char *variable;           // the environment variable that may hold its path
    const char *function;           // one of its functions. An app that has linked the library has it already
    std::vector<std::string> names; // its usual names
    const char *package;            // what to install
};

// Open a library: that at `given`, or else at the path in the environment variable, or else the one that the process has
// linked, or else one with a usual name. It is never closed. Throws Error with ES_NO_RUNTIME.
void *open_library(const RuntimeLibrary &library, const std::string &given);

// A function of an open library; nullptr: it has none of this name.
void *find_function(void *library, const char *name);

// The folder of the library that has a function; empty: not known.
std::string folder_of(const void *function);

} // namespace edgeshift
