// Runs an artifact: checks it, then gives it three pictures of one colour.
//
//     example gestures.tflite
#include <cstdio>
#include <vector>

#include "edgeshift/edgeshift.hpp"

int main(int count, char **arguments) try {
    if (count != 2) {
        std::fprintf(stderr, "usage: example ARTIFACT.tflite\n");
        return 2;
    }
    edgeshift::Model model(arguments[1]);
    const es_check check = model.self_check();
    std::printf("self-check %s, %s\n", check.ok ? "passed" : "FAILED", model.runtime());

    // A camera's frames come here: RGB, BGR, RGBA, BGRA, NV12, NV21 or I420, of any size.
    edgeshift::Stream stream = model.stream();
    const int width = 320, height = 240;
    std::vector<uint8_t> pixels(width * height * 3, 128);
    es_image image = {};
    image.format = ES_RGB;
    image.width = width;
    image.height = height;
    image.planes[0] = pixels.data();
    image.strides[0] = width * 3;
    for (int frame = 0; frame < 3; frame++) {
        if (const auto answer = stream.step(image))
            std::printf("%s %.3f, %.3f ms in the network\n", answer->label, answer->score, 1e3 * answer->infer);
    }
    return check.ok ? 0 : 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
}
