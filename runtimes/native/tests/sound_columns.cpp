// Feeds sounds to a PictureStream, and writes what it keeps.
//
//     sound_columns DESCRIPTION SAMPLES RATE OUT
//
// DESCRIPTION is the description of an artifact, JSON; SAMPLES are float32 numbers. OUT gets the newest columns of the three
// channels, float32, and then the picture, one byte for each value.
#include <fstream>
#include <iostream>
#include <iterator>

#include "error.hpp"
#include "sound_picture.hpp"

namespace {

std::string content(const char *path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

void run(char **arguments) {
    const edgeshift::Description description = edgeshift::read_description(content(arguments[1]));
    const std::string bytes = content(arguments[2]);
    const int size = description.frame.width;
    edgeshift::PictureStream stream(description.sound.value(), std::stoi(arguments[3]), size);
    stream.feed(reinterpret_cast<const float *>(bytes.data()), bytes.size() / sizeof(float));
    if (stream.missing() > 0)
        throw edgeshift::bad_argument("the sound is too short");
    std::ofstream out(arguments[4], std::ios::binary);
    for (size_t channel = 0; channel < 3; channel++) {
        const std::vector<float> columns = stream.columns(channel);
        out.write(reinterpret_cast<const char *>(columns.data()), std::streamsize(columns.size() * sizeof(float)));
    }
    std::vector<char> picture(size_t(size) * size_t(size) * 3);
    stream.write(reinterpret_cast<uint8_t *>(picture.data()));
    out.write(picture.data(), std::streamsize(picture.size()));
}

} // namespace

int main(int count, char **arguments) {
    if (count != 5) {
        std::cerr << "usage: sound_columns DESCRIPTION SAMPLES RATE OUT\n";
        return 2;
    }
    try {
        run(arguments);
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
