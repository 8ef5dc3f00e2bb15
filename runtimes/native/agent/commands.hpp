// The commands of the agent. They print their results as messages. Python's benchmarks/latency/worker.py is the same.
#pragma once

#include <string>

#include "open_artifact.hpp"

namespace edgeshift::agent {

// Report the facts of the device, and the runtime.
void probe(const Library &library);
// Measure one repeat: cool down, load, first step, warm-up, timed steps, self-check.
void bench(const std::string &job, const Library &library);
// Measure the memory of a process that only runs the artifact.
void memory(const std::string &job, const Library &library);
// Compute the logits of every answer of every clip in an .npz file, each clip from fresh states.
void logits(const std::string &artifact, const std::string &clips, const Library &library);
// Run the frames of an .npy file as one sequence, or every window of T frames for a clip artifact, and report the logits and
// the states after each, as the graph stores them. Frames are fitted as those of a camera. A sound segment is left out.
void states(const std::string &artifact, const std::string &frames, const Library &library);
// Make the calls of a golden transcript, and print "ok", or the first difference. Returns whether there is none.
bool replay(const std::string &artifact, const std::string &transcript, const Library &library);
// Run the self-check and print what it found. Returns whether it passed.
bool check(const std::string &artifact, const Library &library);

} // namespace edgeshift::agent
