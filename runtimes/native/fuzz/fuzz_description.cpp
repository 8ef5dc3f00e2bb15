// Reads bytes as a description. What is accepted must have tensors that fit into memory and labels that can be printed.
#include <cstdlib>

#include "error.hpp"
#include "spec.hpp"
#include "text.hpp"

#include "description.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    try {
        const edgeshift::Description description =
            edgeshift::read_description(std::string(reinterpret_cast<const char *>(data), size));
        size_t values = description.input.values() + description.output.values();
        for (const edgeshift::TensorSpec &state : description.states)
            values += state.values();
        if (values > edgeshift::spec::MAX_VALUES)
            std::abort();
        for (const std::string &label : description.labels)
            if (label.empty() || !edgeshift::is_printable(label))
                std::abort();
    } catch (const edgeshift::Error &error) {
        if (!edgeshift::is_printable(error.what()))
            std::abort();
    }
    return 0;
}
