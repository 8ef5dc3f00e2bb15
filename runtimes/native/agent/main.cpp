// edgeshift-agent: measures latency and accuracy on a device without Python.
//
//     edgeshift-agent [--tied] [--library LIBRARY] [--litert VERSION] [--provider LIBQNN] COMMAND
//
//     check ARTIFACT              run the self-check and print what it found
//     replay ARTIFACT TRANSCRIPT  make the calls of a golden transcript and compare the results
//     probe                       report facts and the runtime
//     bench JOB.json              measure one repeat
//     memory JOB.json             measure memory
//     logits ARTIFACT CLIPS.npz   compute the logits of every frame of every clip, each clip from fresh states
//     states ARTIFACT FRAMES.npy  compute the logits and the states of every frame
//
// --library: the shared library of LiteRT, or of ONNX Runtime for .qnn.onnx artifacts, which need --provider, too.
// --tied: stop when standard input closes.
//
// `edgeshift bench|eval --agent native` starts it with these commands, and reads its messages. They are those of the Python
// agent (benchmarks/latency/worker.py), but for check, replay and states, which `edgeshift verify` uses. An error is one line on
// standard error and exit status 2.
#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.hpp"
#include "error.hpp"
#include "stop.hpp"

using namespace edgeshift;

namespace {

constexpr const char *kUsage = "usage: edgeshift-agent [--tied] [--library LIBRARY] [--litert VERSION] [--provider LIBQNN] "
                               "check ARTIFACT | replay ARTIFACT TRANSCRIPT | probe | bench JOB | memory JOB | logits ARTIFACT CLIPS | "
                               "states ARTIFACT FRAMES";

struct CommandLine {
    bool tied = false;
    agent::Library library;
    std::vector<std::string> words; // the command and its arguments
};

CommandLine read_command_line(const std::vector<std::string> &arguments) {
    CommandLine line;
    size_t at = 0;
    for (; at < arguments.size() && arguments[at].compare(0, 2, "--") == 0; at++) {
        const bool has_value = at + 1 < arguments.size();
        if (arguments[at] == "--tied")
            line.tied = true;
        else if (arguments[at] == "--library" && has_value)
            line.library.path = arguments[++at];
        else if (arguments[at] == "--provider" && has_value)
            line.library.provider = arguments[++at];
        else if (arguments[at] == "--litert" && has_value)
            line.library.version = arguments[++at];
        else
            throw bad_argument("option " + arguments[at] + " is not known or has no value; " + kUsage);
    }
    line.words.assign(arguments.begin() + long(at), arguments.end());
    return line;
}

// Run a command and return the exit status.
int run(const CommandLine &line) {
    const std::vector<std::string> &words = line.words;
    const std::string command = words.empty() ? "" : words[0];
    if (command == "check" && words.size() == 2)
        return agent::check(words[1], line.library) ? 0 : 1;
    if (command == "replay" && words.size() == 3)
        return agent::replay(words[1], words[2], line.library) ? 0 : 1;
    if (command == "probe" && words.size() == 1)
        agent::probe(line.library);
    else if (command == "bench" && words.size() == 2)
        agent::bench(words[1], line.library);
    else if (command == "memory" && words.size() == 2)
        agent::memory(words[1], line.library);
    else if (command == "logits" && words.size() == 3)
        agent::logits(words[1], words[2], line.library);
    else if (command == "states" && words.size() == 3)
        agent::states(words[1], words[2], line.library);
    else
        throw bad_argument(kUsage);
    return 0;
}

int fail(const char *message) {
    std::fprintf(stderr, "edgeshift: %s\n", message);
    return 2;
}

} // namespace

int main(int count, char **arguments) {
    try {
        const CommandLine line = read_command_line({arguments + 1, arguments + count});
        agent::stop_on_signals();
        if (line.tied)
            agent::stop_with_stdin();
        return run(line);
    } catch (const std::bad_alloc &) {
        return fail("there is no memory left");
    } catch (const std::exception &error) {
        return fail(error.what());
    }
}
