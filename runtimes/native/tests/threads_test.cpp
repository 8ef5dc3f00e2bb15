// 64 streams in 8 threads give what each of them gives alone, and many steps need no more memory.

#include <fstream>
#include <limits>
#include <thread>

#include <unistd.h>

#include "check.hpp"
#include "counting_graph.hpp"

using counting::Picture;
using edgeshift::Stream;
using Logits = std::vector<std::vector<float>>;

namespace {

constexpr uint32_t STREAMS = 64, THREADS = 8, STEPS = 40;

// The description of a network that hears.
edgeshift::Description hearing() {
    edgeshift::Description result = counting::description();
    edgeshift::SoundSpec sound;
    sound.seconds = 0.1;
    sound.frames = 3, sound.weight = 1, sound.every = 0.05;
    sound.transform = 0.02, sound.windows = {0.005, 0.01, 0.02}, sound.hops = {0.01, 0.01, 0.02};
    sound.bands = 8, sound.top = 4000, sound.rate = 8000;
    sound.eps = 1e-6, sound.low = -13.5, sound.high = 6.5;
    result.sound = sound;
    return result;
}

// Give a stream the sound of the 0.06 s before step `i`.
void hear(Stream &stream, uint32_t number, uint32_t i) {
    std::vector<float> samples(480);
    uint32_t mixed = 1000 * number + i;
    for (float &sample : samples) {
        mixed = mixed * 1664525u + 1013904223u;
        sample = float(mixed >> 16) / 65536 - 0.5f;
    }
    stream.hear(samples.data(), samples.size(), 0.06 * i - 0.06, 8000);
}

// One step of stream number `number`. Some streams are reset or restored in the middle.
void step(Stream &stream, uint32_t number, uint32_t i, Logits &logits) {
    if (number % 5 == 1 && i == 17)
        stream.reset();
    if (number % 5 == 2 && i == 23) {
        const std::vector<uint8_t> state = counting::saved(stream);
        stream.restore(state.data(), state.size());
    }
    if (stream.model().description.sound)
        hear(stream, number, i);
    const Picture picture(1000 * number + i);
    if (const edgeshift::Prediction *prediction = stream.step(picture.image, 0.06 * i))
        logits.push_back(prediction->logits);
}

void streams_in_threads_are_those_alone(const std::shared_ptr<const edgeshift::Model> &model) {
    std::vector<Logits> alone(STREAMS), together(STREAMS);
    for (uint32_t number = 0; number < STREAMS; number++) {
        const auto stream = Stream::of(model);
        for (uint32_t i = 0; i < STEPS; i++)
            step(*stream, number, i, alone[number]);
    }
    std::vector<std::thread> threads;
    for (uint32_t thread = 0; thread < THREADS; thread++)
        threads.emplace_back([&, thread] {
            std::vector<std::unique_ptr<Stream>> streams;
            for (uint32_t number = thread; number < STREAMS; number += THREADS)
                streams.push_back(Stream::of(model));
            for (uint32_t i = 0; i < STEPS; i++)
                for (uint32_t k = 0; k < streams.size(); k++)
                    step(*streams[k], thread + k * THREADS, i, together[thread + k * THREADS]);
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(alone == together);
}

// Memory of this process in bytes.
size_t memory() {
    size_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * size_t(sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint32_t MANY = 0; // a sanitizer keeps memory that was freed
#else
constexpr uint32_t MANY = 100000;
#endif

void many_steps_need_no_more_memory(const std::shared_ptr<const edgeshift::Model> &model) {
    const auto stream = Stream::of(model);
    const auto run = [&](uint32_t steps) {
        for (uint32_t i = 0; i < steps; i++) {
            if (model->description.sound)
                hear(*stream, 1, i);
            stream->step(Picture(i % 100).image, std::numeric_limits<double>::quiet_NaN());
        }
    };
    const uint32_t many = model->description.sound ? MANY / 10 : MANY; // a sound takes longer than a step
    run(many / 100);
    const size_t before = memory();
    run(many);
    CHECK(memory() < before + (1 << 20));
}

} // namespace

int main() {
    for (const auto &description : {counting::description(), counting::description(4, 2), hearing()}) {
        const auto model = counting::model(description);
        streams_in_threads_are_those_alone(model);
        many_steps_need_no_more_memory(model);
    }
    return failures;
}
