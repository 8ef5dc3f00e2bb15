// Streams of frames and of clips, over a small graph.

#include <cmath>
#include <functional>
#include <limits>

#include "check.hpp"
#include "counting_graph.hpp"
#include "edgeshift/edgeshift.h"

using counting::Picture;
using counting::saved;
using edgeshift::Stream;
using Logits = std::vector<float>;

namespace {

const double NONE = std::numeric_limits<double>::quiet_NaN();

// The message of the error that a call throws; empty: it throws none.
std::string error_of(const std::function<void()> &call) {
    try {
        call();
    } catch (const edgeshift::Error &error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

// The logits of a stream for pictures from `first` to before `end`.
std::vector<Logits> run(Stream &stream, uint32_t first, uint32_t end) {
    std::vector<Logits> logits;
    for (uint32_t i = first; i < end; i++)
        logits.push_back(stream.step(Picture(i).image, NONE)->logits);
    return logits;
}

void states_are_carried_and_reset() {
    const auto model = counting::model(counting::description());
    const auto stream = Stream::of(model), other = Stream::of(model);
    const std::vector<uint8_t> start = saved(*stream);
    const std::vector<Logits> first = run(*stream, 0, 10);
    CHECK(run(*other, 3, 4)[0] != first[3]); // the frame alone does not decide
    CHECK(saved(*stream) != start);
    stream->reset();
    CHECK(saved(*stream) == start);
    CHECK(run(*stream, 0, 10) == first);
}

void states_begin_with_their_stored_start_values() {
    const auto stream = Stream::of(counting::model(counting::description()));
    uint8_t totals[counting::TOTALS];
    stream->read_state(0, totals);
    CHECK_EQUAL(int(totals[0]), 5); // 1.5 / 0.5 + 2
    float recent[3];
    stream->read_state(1, reinterpret_cast<uint8_t *>(recent));
    CHECK_EQUAL(recent[2], -1.0f);
}

void logits_are_real_values_and_the_label_is_the_largest() {
    const auto stream = Stream::of(counting::model(counting::description()));
    const edgeshift::Prediction &prediction = *stream->step(Picture(1).image, NONE);
    double sum = 0;
    for (const float logit : prediction.logits) {
        CHECK_EQUAL(std::fmod(logit, 0.25f), 0.0f);
        CHECK(logit <= prediction.logits[size_t(prediction.index)]);
        sum += std::exp(double(logit) - prediction.logits[size_t(prediction.index)]);
    }
    CHECK(std::abs(prediction.score - 1 / sum) < 1e-6);
    CHECK(prediction.pre > 0 && prediction.infer > 0 && prediction.post >= 0);
}

void frames_before_their_time_repeat_the_prediction() {
    const auto stream = Stream::of(counting::model(counting::description())); // 0.1 s from frame to frame
    const Logits first = stream->step(Picture(1).image, 5.0)->logits;
    const std::vector<uint8_t> before = saved(*stream);
    const edgeshift::Prediction early = *stream->step(Picture(2).image, 5.05);
    CHECK(!early.fresh && early.logits == first && early.infer == 0);
    CHECK(saved(*stream) == before);
    CHECK(stream->step(Picture(2).image, 5.0995)->fresh); // within a millisecond
    CHECK(!stream->step(Picture(2).image, 5.15)->fresh);
    CHECK(stream->step(Picture(3).image, 5.9)->fresh); // after a gap, one frame is due
    CHECK(!stream->step(Picture(4).image, 5.95)->fresh);
    CHECK(stream->step(Picture(5).image, 2.0)->fresh); // the time jumps back
    CHECK(stream->step(Picture(6).image, NONE)->fresh);
    for (const double time : {std::numeric_limits<double>::infinity(), 1e16, -1e16})
        CHECK(contains(error_of([&] { stream->step(Picture(1).image, time); }), "is not a time in seconds"));
}

void a_frame_that_fails_changes_nothing() {
    counting::Backend *backend = nullptr;
    const auto model = counting::model(counting::description(), &backend);
    const auto stream = Stream::of(model), undisturbed = Stream::of(model);
    for (const auto &one : {stream.get(), undisturbed.get()})
        one->step(Picture(1).image, 1.0);
    const std::vector<uint8_t> before = saved(*stream);
    es_image image = Picture(2).image;
    image.planes[0] = nullptr;
    CHECK(contains(error_of([&] { stream->step(image, 1.1); }), "planes[0] of the image is NULL"));
    backend->failing = true;
    CHECK_EQUAL(error_of([&] { stream->step(Picture(7).image, 1.1); }), "the counting graph fails");
    backend->failing = false;
    CHECK(saved(*stream) == before);
    // The frame is still due, and gives the same as without the failures.
    const edgeshift::Prediction &again = *stream->step(Picture(2).image, 1.1);
    CHECK(again.fresh);
    CHECK(again.logits == undisturbed->step(Picture(2).image, 1.1)->logits);
}

void saved_states_continue_a_sequence() {
    const auto model = counting::model(counting::description());
    const auto stream = Stream::of(model), other = Stream::of(model);
    run(*stream, 0, 5);
    const std::vector<uint8_t> state = saved(*stream);
    const std::vector<Logits> rest = run(*stream, 5, 9);
    run(*other, 30, 33);
    other->restore(state.data(), state.size());
    CHECK(run(*other, 5, 9) == rest);
}

void states_that_do_not_fit_are_refused() {
    const auto stream = Stream::of(counting::model(counting::description()));
    run(*stream, 0, 3);
    const std::vector<uint8_t> good = saved(*stream);
    const auto refusal = [&](const std::vector<uint8_t> &state) {
        const std::string message = error_of([&] { stream->restore(state.data(), state.size()); });
        CHECK(saved(*stream) == good);
        return message;
    };
    CHECK(contains(refusal({}), "not a saved state"));
    CHECK(contains(refusal(std::vector<uint8_t>(good.size(), 'x')), "not a saved state"));
    std::vector<uint8_t> state = good;
    state.pop_back();
    CHECK(contains(refusal(state), "bytes"));
    state = good;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(&state[state.size() - 4], &nan, 4);
    CHECK(contains(refusal(state), "state \"recent\" contains NaN") || contains(refusal(state), "'recent' contains NaN"));
    const auto stranger = Stream::of(counting::model(counting::description(), nullptr, 'b'));
    CHECK(contains(refusal(saved(*stranger)), "another artifact"));
    stream->restore(good.data(), good.size());
}

void a_clip_answers_after_its_frames_and_at_every_hop() {
    const auto stream = Stream::of(counting::model(counting::description(4, 2)));
    std::vector<int> fresh;
    for (uint32_t i = 0; i < 9; i++) {
        const edgeshift::Prediction *prediction = stream->step(Picture(i).image, NONE);
        fresh.push_back(prediction == nullptr ? -1 : prediction->fresh);
    }
    CHECK((fresh == std::vector<int>{-1, -1, -1, 1, 0, 1, 0, 1, 0}));
}

void a_clip_is_the_last_frames_in_their_order() {
    const auto model = counting::model(counting::description(4, 1));
    const auto stream = Stream::of(model), whole = Stream::of(model);
    std::vector<std::unique_ptr<Picture>> pictures;
    std::vector<es_image> images;
    for (uint32_t i = 0; i < 11; i++) {
        pictures.push_back(std::make_unique<Picture>(i));
        images.push_back(pictures.back()->image);
        const edgeshift::Prediction *prediction = stream->step(images.back(), NONE);
        if (i >= 3)
            CHECK(prediction->logits == whole->clip(&images[i - 3], 4)->logits);
    }
    // Of 11 images, those in the middle of four equal parts are used.
    const std::vector<es_image> middles = {images[1], images[4], images[6], images[9]};
    const Logits expected = whole->clip(middles.data(), 4)->logits;
    CHECK(whole->clip(images.data(), 11)->logits == expected);
    CHECK(contains(error_of([&] { whole->clip(images.data(), 0); }), "no frames"));
    const std::vector<uint8_t> before = saved(*stream);
    stream->clip(images.data(), 11);
    CHECK(saved(*stream) == before);
}

void a_clip_keeps_its_frames_when_one_fails_and_when_it_is_restored() {
    counting::Backend *backend = nullptr;
    const auto model = counting::model(counting::description(4, 1), &backend);
    const auto stream = Stream::of(model), other = Stream::of(model);
    for (uint32_t i = 0; i < 6; i++)
        stream->step(Picture(i).image, 0.1 * i);
    const std::vector<uint8_t> state = saved(*stream);
    backend->failing = true;
    CHECK_EQUAL(error_of([&] { stream->step(Picture(50).image, 0.6); }), "the counting graph fails");
    backend->failing = false;
    CHECK(saved(*stream) == state);
    other->restore(state.data(), state.size());
    CHECK(saved(*other) == state);
    for (uint32_t i = 6; i < 12; i++) {
        const edgeshift::Prediction *prediction = stream->step(Picture(i).image, 0.1 * i);
        CHECK(prediction->fresh && prediction->logits == other->step(Picture(i).image, 0.1 * i)->logits);
    }
    std::vector<uint8_t> negative = state;
    negative.back() = 0xff;
    CHECK(contains(error_of([&] { other->restore(negative.data(), negative.size()); }), "is not possible"));
    other->reset();
    CHECK(other->step(Picture(1).image, NONE) == nullptr);
}

void clips_may_have_float_inputs_and_channels_first() {
    edgeshift::Description last = counting::description(2, 1);
    last.input.dtype = edgeshift::Dtype::uint8;
    const Picture a(1, counting::SIDE, counting::SIDE), b(2, counting::SIDE, counting::SIDE);
    const es_image images[2] = {a.image, b.image};
    edgeshift::Description first = last;
    first.input.channels_last = false;
    first.input.shape = {2, 3, counting::SIDE, counting::SIDE};
    const auto by_channels = Stream::of(counting::model(first));
    // The counting graph mixes the bytes in their order, so a picture with exchanged bytes gives the same.
    Picture planes_a(0, counting::SIDE, counting::SIDE), planes_b(0, counting::SIDE, counting::SIDE);
    const size_t area = counting::SIDE * counting::SIDE;
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++) {
            planes_a.pixels[c * area + i] = a.pixels[3 * i + c];
            planes_b.pixels[c * area + i] = b.pixels[3 * i + c];
        }
    const es_image exchanged[2] = {planes_a.image, planes_b.image};
    CHECK(by_channels->clip(images, 2)->logits == Stream::of(counting::model(last))->clip(exchanged, 2)->logits);
}

void a_stream_artifact_runs_no_clips() {
    const auto stream = Stream::of(counting::model(counting::description()));
    const Picture picture(1);
    CHECK(contains(error_of([&] { stream->clip(&picture.image, 1); }), "one frame at a time"));
}

void descriptions_that_cannot_run_here_are_refused() {
    edgeshift::Description description = counting::description();
    description.state_form = "buffer";
    CHECK(contains(error_of([&] { counting::model(description); }), "--state io"));
    description = counting::description();
    description.target = "onnx";
    CHECK(contains(error_of([&] { counting::model(description); }), "--target tflite"));
    description = counting::description();
    description.states[1].dtype = edgeshift::Dtype::float16;
    CHECK(contains(error_of([&] { counting::model(description); }), "is float16"));
    counting::Backend graph(counting::description());
    description = counting::description();
    description.states[0].shape = {1, 5};
    const std::string message = error_of([&] { edgeshift::require_tensors(description, graph); });
    CHECK(contains(message, "totals") && contains(message, "convert the model again"));
    description.states.clear();
    CHECK(contains(error_of([&] { edgeshift::require_tensors(description, graph); }), "the description says nothing"));
}

} // namespace

int main() {
    states_are_carried_and_reset();
    states_begin_with_their_stored_start_values();
    logits_are_real_values_and_the_label_is_the_largest();
    frames_before_their_time_repeat_the_prediction();
    a_frame_that_fails_changes_nothing();
    saved_states_continue_a_sequence();
    states_that_do_not_fit_are_refused();
    a_clip_answers_after_its_frames_and_at_every_hop();
    a_clip_is_the_last_frames_in_their_order();
    a_clip_keeps_its_frames_when_one_fails_and_when_it_is_restored();
    clips_may_have_float_inputs_and_channels_first();
    a_stream_artifact_runs_no_clips();
    descriptions_that_cannot_run_here_are_refused();
    return failures;
}
