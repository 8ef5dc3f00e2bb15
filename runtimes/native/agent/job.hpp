// The job of one process of the agent, a file of JSON. Python's benchmarks/latency/messages.py writes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace edgeshift::agent {

// How to measure. Python's benchmarks/latency/result.py explains the fields.
struct Settings {
    std::string mode;
    size_t steps = 0;
    double seconds = 0;
    std::optional<double> fps;
    int minutes = 1;
    int threads = 1;
    std::vector<int> cores; // empty: not pinned
    double max_temperature = 0;
    bool locked = false;
};

struct Job {
    std::string artifact, frames;
    Settings settings;
    bool fitted = false; // the frames have the network's size
    double idle_seconds = 0;
    double cool_down_timeout = 0;
};

// Read a job. Throws Error if it is damaged, or asks for something that only the Python agent can do.
Job read_job(const std::string &path);

} // namespace edgeshift::agent
