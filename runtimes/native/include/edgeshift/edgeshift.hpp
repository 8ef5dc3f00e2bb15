// The C++ interface of edgeshift's native runtime: the C interface with objects that free themselves, and exceptions.
//
//     edgeshift::Model model("gestures.tflite");
//     edgeshift::Stream stream(model);
//     while (next_frame(&pixels, &seconds))
//         if (auto prediction = stream.step(edgeshift::rgb(pixels, width, height), seconds))
//             std::puts(prediction->label);
//
// edgeshift.h explains threads, units and ownership. C++17. A program that includes this file must link the shared
// library, not its sources or a static library of them, because classes in those have the same names: Model, Stream and
// Spotter.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "edgeshift.h"

namespace edgeshift {

// What a call of the library could not do. what() is one line that says what to do.
class Failure : public std::runtime_error {
  public:
    explicit Failure(es_status status) : std::runtime_error(es_error()), status(status) {}
    es_status status;
};

// Throw Failure if a call has failed; otherwise return its status.
inline es_status checked(es_status status) {
    if (status < 0)
        throw Failure(status);
    return status;
}

template <class Object> Object *checked(Object *object) {
    if (object == nullptr)
        throw Failure(es_error_status());
    return object;
}

// An image of 3 bytes per pixel. row_bytes: bytes from a row to the next; 0: nothing is between them.
inline es_image rgb(const uint8_t *pixels, int width, int height, size_t row_bytes = 0) {
    es_image image = {};
    image.format = ES_RGB;
    image.width = width, image.height = height;
    image.planes[0] = pixels;
    image.strides[0] = row_bytes != 0 ? row_bytes : size_t(width) * 3;
    return image;
}

// A loaded artifact. It can be copied: the copies share the artifact.
class Model {
  public:
    explicit Model(const std::string &path, const es_options &options = {})
        : model_(checked(es_model_open(path.c_str(), &options)), es_model_close) {}
    Model(const void *data, size_t size, const std::string &name, const es_options &options = {})
        : model_(checked(es_model_open_memory(data, size, name.c_str(), &options)), es_model_close) {}

    es_model_info info() const {
        es_model_info info;
        es_model_get_info(get(), &info);
        return info;
    }
    std::vector<std::string> labels() const {
        std::vector<std::string> labels;
        for (int32_t i = 0; const char *label = es_model_label(get(), i); i++)
            labels.push_back(label);
        return labels;
    }
    std::string description() const { return es_model_description(get()); }
    std::string runtime() const { return es_model_runtime(get()); }
    es_check self_check() const {
        es_check check;
        checked(es_model_self_check(get(), &check));
        return check;
    }
    // The frame that the network takes for an image: height x width x 3 bytes.
    std::vector<uint8_t> fit(const es_image &image) const {
        const es_model_info of = info();
        std::vector<uint8_t> pixels(size_t(of.height) * size_t(of.width) * 3);
        checked(es_model_fit(get(), &image, pixels.data()));
        return pixels;
    }
    es_model *get() const { return model_.get(); }

  private:
    std::shared_ptr<es_model> model_;
};

// One sequence of frames with its states.
class Stream {
  public:
    explicit Stream(const Model &model) : stream_(checked(es_stream_new(model.get()))) {}

    // Run one frame. Empty: a clip artifact has too few frames so far. seconds: time of the frame.
    std::optional<es_prediction> step(const es_image &image, double seconds = NAN) {
        es_prediction prediction;
        if (checked(es_stream_step(stream_.get(), &image, seconds, &prediction)) == ES_WAITING)
            return std::nullopt;
        return prediction;
    }
    // Run one whole clip with a clip artifact.
    es_prediction clip(const std::vector<es_image> &images) {
        es_prediction prediction;
        checked(es_stream_clip(stream_.get(), images.data(), int32_t(images.size()), &prediction));
        return prediction;
    }
    // Take the next samples of a microphone, for a network with a sound segment: floats from -1 to 1, one channel. seconds:
    // time of the first sample, on the clock of the frames. rate: samples per second.
    void hear(const std::vector<float> &samples, double seconds, int rate) {
        checked(es_stream_hear(stream_.get(), samples.data(), samples.size(), seconds, int32_t(rate)));
    }
    // Forget all samples, for example when the microphone is switched off.
    void deafen() { checked(es_stream_deafen(stream_.get())); }
    void reset() { checked(es_stream_reset(stream_.get())); }
    std::vector<uint8_t> save() const {
        std::vector<uint8_t> state(es_stream_state_size(stream_.get()));
        checked(es_stream_save(stream_.get(), state.data(), state.size()));
        return state;
    }
    void restore(const std::vector<uint8_t> &state) {
        checked(es_stream_restore(stream_.get(), state.data(), state.size()));
    }
    es_stream *get() const { return stream_.get(); }

  private:
    struct Free {
        void operator()(es_stream *stream) const { es_stream_free(stream); }
    };
    std::unique_ptr<es_stream, Free> stream_;
};

// Turns the fresh predictions of one stream into detections.
class Spotter {
  public:
    explicit Spotter(const Model &model) : spotter_(checked(es_spotter_new(model.get()))) {}

    // Give it a prediction. Those that are repeated are left out. Empty: there is no detection.
    std::optional<es_event> feed(const es_prediction &prediction, double seconds) {
        es_event event;
        if (!prediction.fresh)
            return std::nullopt;
        const int32_t detected = es_spotter_feed(spotter_.get(), prediction.logits, seconds, &event);
        if (detected < 0)
            throw Failure(es_status(detected));
        return detected == 0 ? std::nullopt : std::optional<es_event>(event);
    }
    void reset() { checked(es_spotter_reset(spotter_.get())); }

  private:
    struct Free {
        void operator()(es_spotter *spotter) const { es_spotter_free(spotter); }
    };
    std::unique_ptr<es_spotter, Free> spotter_;
};

} // namespace edgeshift
