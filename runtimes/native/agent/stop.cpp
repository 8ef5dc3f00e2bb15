#include "stop.hpp"

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <thread>

#include <unistd.h>

#include "clocks.hpp"

namespace edgeshift::agent {
namespace {

[[noreturn]] void stop(int signal) {
    restore_clocks();
    _exit(128 + signal);
}

} // namespace

void stop_on_signals() {
    static sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&signals, signal);
    // Threads that start later block them too, so that the thread below gets every one.
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([] {
        int signal = SIGTERM;
        sigwait(&signals, &signal);
        stop(signal);
    }).detach();
}

void stop_with_stdin() {
    std::thread([] {
        char buffer[4096];
        ssize_t count = 1;
        while (count > 0 || (count < 0 && errno == EINTR))
            count = read(0, buffer, sizeof buffer);
        stop(SIGTERM);
    }).detach();
}

} // namespace edgeshift::agent
