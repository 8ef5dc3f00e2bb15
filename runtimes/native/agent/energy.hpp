// The energy of the timed steps, from counters of the processor (RAPL). Python's benchmarks/latency/power.py also reads the
// power rails of boards, which needs a second process; this agent does not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgeshift::agent {

class EnergyMeter {
  public:
    EnergyMeter();
    // Measure the power of the idle device for some seconds.
    void measure_idle(double seconds);
    void start();
    // Read the counters. Call this about once a minute: a counter may restart only once between two readings.
    void tick();
    // The energy since `start`, as the object of JSON that a repeat contains.
    std::string json();

  private:
    struct Counter {
        std::string file;
        int64_t restart = 0; // the value at which it restarts from 0; 0: never
        int64_t last = 0;
    };

    double joules_since_start();

    std::vector<Counter> counters_;
    std::string reason_; // why there are no counters
    std::optional<double> idle_;
    double start_ = 0;
    int64_t sum_ = 0; // microjoules
};

} // namespace edgeshift::agent
