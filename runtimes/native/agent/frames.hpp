// Frames that were sent to the agent, in the file formats of NumPy: .npy with one array, .npz with an array per clip.
#pragma once

#include <string>
#include <vector>

#include "edgeshift/edgeshift.h"

namespace edgeshift::agent {

// An array of uint8 [N, H, W, 3], RGB. The bytes belong to the file that it came from.
struct Frames {
    std::string name; // of the clip in an .npz file
    size_t count = 0;
    int height = 0, width = 0;
    const uint8_t *pixels = nullptr;

    es_image image(size_t index) const;
};

// A file of frames that was read.
struct FramesFile {
    std::vector<uint8_t> bytes;
    std::vector<Frames> arrays;
};

// Read a file with one array, or with one array per clip in the order of the file. Throws Error.
FramesFile read_npy(const std::string &path);
FramesFile read_npz(const std::string &path);

} // namespace edgeshift::agent
