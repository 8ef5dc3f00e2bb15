// The C interface. Every function catches what it calls, so that no exception leaves the library.

#include "edgeshift/edgeshift.h"

#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "analysis.hpp"
#include "artifact.hpp"
#include "error.hpp"
#include "fit.hpp"
#include "model.hpp"
#include "selfcheck.hpp"
#include "spotter.hpp"
#include "stream.hpp"

struct es_model {
    std::shared_ptr<const edgeshift::Model> shared;
    std::string runtime;
};

struct es_stream {
    std::unique_ptr<edgeshift::Stream> stream;
};

struct es_spotter {
    std::shared_ptr<const edgeshift::Model> shared; // its labels are in the events
    edgeshift::Spotter spotter;
};

namespace {

using edgeshift::bad_argument;
using edgeshift::Error;

constexpr int kMaxThreads = 64;

// What the last failed call of this thread said.
struct LastError {
    es_status status = ES_OK;
    std::string message;
};

LastError &last_error() {
    thread_local LastError error;
    return error;
}

es_status failed(es_status status, const char *message) noexcept {
    last_error().status = status;
    try {
        last_error().message = message;
    } catch (...) { // no memory for the message
        last_error().message.clear();
    }
    return status;
}

// Call a function, and turn what it throws into a status.
template <class Function> es_status guarded(Function &&function) noexcept {
    try {
        return function();
    } catch (const Error &error) {
        return failed(error.status, error.what());
    } catch (const std::bad_alloc &) {
        return failed(ES_FAILED, "there is no memory left");
    } catch (const std::exception &error) {
        return failed(ES_FAILED, error.what());
    } catch (...) {
        return failed(ES_FAILED, "unknown error");
    }
}

// The same for a function that returns a new object. nullptr: it failed.
template <class Function> auto made(Function &&function) noexcept -> decltype(function()) {
    decltype(function()) result = nullptr;
    guarded([&] {
        result = function();
        return ES_OK;
    });
    return result;
}

template <class Pointer> Pointer required(Pointer pointer, const char *what) {
    if (pointer == nullptr)
        throw bad_argument(std::string(what) + " is NULL");
    return pointer;
}

edgeshift::BackendOptions backend_options(const es_options *options) {
    edgeshift::BackendOptions result;
    if (options == nullptr)
        return result;
    if (options->threads < 0 || options->threads > kMaxThreads)
        throw bad_argument("threads must be 1 to " + std::to_string(kMaxThreads) + ", not " +
                           std::to_string(options->threads));
    if (options->threads > 0)
        result.threads = options->threads;
    if (options->library != nullptr)
        result.library = options->library;
    return result;
}

es_model *open(edgeshift::Artifact artifact, const std::string &where, const es_options *options) {
    auto shared = edgeshift::open_model(std::move(artifact), where, backend_options(options));
    std::string runtime = shared->backend->name();
    return new es_model{std::move(shared), std::move(runtime)};
}

// The model, if it has a graph. Throws Error if it was opened from a description alone.
const std::shared_ptr<const edgeshift::Model> &runnable(const es_model *model) {
    const auto &shared = required(model, "the model")->shared;
    if (!shared->backend)
        throw bad_argument("this model was opened from a description alone, so it has no graph to run: open an artifact");
    return shared;
}

// Copy a prediction for the caller. Its label and logits stay where they are.
es_status write_prediction(const edgeshift::Stream &stream, const edgeshift::Prediction *from, es_prediction *to) {
    if (from == nullptr)
        return ES_WAITING;
    to->index = from->index;
    to->label = stream.model().description.labels[size_t(from->index)].c_str();
    to->score = from->score;
    to->fresh = from->fresh ? 1 : 0;
    to->classes = int32_t(from->logits.size());
    to->logits = from->logits.data();
    to->pre = from->pre, to->infer = from->infer, to->post = from->post;
    to->heard = static_cast<es_heard>(from->heard); // the same numbers
    return ES_OK;
}

} // namespace

