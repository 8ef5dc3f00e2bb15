// How much of the processor other processes used while steps were timed. Python's benchmarks/latency/competing_load.py
// explains the method.
#pragma once

#include <map>
#include <optional>

namespace edgeshift::agent {

// Measures from its creation until `share` is called.
class CompetingLoad {
  public:
    CompetingLoad();
    // Share of the CPU time of the cores that this process may use, which other processes used, 0 to 1. Empty: not known.
    std::optional<double> share() const;

  private:
    std::map<int, double> before_; // {core: seconds for which it was busy since the system started}
    double own_, start_;
};

} // namespace edgeshift::agent
