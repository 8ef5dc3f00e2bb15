// A small graph in C++ for tests of streams: it needs no runtime, and its logits depend on every frame since the start.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend.hpp"
#include "error.hpp"
#include "image.hpp"
#include "model.hpp"
#include "stream.hpp"

namespace counting {

constexpr int SIDE = 6, CLASSES = 5, TOTALS = 4;

// The description of a stream with two states, or of a clip of `frames` frames.
inline edgeshift::Description description(int frames = 1, int hop = 0) {
    using edgeshift::Dtype;
    edgeshift::Description result;
    result.version = 2;
    result.target = "tflite", result.precision = "int8", result.state_form = "io";
    result.hop = hop;
    result.frame.height = result.frame.width = SIDE;
    result.input = {hop ? "clip" : "frame", {frames, SIDE, SIDE, 3}, Dtype::int8, 1, -128, 0, true};
    result.output = {"logits", {1, CLASSES}, Dtype::int8, 0.25, 3, 0, true};
    if (hop == 0)
        result.states = {{"totals", {1, TOTALS}, Dtype::int8, 0.5, 2, 1.5, true},
                         {"recent", {1, 3}, Dtype::float32, 1, 0, -1, true}};
    result.labels = {"none", "wave", "fist", "up", "down"};
    result.frame_spacing = 0.1;
    return result;
}

// The graph. `failing`: the next runs fail.
struct Backend : edgeshift::Backend {
    explicit Backend(edgeshift::Description description) : spec(std::move(description)) {}

    std::vector<edgeshift::GraphTensor> tensors(const edgeshift::TensorSpec &first) const {
        std::vector<edgeshift::GraphTensor> result = {{first.name, first.shape, first.dtype}};
        for (const edgeshift::TensorSpec &state : spec.states)
            result.push_back({state.name, state.shape, state.dtype});
        return result;
    }
    std::vector<edgeshift::GraphTensor> inputs() const override { return tensors(spec.input); }
    std::vector<edgeshift::GraphTensor> outputs() const override { return tensors(spec.output); }
    std::string name() const override { return "counting graph"; }
    bool on_npu() const override { return false; }
    std::unique_ptr<edgeshift::Executor> executor() override;

    edgeshift::Description spec;
    std::atomic<bool> failing{false};
};

struct Executor : edgeshift::Executor {
    explicit Executor(Backend &backend) : backend(backend), pixels(backend.spec.input.values()), answer(backend.spec.output.values()) {
        for (const edgeshift::TensorSpec &state : backend.spec.states)
            for (auto &set : states)
                set.emplace_back(state.bytes());
    }
    void write_input(const uint8_t *tensor) override { pixels.assign(tensor, tensor + pixels.size()); }
    const uint8_t *logits() override { return answer.data(); }
    void read_state(size_t index, uint8_t *out) override {
        std::memcpy(out, states[now][index].data(), states[now][index].size());
    }
    void write_state(size_t index, const uint8_t *from) override {
        std::memcpy(states[now][index].data(), from, states[now][index].size());
    }
    void run() override {
        uint32_t mix = 2166136261u; // of all pixels, in their order
        for (const uint8_t pixel : pixels)
            mix = (mix ^ pixel) * 16777619u;
        if (!backend.spec.states.empty())
            mix = next_states(mix);
        for (size_t i = 0; i < answer.size(); i++)
            answer[i] = uint8_t((mix + i / CLASSES) >> (5 * (i % CLASSES)));
        // As a runtime that fails in the middle, it has already written its outputs.
        if (backend.failing)
            throw edgeshift::Error(ES_FAILED, "the counting graph fails");
        now = 1 - now;
    }
    // The states after a frame, and a number that depends on the states before it.
    uint32_t next_states(uint32_t mix) {
        const std::vector<std::vector<uint8_t>> &old = states[now];
        std::vector<std::vector<uint8_t>> &next = states[1 - now];
        for (const uint8_t total : old[0])
            mix = (mix ^ total) * 16777619u;
        float recent[3], shifted[3] = {float(mix & 255), 0, 0};
        std::memcpy(recent, old[1].data(), sizeof recent);
        shifted[1] = recent[0], shifted[2] = recent[1];
        mix += uint32_t(int32_t(recent[2])) * 40503u;
        for (size_t i = 0; i < TOTALS; i++)
            next[0][i] = uint8_t(old[0][i] + (mix >> (8 * i)));
        std::memcpy(next[1].data(), shifted, sizeof shifted);
        return mix;
    }

    Backend &backend;
    std::vector<uint8_t> pixels, answer;
    std::vector<std::vector<uint8_t>> states[2];
    int now = 0;
};

inline std::unique_ptr<edgeshift::Executor> Backend::executor() { return std::make_unique<Executor>(*this); }

// A model of the graph. `failing` of the backend that `backend` then points to makes it fail.
inline std::shared_ptr<const edgeshift::Model> model(const edgeshift::Description &description,
                                                     Backend **backend = nullptr, char hash = 'a') {
    auto result = std::make_shared<edgeshift::Model>();
    result->description = description;
    result->description.body_sha256 = std::string(64, hash);
    auto graph = std::make_unique<Backend>(description);
    if (backend != nullptr)
        *backend = graph.get();
    result->backend = std::move(graph);
    edgeshift::require_supported(description);
    edgeshift::require_tensors(description, *result->backend);
    return result;
}

// A picture that depends on a number, of a size that is not the network's.
struct Picture {
    explicit Picture(uint32_t number, int width = 9, int height = 7) : pixels(size_t(width) * size_t(height) * 3) {
        for (uint8_t &pixel : pixels) {
            number = number * 1664525u + 1013904223u;
            pixel = uint8_t(number >> 24);
        }
        image = edgeshift::rgb_image(pixels.data(), width, height);
    }
    Picture(const Picture &) = delete;
    std::vector<uint8_t> pixels;
    es_image image = {};
};

// What a stream has saved.
inline std::vector<uint8_t> saved(const edgeshift::Stream &stream) {
    std::vector<uint8_t> bytes(stream.saved_size());
    stream.save(bytes.data());
    return bytes;
}

} // namespace counting