extern "C" {

const char *es_version(void) { return EDGESHIFT_VERSION; }

int32_t es_abi(void) { return ES_ABI; }

const char *es_error(void) { return last_error().message.c_str(); }

es_status es_error_status(void) { return last_error().status; }

es_model *es_model_open(const char *path, const es_options *options) {
    return made([&] {
        const std::string where = required(path, "the path of the artifact");
        return open(edgeshift::read_artifact_file(where), where, options);
    });
}

es_model *es_model_open_memory(const void *data, size_t size, const char *name, const es_options *options) {
    return made([&] {
        const auto *bytes = static_cast<const uint8_t *>(required(data, "the artifact's data"));
        const std::string where = name == nullptr ? "the artifact" : name;
        return open(edgeshift::read_artifact(std::vector<uint8_t>(bytes, bytes + size), where), where, options);
    });
}

es_model *es_model_open_description(const char *json, size_t size, const char *name) {
    return made([&] {
        const std::string text(required(json, "the description"), size);
        auto shared = std::make_shared<edgeshift::Model>();
        try {
            shared->description = edgeshift::read_description(text);
        } catch (const Error &error) {
            throw Error(error.status, std::string(name == nullptr ? "the description" : name) + ": " + error.what());
        }
        return new es_model{std::move(shared), "none"};
    });
}

void es_model_close(es_model *model) { delete model; }

void es_model_get_info(const es_model *model, es_model_info *info) {
    const edgeshift::Description &description = model->shared->description;
    info->height = description.frame.height;
    info->width = description.frame.width;
    info->classes = int32_t(description.labels.size());
    info->frames = description.frames();
    info->hop = description.hop;
    info->states = int32_t(description.states.size());
    info->frame_spacing = description.frame_spacing;
    info->sound_seconds = description.sound ? description.sound->seconds : 0;
    info->sound_rate = description.sound ? edgeshift::least_rate(*description.sound) : 0;
}

const char *es_model_label(const es_model *model, int32_t index) {
    const std::vector<std::string> &labels = model->shared->description.labels;
    return index < 0 || size_t(index) >= labels.size() ? nullptr : labels[size_t(index)].c_str();
}

const char *es_model_description(const es_model *model) { return model->shared->description.json.c_str(); }

const char *es_model_runtime(const es_model *model) { return model->runtime.c_str(); }

es_status es_model_fit(const es_model *model, const es_image *image, uint8_t *out) {
    return guarded([&] {
        edgeshift::Fitter fitter(required(model, "the model")->shared->description.frame);
        fitter.fit(*required(image, "the image"), required(out, "out"));
        return ES_OK;
    });
}

es_status es_model_self_check(es_model *model, es_check *check) {
    return guarded([&] {
        *required(check, "check") = edgeshift::self_check(runnable(model));
        return ES_OK;
    });
}

es_stream *es_stream_new(es_model *model) {
    return made([&] { return new es_stream{edgeshift::Stream::of(runnable(model))}; });
}

void es_stream_free(es_stream *stream) { delete stream; }

es_status es_stream_reset(es_stream *stream) {
    return guarded([&] {
        required(stream, "the stream")->stream->reset();
        return ES_OK;
    });
}

es_status es_stream_step(es_stream *stream, const es_image *image, double timestamp, es_prediction *prediction) {
    return guarded([&] {
        edgeshift::Stream &of = *required(stream, "the stream")->stream;
        required(prediction, "prediction");
        return write_prediction(of, of.step(*required(image, "the image"), timestamp), prediction);
    });
}

es_status es_stream_hear(es_stream *stream, const float *samples, size_t count, double timestamp, int32_t rate) {
    return guarded([&] {
        edgeshift::Stream &of = *required(stream, "the stream")->stream;
        if (count > 0)
            required(samples, "samples");
        of.hear(samples, count, timestamp, rate);
        return ES_OK;
    });
}

es_status es_stream_deafen(es_stream *stream) {
    return guarded([&] {
        required(stream, "the stream")->stream->deafen();
        return ES_OK;
    });
}

es_status es_stream_clip(es_stream *stream, const es_image *images, int32_t count, es_prediction *prediction) {
    return guarded([&] {
        edgeshift::Stream &of = *required(stream, "the stream")->stream;
        required(prediction, "prediction");
        return write_prediction(of, of.clip(required(images, "images"), count), prediction);
    });
}

size_t es_stream_state_size(const es_stream *stream) { return stream->stream->saved_size(); }

es_status es_stream_save(const es_stream *stream, void *out, size_t size) {
    return guarded([&] {
        const edgeshift::Stream &of = *required(stream, "the stream")->stream;
        if (size < of.saved_size())
            throw bad_argument("the state needs " + std::to_string(of.saved_size()) + " bytes, and there are " +
                               std::to_string(size) + ": es_stream_state_size says how many");
        of.save(static_cast<uint8_t *>(required(out, "out")));
        return ES_OK;
    });
}

es_status es_stream_restore(es_stream *stream, const void *state, size_t size) {
    return guarded([&] {
        const auto *bytes = static_cast<const uint8_t *>(required(state, "the state"));
        required(stream, "the stream")->stream->restore(bytes, size);
        return ES_OK;
    });
}

es_spotter *es_spotter_new(es_model *model) {
    return made([&] {
        const auto &shared = required(model, "the model")->shared;
        const edgeshift::Description &description = shared->description;
        return new es_spotter{shared, edgeshift::Spotter(edgeshift::rule_of(description), description.labels)};
    });
}

void es_spotter_free(es_spotter *spotter) { delete spotter; }

es_status es_spotter_reset(es_spotter *spotter) {
    return guarded([&] {
        required(spotter, "the spotter")->spotter.reset();
        return ES_OK;
    });
}

int32_t es_spotter_feed(es_spotter *spotter, const float *logits, double timestamp, es_event *event) {
    int32_t detected = 0;
    const es_status status = guarded([&] {
        required(event, "event");
        const auto detection = required(spotter, "the spotter")->spotter.feed(required(logits, "logits"), timestamp);
        if (detection) {
            detected = 1;
            event->index = detection->index;
            event->label = spotter->shared->description.labels[size_t(detection->index)].c_str();
            event->score = detection->score;
            event->timestamp = detection->timestamp;
        }
        return ES_OK;
    });
    return status < 0 ? status : detected;
}

} // extern "C"
