#include "tool.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.hpp"

extern char **environ;

namespace edgeshift::agent {
namespace {

constexpr size_t kMaxText = 4096;

// Start a program whose output goes to `output`. It gets the signals that the agent blocks.
bool start(const std::vector<std::string> &command, int output, pid_t &child) {
    std::vector<char *> arguments;
    for (const std::string &argument : command)
        arguments.push_back(const_cast<char *>(argument.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const int error = posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error == 0;
}

// Read until the end of the output, or the end of the time. Returns whether the output ended.
bool read_all(int pipe, double timeout, std::string &text) {
    const double end = now() + timeout;
    char buffer[512];
    while (true) {
        pollfd waiting = {pipe, POLLIN, 0};
        const int left = int((end - now()) * 1000);
        const int ready = left > 0 ? poll(&waiting, 1, left) : 0;
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return false;
        const ssize_t count = ready > 0 ? read(pipe, buffer, sizeof buffer) : 0;
        if (ready > 0 && count <= 0)
            return count == 0;
        if (count > 0 && text.size() < kMaxText)
            text.append(buffer, size_t(count));
    }
}

} // namespace

std::optional<std::string> run_tool(const std::vector<std::string> &command, double timeout) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return std::nullopt;
    pid_t child = 0;
    const bool started = start(command, pipes[1], child);
    close(pipes[1]);
    std::string text;
    const bool ended = started && read_all(pipes[0], timeout, text);
    close(pipes[0]);
    if (!started)
        return std::nullopt;
    if (!ended)
        kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(text) : std::nullopt;
}

} // namespace edgeshift::agent
