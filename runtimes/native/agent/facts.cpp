#include "facts.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

#include <sched.h>
#include <sys/utsname.h>

#include "clock.hpp"
#include "edgeshift/edgeshift.h"
#include "file.hpp"
#include "message.hpp"
#include "text.hpp"
#include "tool.hpp"

namespace edgeshift::agent {
namespace {

const std::string kCpus = "/sys/devices/system/cpu/", kZones = "/sys/class/thermal/",
                  kSupplies = "/sys/class/power_supply/";
// Instruction sets that determine the speed of int8, as /proc/cpuinfo spells them (x86, then Arm).
const std::vector<std::string> kFeatures = {"avx2",     "avx512f", "avx512_vnni", "avx_vnni",
                                            "amx_int8", "asimddp", "i8mm",        "sve"};
// Degrees Celsius. A sensor of the firmware that is off reports a value outside of this range.
constexpr double kColdest = -40, kHottest = 150;
// Seconds between two readings of a device that is too hot.
constexpr double kInterval = 5;

// Names of the cores' folders, in the order of their numbers.
std::vector<std::string> cpus() {
    std::vector<std::pair<int, std::string>> numbered;
    for (const std::string &name : names_in(kCpus, "cpu"))
        if (name.size() > 3 && name.find_first_not_of("0123456789", 3) == std::string::npos)
            numbered.emplace_back(std::atoi(name.c_str() + 3), name);
    std::sort(numbered.begin(), numbered.end());
    std::vector<std::string> names;
    for (auto &[number, name] : numbered)
        names.push_back(std::move(name));
    return names;
}

// Present and maximum clock of each core, MHz. "arm" is the clock that the firmware of a Raspberry Pi measures.
std::map<std::string, std::vector<double>> read_clocks() {
    std::map<std::string, std::vector<double>> clocks;
    double highest = 0;
    for (const std::string &cpu : cpus()) {
        const auto present = read_integer(kCpus + cpu + "/cpufreq/scaling_cur_freq");
        const auto maximum = read_integer(kCpus + cpu + "/cpufreq/cpuinfo_max_freq");
        if (!present || !maximum || *present < 0 || *maximum <= 0)
            continue;
        clocks[cpu] = {double(*present) / 1e3, double(*maximum) / 1e3};
        highest = std::max(highest, clocks[cpu][1]);
    }
    double hertz = 0; // frequency(0)=1800404352
    const std::string measured = run_tool({"vcgencmd", "measure_clock", "arm"}).value_or("");
    if (std::sscanf(measured.c_str(), "frequency(%*d)=%lf", &hertz) == 1 && hertz >= 0 && hertz < 1e12)
        clocks["arm"] = {hertz / 1e6, highest > 0 ? highest : hertz / 1e6};
    return clocks;
}

std::map<std::string, double> read_temperatures() {
    std::map<std::string, double> degrees;
    for (const std::string &zone : names_in(kZones, "thermal_zone")) {
        const auto value = read_integer(kZones + zone + "/temp");
        // A sensor that is switched off gives an impossible value.
        if (!value || *value <= -40000 || *value >= 200000)
            continue;
        const std::string name = read_text(kZones + zone + "/type").value_or(zone);
        degrees[degrees.count(name) ? name + " (" + zone + ")" : name] = double(*value) / 1000;
    }
    double measured = 0; // temp=61.8'C
    const std::string firmware = degrees.empty() ? run_tool({"vcgencmd", "measure_temp"}).value_or("") : "";
    if (std::sscanf(firmware.c_str(), "temp=%lf'C", &measured) == 1 && measured > kColdest && measured < kHottest)
        degrees["SoC"] = measured;
    return degrees;
}

// Why the device throttles, from the firmware of a Raspberry Pi, or else from the counters of x86.
std::optional<std::vector<std::string>> read_throttled() {
    static const std::pair<int, const char *> reasons[] = {
        {0, "voltage too low"}, {1, "clock capped"}, {2, "throttled"}, {3, "soft temperature limit"}};
    unsigned int bits = 0; // throttled=0x50005
    const std::string firmware = run_tool({"vcgencmd", "get_throttled"}).value_or("");
    if (std::sscanf(firmware.c_str(), "throttled=%x", &bits) == 1) {
        std::vector<std::string> present, past;
        for (const auto &[bit, reason] : reasons) {
            if (bits >> bit & 1)
                present.push_back(reason);
            if (bits >> (bit + 16) & 1)
                past.push_back(std::string(reason) + " since it started");
        }
        present.insert(present.end(), past.begin(), past.end());
        return present;
    }
    bool counted = false;
    int64_t sum = 0;
    for (const std::string &cpu : cpus())
        if (const auto count = read_integer(kCpus + cpu + "/thermal_throttle/core_throttle_count"); count && *count >= 0)
            counted = true, sum += *count;
    if (!counted)
        return std::nullopt;
    std::vector<std::string> capped;
    if (sum > 0)
        capped.push_back("clock capped " + grouped(uint64_t(sum)) + " times by heat since it started");
    return capped;
}

// {name: value} of the first core in /proc/cpuinfo.
std::map<std::string, std::string> processor_info() {
    std::map<std::string, std::string> info;
    std::istringstream lines(read_text("/proc/cpuinfo").value_or(""));
    for (std::string line; std::getline(lines, line) && !line.empty();) {
        const size_t colon = line.find(':'), name_end = line.find_last_not_of(" \t", colon - (colon > 0));
        if (colon == std::string::npos || colon == 0 || name_end == std::string::npos)
            continue;
        const size_t start = line.find_first_not_of(' ', colon + 1);
        info[line.substr(0, name_end + 1)] = start == std::string::npos ? "" : line.substr(start);
    }
    return info;
}

std::vector<std::string> features_of(const std::map<std::string, std::string> &info) {
    std::set<std::string> flags;
    for (const char *name : {"flags", "Features"})
        if (const auto found = info.find(name); found != info.end()) {
            std::istringstream words(found->second);
            for (std::string word; words >> word;)
                flags.insert(word);
        }
    std::vector<std::string> features;
    for (const std::string &feature : kFeatures)
        if (flags.count(feature))
            features.push_back(feature);
    return features;
}

std::optional<int64_t> memory_bytes() {
    long long kilobytes = 0;
    const std::string text = read_text("/proc/meminfo").value_or("");
    const size_t at = text.find("MemTotal:");
    if (at == std::string::npos || std::sscanf(text.c_str() + at, "MemTotal: %12lld kB", &kilobytes) != 1)
        return std::nullopt;
    return int64_t(kilobytes) * 1024;
}

std::vector<std::string> read_governors() {
    std::vector<std::string> governors;
    for (const std::string &cpu : cpus())
        if (const auto governor = read_text(kCpus + cpu + "/cpufreq/scaling_governor"))
            if (std::find(governors.begin(), governors.end(), *governor) == governors.end())
                governors.push_back(*governor);
    return governors;
}

std::optional<double> read_load() {
    double load = 0;
    const std::string text = read_text("/proc/loadavg").value_or("");
    return std::sscanf(text.c_str(), "%lf", &load) == 1 ? std::optional(load) : std::nullopt;
}

std::optional<std::string> power_source() {
    std::set<std::string> connected, all;
    for (const std::string &supply : names_in(kSupplies, "")) {
        const std::string kind = read_text(kSupplies + supply + "/type").value_or("");
        all.insert(kind);
        if (read_text(kSupplies + supply + "/online") == "1")
            connected.insert(kind);
    }
    if (connected.count("Mains"))
        return "mains";
    if (connected.count("USB"))
        return "USB";
    return all.count("Battery") ? std::optional<std::string>("battery") : std::nullopt;
}

// The power mode of a Jetson, from "NV Power Mode: MAXN".
std::optional<std::string> power_mode() {
    char mode[100] = {};
    const std::string text = run_tool({"nvpmodel", "-q"}).value_or("");
    const size_t at = text.find("NV Power Mode");
    if (at == std::string::npos || std::sscanf(text.c_str() + at, "NV Power Mode : %99[^\n]", mode) != 1)
        return std::nullopt;
    const std::string name = mode;
    return name.substr(0, name.find_last_not_of(' ') + 1);
}

} // namespace

std::string SensorReading::json() const {
    return Object().add("temperatures", temperatures).add("clock", clock).add("throttled", throttled).text();
}

std::optional<double> SensorReading::hottest() const {
    std::optional<double> hottest;
    for (const auto &[name, degrees] : temperatures)
        hottest = std::max(hottest.value_or(degrees), degrees);
    return hottest;
}

SensorReading read_sensors() {
    SensorReading reading;
    reading.temperatures = read_temperatures();
    for (const auto &[core, clock] : read_clocks())
        reading.clock[core] = clock[0];
    reading.throttled = read_throttled();
    return reading;
}

std::string facts_json() {
    const std::map<std::string, std::string> info = processor_info();
    utsname system = {};
    uname(&system);
    const auto model = info.find("model name");
    const std::string kernel = std::string(system.sysname) + " " + system.machine;
    return Object()
        .add("board", read_text("/proc/device-tree/model"))
        .add("processor", model == info.end() ? std::string(system.machine) : model->second)
        .add("features", features_of(info))
        .add("cores", usable_cores().size())
        .add("memory", memory_bytes())
        .add("system", kernel + ", native agent " + es_version())
        .add("governors", read_governors())
        .add("clock", read_clocks())
        .add("temperatures", read_temperatures())
        .add("throttled", read_throttled())
        .add("power_mode", power_mode())
        .add("load", read_load())
        .add("power_source", power_source())
        .text();
}

std::pair<SensorReading, double> cool_down(double max_temperature, double timeout) {
    const double start = now();
    while (true) {
        SensorReading reading = read_sensors();
        const double waited = now() - start;
        if (reading.hottest().value_or(max_temperature) <= max_temperature || waited >= timeout)
            return {std::move(reading), waited};
        wait(std::min(kInterval, timeout - waited));
    }
}

std::vector<int> usable_cores() {
    std::vector<int> cores;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int core = 0; core < CPU_SETSIZE; core++)
            if (CPU_ISSET(core, &set))
                cores.push_back(core);
    return cores;
}

} // namespace edgeshift::agent
