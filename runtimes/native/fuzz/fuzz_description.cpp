// Reads bytes as a description. What is accepted must have tensors that fit into memory and labels that can be printed. If
// the network takes sounds, a short one is analysed.
#include <cstdlib>
#include <vector>

#include "description.hpp"
#include "error.hpp"
#include "model.hpp"
#include "sound_picture.hpp"
#include "spec.hpp"
#include "text.hpp"

// Write the picture of as many samples as the settings need, unless they are so many that it takes seconds.
static void listen(const edgeshift::SoundSpec &settings) {
    edgeshift::PictureStream stream(settings, edgeshift::least_rate(settings), 32);
    if (stream.missing() > 4000)
        return;
    std::vector<float> samples(size_t(stream.missing()));
    for (size_t i = 0; i < samples.size(); i++)
        samples[i] = float(i * i % 997) / 997 - 0.5f;
    stream.feed(samples.data(), samples.size());
    std::vector<uint8_t> picture(32 * 32 * 3);
    stream.write(picture.data());
}

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
        edgeshift::require_supported(description);
        if (description.sound)
            listen(*description.sound);
    } catch (const edgeshift::Error &error) {
        if (!edgeshift::is_printable(error.what()))
            std::abort();
    }
    return 0;
}
