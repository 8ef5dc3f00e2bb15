// What a device reports about itself: board, processor, clocks, temperatures. Python's benchmarks/devices/facts.py explains
// the fields. A value that cannot be read is missing, never a guess.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace edgeshift::agent {

// Temperatures and clocks at one moment.
struct SensorReading {
    std::map<std::string, double> temperatures; // degrees Celsius
    std::map<std::string, double> clock;        // MHz
    std::optional<std::vector<std::string>> throttled;

    std::string json() const; // an object of JSON
    // The highest temperature.
    std::optional<double> hottest() const;
};

SensorReading read_sensors();

// All facts, as an object of JSON for the message `probe`.
std::string facts_json();

// Wait until no sensor is above a temperature, at most `timeout` seconds. Returns the last reading and the seconds waited.
std::pair<SensorReading, double> cool_down(double max_temperature, double timeout);

// Cores that this process may use.
std::vector<int> usable_cores();

} // namespace edgeshift::agent
