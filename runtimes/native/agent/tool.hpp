// Programs of the board that the agent runs, such as vcgencmd.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace edgeshift::agent {

// Run a program for at most `timeout` seconds. Returns the first 4,096 bytes of its output.
// Empty: there is no such program, it failed, or it took too long.
std::optional<std::string> run_tool(const std::vector<std::string> &command, double timeout = 5);

} // namespace edgeshift::agent
