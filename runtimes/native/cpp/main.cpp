// Runs an artifact: checks it, then gives it three pictures of one colour, or those of one clip.
//
//     example gestures.tflite
#include <cstdio>
#include <vector>

#include "edgeshift/edgeshift.hpp"

int main(int count, char **arguments) try {
    if (count != 2) {
        std::fprintf(stderr, "usage: example ARTIFACT\n");
        return 2;
    }
    edgeshift::Model model(arguments[1]);
    const es_check check = model.self_check();
    std::printf("self-check %s, %s\n", check.ok ? "passed" : "FAILED", model.runtime().c_str());

    // A camera's frames come here: RGB, BGR, RGBA, BGRA, NV12, NV21 or I420, of any size.
    const int width = 320, height = 240;
    const std::vector<uint8_t> pixels(size_t(width) * height * 3, 128);
    edgeshift::Stream stream(model);
    edgeshift::Spotter spotter(model);
    const int frames = model.info().hop > 0 ? model.info().frames : 3;
    for (int frame = 0; frame < frames; frame++) {
        const double seconds = frame * model.info().frame_spacing;
        // If the network takes sounds, the microphone's samples up to this time come here: stream.hear(...).
        const auto answer = stream.step(edgeshift::rgb(pixels.data(), width, height), seconds);
        if (!answer) // a clip artifact has too few frames so far
            continue;
        std::printf("%s %.3f, %.3f ms in the network\n", answer->label, answer->score, 1e3 * answer->infer);
        if (const auto event = spotter.feed(*answer, seconds))
            std::printf("event: %s %.3f\n", event->label, event->score);
    }
    return check.ok ? 0 : 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
}
