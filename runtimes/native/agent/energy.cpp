#include "energy.hpp"

#include <cerrno>

#include <unistd.h>

#include "clock.hpp"
#include "file.hpp"
#include "message.hpp"

namespace edgeshift::agent {
namespace {

const std::string kZones = "/sys/class/powercap/";
constexpr double kMinSeconds = 10; // energy of a shorter run is not reported

} // namespace

EnergyMeter::EnergyMeter() {
    for (const std::string &zone : names_in(kZones, "intel-rapl:")) {
        const std::string folder = kZones + zone + "/";
        if (read_text(folder + "name").value_or("").compare(0, 7, "package") != 0)
            continue;
        if (access((folder + "energy_uj").c_str(), R_OK) != 0 && errno == EACCES)
            reason_ = "only root can read " + folder + "energy_uj";
        const auto restart = read_integer(folder + "max_energy_range_uj");
        if (read_integer(folder + "energy_uj") && restart)
            counters_.push_back({folder + "energy_uj", *restart, 0});
    }
    if (!reason_.empty())
        counters_.clear();
    else if (counters_.empty())
        reason_ = "the native agent found no counter of energy (RAPL); the Python agent also reads rails and batteries";
}

void EnergyMeter::measure_idle(double seconds) {
    if (counters_.empty() || seconds <= 0)
        return;
    start();
    wait(seconds);
    idle_ = joules_since_start() / (now() - start_);
}

void EnergyMeter::start() {
    sum_ = 0;
    for (Counter &counter : counters_)
        counter.last = read_integer(counter.file).value_or(0);
    start_ = now();
}

void EnergyMeter::tick() {
    for (Counter &counter : counters_) {
        const int64_t value = read_integer(counter.file).value_or(counter.last);
        const int64_t counted = value - counter.last;
        sum_ += counted < 0 ? counted + counter.restart : counted;
        counter.last = value;
    }
}

double EnergyMeter::joules_since_start() {
    tick();
    return double(sum_) / 1e6;
}

std::string EnergyMeter::json() {
    if (counters_.empty())
        return Object().add("reason", reason_).text();
    const double seconds = now() - start_, joules = joules_since_start();
    std::optional<std::string> reason;
    if (seconds < kMinSeconds)
        reason = "the run lasted less than 10 s, which is too short to measure energy";
    const std::string several = counters_.size() > 1 ? ", " + std::to_string(counters_.size()) + " of them" : "";
    return Object()
        .add("source", "RAPL package" + several)
        .add("idle", idle_)
        .add("joules", reason ? std::nullopt : std::optional(joules))
        .add("seconds", seconds)
        .add("reason", reason)
        .text();
}

} // namespace edgeshift::agent
