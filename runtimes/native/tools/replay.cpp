// Replays a golden transcript.
//
//     replay gestures.tflite gestures.transcript.json [libLiteRt.so]
//
// Exit status: 0: all results are as expected. 1: one line says what the first difference is. 2: bad input.
#include <cstdio>
#include <exception>
#include <memory>

#include "player.hpp"

using namespace edgeshift;

int main(int count, char **arguments) {
    if (count < 3 || count > 4) {
        std::fprintf(stderr, "usage: replay ARTIFACT TRANSCRIPT [LIBRARY]\n");
        return 2;
    }
    try {
        const Transcript transcript = read_transcript_file(arguments[2]);
        es_options options = {};
        options.library = count == 4 ? arguments[3] : nullptr;
        const std::unique_ptr<es_model, void (*)(es_model *)> model(es_model_open(arguments[1], &options),
                                                                    es_model_close);
        if (!model)
            throw std::runtime_error(es_error());
        play(model.get(), transcript);
        std::printf("ok: %zu calls, %s\n", transcript.calls.size() + transcript.rule_calls.size(),
                    es_model_runtime(model.get()));
        return 0;
    } catch (const Difference &difference) {
        std::printf("%s\n", difference.what());
        return 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "replay: %s\n", error.what());
        return 2;
    }
}
