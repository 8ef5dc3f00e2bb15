// Reads bytes as an artifact: trailer, archive or metadata, and description. The hash at the end is made right first, because a
// fuzzer does not find one by chance. The same bytes are also read as a graph for QNN.
#include <cstring>

#include "artifact.hpp"
#include "bytes.hpp"
#include "error.hpp"
#include "qnn_graph.hpp"
#include "sha256.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    std::vector<uint8_t> file(data, data + size);
    if (constexpr size_t HASH_LENGTH = 64; size >= HASH_LENGTH) {
        const std::string hash = edgeshift::sha256(data, size - HASH_LENGTH);
        std::memcpy(file.data() + size - HASH_LENGTH, hash.data(), HASH_LENGTH);
    }
    try {
        edgeshift::read_artifact(std::move(file), "fuzzed.tflite");
    } catch (const edgeshift::Error &) { // refused, as it should be
    }
    try {
        edgeshift::require_one_binary(edgeshift::Bytes(data, size));
    } catch (const edgeshift::Error &) {
    }
    return 0;
}
