// The clock that measures durations, and waiting.
#pragma once

#include <chrono>
#include <thread>

namespace edgeshift {

// Seconds of a clock that never goes back.
inline double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Wait for some seconds.
inline void wait(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

} // namespace edgeshift
