#include "processor.hpp"

#include <string>

#include "error.hpp"

#if defined(__aarch64__) && defined(__linux__) && !defined(__ANDROID__)
#include <sys/auxv.h>
#endif

namespace edgeshift {

// Only LiteRT's library for aarch64 Linux, from its Python package, needs more than every processor has. The kernel says
// what the processor has. Seen with LiteRT 2.1.6 and 2.3.0 under qemu. Libraries for Android and Apple were not tried.
#if defined(__aarch64__) && defined(__linux__) && !defined(__ANDROID__)

namespace {

struct Feature {
    const char *name; // as /proc/cpuinfo says
    unsigned long bit; // of AT_HWCAP
};
constexpr Feature kNeeded[] = {{"aes", 1ul << 3},       {"sha2", 1ul << 6},     {"crc32", 1ul << 7},
                               {"atomics", 1ul << 8},   {"asimdhp", 1ul << 10}, {"asimdrdm", 1ul << 12},
                               {"lrcpc", 1ul << 15},    {"asimddp", 1ul << 20}};

} // namespace

void require_litert_processor() {
    const unsigned long has = getauxval(AT_HWCAP);
    std::string missing;
    for (const Feature &feature : kNeeded)
        if ((has & feature.bit) == 0)
            missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
    if (!missing.empty())
        throw Error(ES_NO_RUNTIME, "LiteRT's compiled model cannot run on this processor, which lacks " + missing +
                                       " (a Raspberry Pi 4 does): convert the model for another target, or run it "
                                       "with edgeshift for Python, which uses LiteRT's interpreter there");
}

#else

void require_litert_processor() {}

#endif

} // namespace edgeshift
