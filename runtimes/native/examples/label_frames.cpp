// Prints the label of each frame of a raw RGB video: label_frames ARTIFACT WIDTH HEIGHT < video.rgb
#include <cstdio>
#include <cstdlib>

#include "edgeshift/edgeshift.hpp"

int main(int, char **argv) try {
    edgeshift::Model model(argv[1]);
    edgeshift::Stream stream(model);
    const int width = std::atoi(argv[2]), height = std::atoi(argv[3]);
    std::vector<uint8_t> pixels(size_t(width) * size_t(height) * 3);
    while (std::fread(pixels.data(), 1, pixels.size(), stdin) == pixels.size())
        if (auto prediction = stream.step(edgeshift::rgb(pixels.data(), width, height)))
            std::printf("%s %.2f\n", prediction->label, prediction->score);
} catch (const edgeshift::Failure &failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 2;
}
