#include "competing_load.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include <sys/times.h>
#include <unistd.h>

#include "clock.hpp"
#include "facts.hpp"
#include "file.hpp"

namespace edgeshift::agent {
namespace {

// A period must be at least this long. /proc/stat counts in steps of 10 ms on most systems.
constexpr double kMinSeconds = 0.5;

std::map<int, double> busy_seconds() {
    const double ticks = double(sysconf(_SC_CLK_TCK));
    const std::vector<int> cores = usable_cores();
    std::map<int, double> busy;
    std::istringstream lines(read_text("/proc/stat").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        int core = 0;
        // user, nice, system, idle, iowait, irq, softirq, steal; idle and iowait are no work
        unsigned long long t[8] = {};
        const int read = std::sscanf(line.c_str(), "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &core, &t[0], &t[1],
                                     &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
        if (read == 9 && std::find(cores.begin(), cores.end(), core) != cores.end())
            busy[core] = double(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / ticks;
    }
    return busy;
}

// CPU time of this process and of its child processes that have ended, seconds.
double own_seconds() {
    tms used = {};
    times(&used);
    return double(used.tms_utime + used.tms_stime + used.tms_cutime + used.tms_cstime) / double(sysconf(_SC_CLK_TCK));
}

} // namespace

CompetingLoad::CompetingLoad() : before_(busy_seconds()), own_(own_seconds()), start_(now()) {}

std::optional<double> CompetingLoad::share() const {
    const double seconds = now() - start_, own = own_seconds() - own_;
    const std::map<int, double> after = busy_seconds();
    double busy = 0;
    for (const auto &[core, time] : after) {
        const auto found = before_.find(core);
        if (found == before_.end())
            return std::nullopt;
        busy += time - found->second;
    }
    const double available = seconds * double(after.size());
    // Without a real kernel, as in some sandboxes, the counters exist but do not advance.
    if (after.empty() || after.size() != before_.size() || seconds < kMinSeconds || (busy <= 0 && own > 0))
        return std::nullopt;
    return std::round(std::min(1.0, std::max(0.0, busy - own) / available) * 1e4) / 1e4;
}

} // namespace edgeshift::agent
