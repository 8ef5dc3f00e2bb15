// Locking the clocks of the processor during a run, on request only. They are restored afterwards, even if the agent is
// stopped. Python's benchmarks/latency/clocks.py is the same.
#pragma once

namespace edgeshift::agent {

// Hold the clocks at their maximum. Throws Error if they cannot be locked; then they are as they were before.
void lock_clocks();
// Restore the clocks, if they were locked. May be called from any thread.
void restore_clocks();

// Restores the clocks at the end of a block.
class ClockRestorer {
  public:
    ~ClockRestorer() { restore_clocks(); }
};

} // namespace edgeshift::agent
