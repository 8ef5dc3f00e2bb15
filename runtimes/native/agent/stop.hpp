// Stopping the agent: by a signal, or when the program that started it has ended.
#pragma once

namespace edgeshift::agent {

// From now on, SIGTERM, SIGINT and SIGHUP restore the clocks and end the process. Call this before other threads start.
void stop_on_signals();
// End the process when its standard input closes, which shows that the program that started it has ended.
void stop_with_stdin();

} // namespace edgeshift::agent
