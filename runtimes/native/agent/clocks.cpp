#include "clocks.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <unistd.h>

#include "error.hpp"
#include "file.hpp"
#include "text.hpp"
#include "tool.hpp"

namespace edgeshift::agent {
namespace {

constexpr const char *kGovernor = "performance", *kCpus = "/sys/devices/system/cpu/";
constexpr double kTimeout = 30; // seconds that jetson_clocks may take
constexpr const char *kJetsonFailed = "jetson_clocks failed: run as root, or without --lock-clocks";

std::mutex mutex;
std::map<std::string, std::string> governors; // {file: the governor before}
std::string jetson_file;                      // where jetson_clocks has stored the clocks

// Write a governor. Returns 0, or the number of the system's error.
int write_governor(const std::string &file, const std::string &governor) {
    std::FILE *opened = std::fopen(file.c_str(), "w");
    if (opened == nullptr)
        return errno;
    errno = 0;
    std::fputs(governor.c_str(), opened);
    return std::fclose(opened) == 0 ? 0 : errno;
}

bool has_jetson_clocks() {
    for (const char *folder : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"})
        if (access((std::string(folder) + "jetson_clocks").c_str(), X_OK) == 0)
            return true;
    return false;
}

void lock_jetson() {
    char name[] = "/tmp/edgeshift-clocks-XXXXXX";
    const int file = mkstemp(name);
    if (file < 0)
        throw Error(ES_FAILED, kJetsonFailed);
    close(file);
    if (!run_tool({"jetson_clocks", "--store", name}, kTimeout)) {
        std::remove(name);
        throw Error(ES_FAILED, kJetsonFailed);
    }
    jetson_file = name;
    if (!run_tool({"jetson_clocks"}, kTimeout))
        throw Error(ES_FAILED, kJetsonFailed);
}

void lock_governors() {
    for (const std::string &cpu : names_in(kCpus, "cpu")) {
        const std::string file = kCpus + cpu + "/cpufreq/scaling_governor";
        if (const auto governor = read_text(file))
            governors[file] = *governor;
    }
    if (governors.empty())
        throw Error(ES_FAILED, "the clocks cannot be locked: this device shows no governors; run without --lock-clocks");
    for (const auto &[file, governor] : governors)
        if (const int error = write_governor(file, kGovernor)) {
            const bool denied = error == EACCES || error == EPERM;
            throw Error(ES_FAILED, std::string("the clocks cannot be locked: ") +
                                       (denied ? "only root can lock them" : std::strerror(error)) +
                                       "; run without --lock-clocks");
        }
}

} // namespace

void lock_clocks() {
    const std::lock_guard<std::mutex> lock(mutex);
    has_jetson_clocks() ? lock_jetson() : lock_governors();
}

void restore_clocks() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!jetson_file.empty()) {
        if (!run_tool({"jetson_clocks", "--restore", jetson_file}, kTimeout))
            std::fprintf(stderr, "edgeshift: the clocks could not be restored: run jetson_clocks --restore %s\n",
                         jetson_file.c_str());
        else
            std::remove(jetson_file.c_str());
        jetson_file.clear();
    }
    // Each governor is restored on its own, so that one failure does not prevent the others.
    std::vector<std::string> failed;
    for (const auto &[file, governor] : governors)
        if (read_text(file) != governor && write_governor(file, governor) != 0)
            failed.push_back(file);
    governors.clear();
    if (!failed.empty())
        std::fprintf(stderr, "edgeshift: these could not be restored; their governor is '%s' now: %s\n", kGovernor,
                     joined(failed).c_str());
}

} // namespace edgeshift::agent
