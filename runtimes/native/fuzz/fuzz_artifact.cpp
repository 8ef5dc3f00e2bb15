// Reads bytes as an artifact: trailer, archive or metadata, description, and the graph as one for QNN. The hash at the end is
// made right first, because a fuzzer does not find one by chance.
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
        const edgeshift::Artifact artifact = edgeshift::read_artifact(std::move(file), "fuzzed.tflite");
        edgeshift::require_one_binary(edgeshift::Bytes(artifact.data.data(), artifact.graph_size));
    } catch (const edgeshift::Error &) { // refused, as it should be
    }
    return 0;
}
