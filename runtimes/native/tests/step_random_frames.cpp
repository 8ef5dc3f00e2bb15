// Steps a stream through frames of random pixels by the C interface, as an app does.
//
//     step_random_frames ARTIFACT LIBRARY SEED FRAMES OUT [THREADS]
//
// OUT gets the logits of each prediction, float32. The program prints the runtime and the result of the self-check. The
// pixels of all frames are the lowest bytes of successive values of std::mt19937. numpy's RandomState gives the same values.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "edgeshift/edgeshift.h"

namespace {

int fail() {
    std::cerr << es_error() << "\n";
    return 2;
}

int run(es_model *model, unsigned long seed, int frames, const char *path) {
    es_model_info info;
    es_model_get_info(model, &info);
    const std::unique_ptr<es_stream, decltype(&es_stream_free)> stream(es_stream_new(model), es_stream_free);
    if (!stream)
        return fail();
    const size_t row = 3 * static_cast<size_t>(info.width);
    std::vector<uint8_t> pixels(row * static_cast<size_t>(info.height));
    es_image image = {};
    image.format = ES_RGB;
    image.width = info.width;
    image.height = info.height;
    image.planes[0] = pixels.data();
    image.strides[0] = row;
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::ofstream out(path, std::ios::binary);
    for (int frame = 0; frame < frames; frame++) {
        for (uint8_t &pixel : pixels)
            pixel = static_cast<uint8_t>(random() & 255);
        es_prediction prediction;
        const es_status status = es_stream_step(stream.get(), &image, 0.0 / 0.0, &prediction);
        if (status < 0)
            return fail();
        if (status == ES_OK && prediction.fresh)
            out.write(reinterpret_cast<const char *>(prediction.logits),
                      static_cast<std::streamsize>(sizeof(float) * static_cast<size_t>(prediction.classes)));
    }
    es_check check;
    if (es_model_self_check(model, &check) != ES_OK)
        return fail();
    std::cout << es_model_runtime(model) << "\n" << (check.ok ? "self-check passed" : "self-check failed") << "\n";
    return out.good() && check.ok ? 0 : 1;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 6 && count != 7) {
        std::cerr << "usage: step_random_frames ARTIFACT LIBRARY SEED FRAMES OUT [THREADS]\n";
        return 2;
    }
    es_options options = {};
    options.library = arguments[2];
    options.threads = count == 7 ? std::stoi(arguments[6]) : 1;
    const std::unique_ptr<es_model, decltype(&es_model_close)> model(es_model_open(arguments[1], &options), es_model_close);
    return model ? run(model.get(), std::stoul(arguments[3]), std::stoi(arguments[4]), arguments[5]) : fail();
}
