#include "commands.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "edgeshift/edgeshift.h"
#include "facts.hpp"
#include "file.hpp"
#include "frames.hpp"
#include "job.hpp"
#include "listening.hpp"
#include "litert_api.hpp"
#include "message.hpp"
#include "onnxruntime_api.hpp"
#include "player.hpp"
#include "selfcheck.hpp"
#include "stepper.hpp"

namespace edgeshift::agent {
namespace {

constexpr size_t kMemorySteps = 64; // enough for a runtime to use all its buffers

// Resident memory of this process, bytes.
size_t resident() {
    const std::string status = read_text("/proc/self/status").value_or("");
    const size_t at = status.find("VmRSS:");
    return at == std::string::npos ? 0 : size_t(std::strtoull(status.c_str() + at + 6, nullptr, 10)) * 1024;
}

// Bytes as a text of JSON, in base64 (RFC 4648).
std::string to_base64(const std::vector<uint8_t> &bytes) {
    constexpr const char *kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text = "\"";
    text.reserve((bytes.size() + 2) / 3 * 4 + 2);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const size_t count = std::min<size_t>(3, bytes.size() - i);
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (k < count ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            text += k <= count ? kDigits[three >> (18 - 6 * k) & 63] : '=';
    }
    return text + '"';
}

} // namespace

void probe(const Library &library) {
    std::string runtime = "tflite", version = library.version.empty() ? "of an unknown version" : library.version;
    if (library.provider.empty()) {
        litert::api(library.path); // it must be there
    } else {
        runtime = "qnn";
        version = "with ONNX Runtime " + onnxruntime::api(library.path).version;
    }
    write_message("probe", "probe",
                  Object()
                      .add_json("facts", facts_json())
                      .add("python", "")
                      .add("numpy", "")
                      .add("opencv", true) // the core fits frames itself
                      .add("runtimes", std::map<std::string, std::string>{{runtime, version}})
                      .text());
}

void memory(const std::string &path, const Library &library) {
    const Job job = read_job(path);
    const FramesFile frames = read_npy(job.frames);
    const size_t before = resident();
    Opened opened = open_artifact(job.artifact, library, job.settings.threads, job.fitted);
    const size_t loaded = resident();
    size_t peak = loaded;
    Stepper stepper(*opened.stream, frames.arrays.front());
    for (size_t index = 0; index < kMemorySteps; index++) {
        stepper.step(index);
        peak = std::max(peak, resident());
    }
    opened = {};
    const std::string text =
        Object().add("before", before).add("loaded", loaded).add("peak", peak).add("closed", resident()).text();
    write_message("memory", "memory", text);
}

void logits(const std::string &artifact, const std::string &clips, const Library &library) {
    const FramesFile file = read_npz(clips);
    const Opened opened = open_artifact(artifact, library, 1, true);
    for (const Frames &frames : file.arrays) {
        std::vector<std::vector<float>> rows;
        const Description &description = opened.model->description;
        opened.stream->reset();
        if (description.clip() && frames.count < size_t(description.frames())) { // some frames are repeated
            std::vector<es_image> images;
            for (size_t i = 0; i < frames.count; i++)
                images.push_back(frames.image(i));
            rows.push_back(opened.stream->clip(images.data(), int(images.size()))->logits);
        } else {
            for (size_t i = 0; i < frames.count; i++) {
                const Prediction *answer = opened.stream->step(frames.image(i), NAN);
                if (answer != nullptr && answer->fresh)
                    rows.push_back(answer->logits);
            }
        }
        write_message(Object()
                          .add("kind", "logits")
                          .add("clip", frames.name)
                          .add("logits", rows)
                          .add("runtime", runtime_name(*opened.model, library))
                          .text());
    }
}

void states(const std::string &artifact, const std::string &path, const Library &library) {
    const FramesFile file = read_npy(path);
    const Frames &frames = file.arrays.front();
    const std::shared_ptr<const Model> model = open_artifact(artifact, library, 1, false).model;
    const Description &description = model->description;
    const size_t window = size_t(description.frames()); // 1 for a stream
    const std::unique_ptr<Stream> stream =
        description.clip() ? Stream::of(model) : Stream::of_frames(model, description.frame);
    for (size_t begin = 0; begin + window <= frames.count; begin++) {
        std::vector<es_image> images;
        for (size_t i = 0; i < window; i++)
            images.push_back(frames.image(begin + i));
        const Prediction *answer =
            description.clip() ? stream->clip(images.data(), int(window)) : stream->step(images[0], NAN);
        Object stored;
        for (size_t i = 0; i < description.states.size(); i++) {
            std::vector<uint8_t> bytes(description.states[i].bytes());
            stream->read_state(i, bytes.data());
            stored.add_json(description.states[i].name.c_str(), to_base64(bytes));
        }
        Listening *listening = stream->listening();
        write_message(Object()
                          .add("kind", "step")
                          .add("logits", listening == nullptr ? answer->logits : listening->frame_logits())
                          .add_json("states", stored.text())
                          .add("runtime", runtime_name(*model, library))
                          .text());
    }
}

bool replay(const std::string &artifact, const std::string &path, const Library &library) {
    const Transcript transcript = read_transcript_file(path);
    limit_memory(artifact);
    es_options options = {};
    if (!library.path.empty())
        options.library = library.path.c_str();
    if (!library.provider.empty()) // the C interface has no option for it
        setenv("EDGESHIFT_QNN", library.provider.c_str(), 1);
    const std::unique_ptr<es_model, void (*)(es_model *)> model(es_model_open(artifact.c_str(), &options), es_model_close);
    if (!model)
        throw std::runtime_error(es_error());
    try {
        play(model.get(), transcript);
    } catch (const Difference &difference) {
        std::printf("transcript   %s\n", difference.what());
        return false;
    }
    std::printf("transcript   ok\n");
    return true;
}

bool check(const std::string &artifact, const Library &library) {
    const Opened opened = open_artifact(artifact, library, 1, false);
    const es_check result = self_check(opened.model);
    std::printf("runtime      %s\n", runtime_name(*opened.model, library).c_str());
    std::printf("self-check   %s\n", result.ok ? "passed" : "FAILED");
    std::printf("frames       %d\n", result.frames);
    std::printf("logits       differ by %.3g, %.3g is allowed\n", result.error, result.tolerance);
    if (!std::isnan(result.state_error))
        std::printf("states       differ by %.3g standard deviations, %.3g is allowed\n", result.state_error,
                    result.state_tolerance);
    std::printf("second run   %s\n", result.repeatable ? "the same logits" : "other logits");
    return result.ok != 0;
}

} // namespace edgeshift::agent
