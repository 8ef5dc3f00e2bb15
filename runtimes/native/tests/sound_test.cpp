// Sounds: the Fourier transform, the picture, the ear, and streams that hear, over a small graph.

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "check.hpp"
#include "counting_graph.hpp"
#include "ear.hpp"
#include "fourier.hpp"
#include "sound_stream.hpp"

using counting::Picture;
using counting::saved;
using edgeshift::Hearing;
using edgeshift::Stream;
using Samples = std::vector<float>;
using Logits = std::vector<float>;

namespace {

const double NONE = std::numeric_limits<double>::quiet_NaN();
constexpr int RATE = 16000;

std::string error_of(const std::function<void()> &call) {
    try {
        call();
    } catch (const edgeshift::Error &error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

// The default settings of Python with a short picture.
edgeshift::SoundSpec settings() {
    edgeshift::SoundSpec sound;
    sound.seconds = 0.2;
    sound.frames = 3;
    sound.weight = 2, sound.every = 0.1;
    sound.transform = 0.1;
    sound.windows = {0.025, 0.05, 0.1}, sound.hops = {0.01, 0.025, 0.05};
    sound.bands = 16;
    sound.top = 7500;
    sound.rate = RATE;
    sound.eps = 1e-6, sound.low = -13.5, sound.high = 6.5;
    return sound;
}

// Noise, as a quiet microphone gives it.
Samples noise(size_t count, uint32_t seed = 1, float level = 0.1f) {
    std::mt19937 random(seed);
    Samples samples(count);
    for (float &sample : samples)
        sample = level * (float(random() & 0xffff) / 32768 - 1);
    return samples;
}

void every_length_has_the_powers_of_the_formula() {
    for (const size_t length : {1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 30, 61, 67, 122, 134, 210, 441, 800, 1009, 1600}) {
        std::mt19937 random{uint32_t(length)};
        std::vector<double> values(length), powers(length / 2 + 1);
        double energy = 0;
        for (double &value : values) {
            value = double(random() & 0xffff) / 32768 - 1;
            energy += value * value;
        }
        edgeshift::PowerSpectrum spectrum(length);
        spectrum.run(values.data(), powers.size(), powers.data());
        for (size_t k = 0; k < powers.size(); k++) {
            double re = 0, im = 0;
            for (size_t j = 0; j < length; j++) {
                const double angle = 2 * std::acos(-1.0) * double(j * k % length) / double(length);
                re += values[j] * std::cos(angle);
                im -= values[j] * std::sin(angle);
            }
            CHECK(std::abs(powers[k] - (re * re + im * im)) < 1e-12 * energy * double(length));
        }
    }
}

void a_resize_keeps_constant_values_and_averages_all_inputs() {
    for (const size_t length : {1, 2, 7, 40, 64, 100, 1000}) {
        const edgeshift::Resize resize(length, 64);
        const std::vector<double> flat(length, 3.0);
        std::vector<double> ramp(length);
        for (size_t i = 0; i < length; i++)
            ramp[i] = double(i);
        double sum = 0;
        for (size_t i = 0; i < 64; i++) {
            CHECK(std::abs(resize.at(i, flat.data(), 1) - 3) < 1e-12);
            sum += resize.at(i, ramp.data(), 1);
        }
        CHECK(std::abs(sum / 64 - (double(length) - 1) / 2) < 1e-9);
    }
}

void pictures_do_not_depend_on_the_pieces() {
    const Samples samples = noise(2 * RATE);
    for (const int rate : {RATE, 44100, 15001}) {
        edgeshift::PictureStream whole(settings(), rate, 24), parts(settings(), rate, 24);
        whole.feed(samples.data(), samples.size());
        std::mt19937 random(3);
        for (size_t at = 0, count = 0; at < samples.size(); at += count) {
            count = std::min(samples.size() - at, size_t(random() % 3000));
            parts.feed(samples.data() + at, count);
        }
        std::vector<uint8_t> one(24 * 24 * 3), other(one.size());
        whole.write(one.data());
        parts.write(other.data());
        CHECK(one == other);
        for (size_t channel = 0; channel < 3; channel++)
            CHECK(whole.columns(channel) == parts.columns(channel));
    }
}

void a_picture_needs_its_samples() {
    edgeshift::PictureStream stream(settings(), RATE, 8);
    const Samples samples = noise(RATE);
    const size_t missing = size_t(stream.missing());
    CHECK(missing > size_t(0.2 * RATE));
    stream.feed(samples.data(), missing - 1);
    CHECK_EQUAL(stream.missing(), int64_t(1));
    stream.feed(samples.data(), 1);
    CHECK_EQUAL(stream.missing(), int64_t(0));
    for (size_t channel = 0; channel < 3; channel++)
        CHECK_EQUAL(stream.columns(channel).size(), size_t(edgeshift::columns_of(settings(), channel)) * 16);
}

void the_ear_says_what_it_hears() {
    edgeshift::Ear ear(settings(), 8);
    const Samples samples = noise(RATE);
    double now = 5;
    const auto hear = [&](const Samples &piece, double gap = 0) {
        ear.hear(piece.data(), piece.size(), now + gap, RATE);
        now += gap + double(piece.size()) / RATE;
    };
    CHECK(ear.hearing(5) == Hearing::deaf);
    hear(noise(1600));
    CHECK(ear.hearing(now) == Hearing::waiting);
    hear(samples);
    CHECK(ear.hearing(now) == Hearing::heard && ear.hearing(NONE) == Hearing::heard);
    CHECK(ear.hearing(now + 0.49) == Hearing::heard && ear.hearing(now + 0.51) == Hearing::late);
    CHECK(ear.hearing(now - 60) == Hearing::heard);
    hear(noise(800), 0.029); // not a gap
    CHECK(ear.hearing(now) == Hearing::heard);
    hear(noise(800), 0.031);
    CHECK(ear.hearing(now) == Hearing::waiting);
    hear(samples);
    hear(Samples(799, 0.25f));
    CHECK(ear.hearing(now) == Hearing::heard);
    hear(Samples(1, 0.25f));
    CHECK(ear.hearing(now) == Hearing::silent);
    hear(noise(1600));
    CHECK(ear.hearing(now) == Hearing::waiting); // a silence is a gap
    hear(samples);
    Samples loud = noise(800);
    for (size_t i = 0; i < 300; i++)
        loud[i] = i % 2 ? 1.0f : -1.0f;
    hear(loud);
    CHECK(ear.hearing(now) == Hearing::heard); // 300 of 16,800 samples are less than 2%
    hear(loud);
    CHECK(ear.hearing(now) == Hearing::clipped);
    hear(noise(4000, 4)); // 0.25 s, so the pieces before it are too old
    CHECK(ear.hearing(now) == Hearing::heard);
    ear.hear(samples.data(), 1600, now, 44100); // another rate
    CHECK(ear.hearing(NONE) == Hearing::waiting);
    ear.deafen();
    CHECK(ear.hearing(NONE) == Hearing::deaf);
}

void pieces_without_samples_change_nothing() {
    edgeshift::Ear ear(settings(), 8);
    ear.hear(nullptr, 0, 5, RATE);
    CHECK(ear.hearing(5) == Hearing::deaf);
    const Samples samples = noise(RATE);
    ear.hear(samples.data(), samples.size(), 0, RATE);
    for (int i = 0; i <= 60; i++)
        ear.hear(nullptr, 0, 1 + i * 0.01, RATE);
    ear.hear(nullptr, 0, 1, 48000);
    CHECK(ear.hearing(1.49) == Hearing::heard && ear.end() == 1);
    CHECK(ear.hearing(1.51) == Hearing::late); // a microphone that gives no samples is lost
    ear.hear(samples.data(), 1600, 1.6, RATE);
    CHECK(ear.hearing(1.7) == Hearing::waiting);
}

void samples_that_are_not_possible_are_refused() {
    edgeshift::Ear ear(settings(), 8);
    const Samples samples = noise(RATE);
    ear.hear(samples.data(), samples.size(), 0, RATE);
    const auto refused = [&](float value, double time, int rate) {
        const Samples piece(3, value);
        const std::string message = error_of([&] { ear.hear(piece.data(), piece.size(), time, rate); });
        CHECK(ear.hearing(1) == Hearing::heard && ear.end() == 1); // nothing is changed
        return message;
    };
    CHECK(contains(refused(std::numeric_limits<float>::quiet_NaN(), 1, RATE), "not finite"));
    CHECK(contains(refused(std::numeric_limits<float>::infinity(), 1, RATE), "not finite"));
    CHECK(contains(refused(0.5f, NONE, RATE), "is not a time in seconds"));
    CHECK(contains(refused(0.5f, 1, 14999), "the network needs 15,000 to 384,000"));
    CHECK(contains(refused(0.5f, 1, 384001), "the highest rate is 384,000"));
    CHECK(contains(refused(0.5f, 1, 0), "a sound of 0 samples"));
    CHECK(contains(refused(0.5f, 1, std::numeric_limits<int>::min()), "a sound of -2,147,483,648 samples"));
    edgeshift::SoundSpec low = settings();
    low.top = 1e-9;
    CHECK_EQUAL(edgeshift::least_rate(low), 1000); // so that no duration has 0 samples
}

edgeshift::Description description() {
    edgeshift::Description result = counting::description();
    result.sound = settings();
    result.quiet = {0.5f, 0.25f, 0, -0.5f, 1};
    return result;
}

// The frames' logits alone.
std::vector<Logits> frames_alone(int count) {
    const auto stream = Stream::of(counting::model(counting::description()));
    std::vector<Logits> logits;
    for (int i = 0; i < count; i++)
        logits.push_back(stream->step(Picture(uint32_t(i)).image, NONE)->logits);
    return logits;
}

// The mean of the newest frames, at most 3, and twice the sound.
Logits mean_of(const std::vector<Logits> &frames, const Logits &sound) {
    Logits total(sound.size());
    const size_t count = std::min<size_t>(frames.size(), 3);
    for (size_t i = 0; i < total.size(); i++) {
        for (size_t frame = frames.size() - count; frame < frames.size(); frame++)
            total[i] += frames[frame][i];
        total[i] = (total[i] + 2 * sound[i]) / float(count + 2);
    }
    return total;
}

void answers_are_means_of_frames_and_sound() {
    const auto model = counting::model(description());
    const auto stream = Stream::of(model);
    edgeshift::SoundStream other(model, model->description.frame);
    const std::vector<Logits> alone = frames_alone(8);
    const Samples samples = noise(RATE);
    edgeshift::PictureStream pictures(settings(), RATE, counting::SIDE);
    Logits sound;
    for (int i = 0; i < 8; i++) {
        const edgeshift::Prediction &prediction = *stream->step(Picture(uint32_t(i)).image, NONE);
        const std::vector<Logits> frames(alone.begin(), alone.begin() + i + 1);
        CHECK(prediction.heard == (i < 3 ? Hearing::deaf : Hearing::heard));
        CHECK(prediction.logits == mean_of(frames, i < 3 ? description().quiet : sound));
        const size_t best = size_t(prediction.index);
        for (const float logit : prediction.logits)
            CHECK(logit <= prediction.logits[best]);
        if (i < 2)
            continue;
        const size_t begin = size_t(i == 2 ? 0 : 8000 + (i - 3) * 1600), count = i == 2 ? 8000 : 1600;
        stream->hear(samples.data() + begin, count, double(begin) / RATE, RATE);
        pictures.feed(samples.data() + begin, count);
        std::vector<uint8_t> picture(counting::SIDE * counting::SIDE * 3);
        pictures.write(picture.data());
        sound = other.answer_to(picture.data());
    }
    stream->deafen();
    CHECK(stream->step(Picture(9).image, NONE)->heard == Hearing::deaf);
}

void a_sound_is_answered_again_when_it_is_due() {
    edgeshift::Description spec = description();
    spec.frame_spacing = 0;
    const auto model = counting::model(spec);
    const auto stream = Stream::of(model), steady = Stream::of(model);
    const Samples samples = noise(2 * RATE);
    const auto answer = [&](double to) {
        const Picture picture(1);
        stream->reset();
        stream->hear(samples.data(), RATE, 0, RATE);
        stream->step(picture.image, 1);
        stream->hear(samples.data() + RATE, size_t((to - 1) * RATE), 1, RATE);
        const Logits logits = stream->step(picture.image, to)->logits;
        return logits;
    };
    const Logits soon = answer(1.07), due = answer(1.09);
    steady->hear(samples.data(), RATE, 0, RATE);
    steady->step(Picture(1).image, 1);
    const Logits same = steady->step(Picture(1).image, 1.05)->logits;
    CHECK(soon == same); // a sound may be a fifth of 0.1 s early
    CHECK(due != same);
}

void a_step_that_fails_changes_nothing() {
    counting::Backend *backend = nullptr;
    const auto model = counting::model(description(), &backend);
    const auto stream = Stream::of(model), undisturbed = Stream::of(model);
    const Samples samples = noise(RATE);
    for (const auto &one : {stream.get(), undisturbed.get()}) {
        one->step(Picture(1).image, 0.9);
        one->hear(samples.data(), samples.size(), 0, RATE);
    }
    const std::vector<uint8_t> before = saved(*stream);
    backend->failing = true;
    CHECK_EQUAL(error_of([&] { stream->step(Picture(7).image, 1.0); }), "the counting graph fails");
    backend->failing = false;
    es_image image = Picture(2).image;
    image.planes[0] = nullptr;
    CHECK(contains(error_of([&] { stream->step(image, 1.0); }), "planes[0] of the image is NULL"));
    CHECK(saved(*stream) == before);
    const edgeshift::Prediction &again = *stream->step(Picture(2).image, 1.0);
    CHECK(again.fresh && again.heard == Hearing::heard);
    CHECK(again.logits == undisturbed->step(Picture(2).image, 1.0)->logits);
    const Logits last = again.logits;
    const edgeshift::Prediction &repeated = *stream->step(Picture(3).image, 1.05);
    CHECK(!repeated.fresh && repeated.logits == last && repeated.heard == Hearing::heard);
}

void saved_states_have_the_answers_to_frames_and_no_sound() {
    const auto model = counting::model(description());
    const auto stream = Stream::of(model), other = Stream::of(model), deaf = Stream::of(model);
    const Samples samples = noise(RATE);
    stream->hear(samples.data(), samples.size(), 0, RATE);
    for (uint32_t i = 0; i < 2; i++) {
        stream->step(Picture(i).image, NONE);
        deaf->step(Picture(i).image, NONE);
    }
    const std::vector<uint8_t> state = saved(*stream);
    CHECK(state == saved(*deaf));
    other->restore(state.data(), state.size());
    CHECK(saved(*other) == state);
    CHECK(other->step(Picture(5).image, NONE)->logits == deaf->step(Picture(5).image, NONE)->logits);
    stream->restore(state.data(), state.size());
    CHECK(stream->step(Picture(5).image, NONE)->heard == Hearing::heard); // it keeps its own samples
    stream->reset();
    CHECK(stream->step(Picture(5).image, NONE)->heard == Hearing::deaf);
    const size_t answers = 18 + 64 + 8; // after the mark, the hash and the number of answers
    std::vector<uint8_t> wrong = state;
    wrong[18 + 64] = 4;
    CHECK(contains(error_of([&] { other->restore(wrong.data(), wrong.size()); }), "is not possible"));
    wrong = state;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(&wrong[answers], &nan, 4);
    CHECK(contains(error_of([&] { other->restore(wrong.data(), wrong.size()); }), "NaN"));
}

// The description of a clip of 4 frames with a sound.
edgeshift::Description clip_description() {
    edgeshift::Description result = counting::description(4, 2);
    result.sound = settings();
    result.quiet = description().quiet;
    result.input.shape[0] = 5;
    result.output.shape[0] = 2;
    return result;
}

void clips_are_answered_with_the_sound_at_their_last_frame() {
    const auto model = counting::model(clip_description());
    const auto stream = Stream::of(model), other = Stream::of(model);
    const Samples samples = noise(RATE);
    edgeshift::PictureStream pictures(settings(), RATE, counting::SIDE);
    std::vector<uint8_t> picture(counting::SIDE * counting::SIDE * 3);
    std::vector<const char *> seen;
    for (uint32_t i = 0; i < 9; i++) {
        if (i == 4) {
            stream->hear(samples.data(), samples.size(), 0, RATE);
            pictures.feed(samples.data(), samples.size());
            pictures.write(picture.data());
        }
        if (i == 7)
            stream->deafen();
        const edgeshift::Prediction *prediction = stream->step(Picture(i).image, NONE);
        const edgeshift::Prediction *deaf = other->step(Picture(i).image, NONE);
        CHECK((prediction == nullptr) == (i < 3) && (deaf == nullptr) == (i < 3));
        if (prediction == nullptr)
            continue;
        CHECK_EQUAL(prediction->logits.size(), size_t(counting::CLASSES));
        CHECK(prediction->heard == (i < 5 || i > 6 ? Hearing::deaf : Hearing::heard));
        const Logits &frames = other->listening()->frame_logits();
        Logits expected(frames.size()); // four frames, and the quiet room twice
        for (size_t c = 0; c < expected.size(); c++)
            expected[c] = (4 * frames[c] + 2 * description().quiet[c]) / 6;
        CHECK(deaf->logits == expected);
        CHECK((prediction->logits == deaf->logits) == (prediction->heard == Hearing::deaf));
    }
    const Logits kept = stream->listening()->frame_logits();
    const Logits of_sound = stream->listening()->answer_to(picture.data());
    CHECK(of_sound != kept && stream->listening()->frame_logits() == kept);
    stream->hear(samples.data(), samples.size(), 0, RATE);
    const Picture whole(3);
    CHECK(stream->clip(&whole.image, 1)->heard == Hearing::none);
    stream->reset();
    CHECK(stream->step(Picture(1).image, NONE) == nullptr);
}

void networks_that_cannot_hear_refuse_sounds() {
    const auto stream = Stream::of(counting::model(counting::description()));
    const Samples samples = noise(10);
    CHECK(contains(error_of([&] { stream->hear(samples.data(), 10, 0, RATE); }), "it has no sound segment"));
    CHECK(contains(error_of([&] { stream->deafen(); }), "it has no sound segment"));
    CHECK(stream->step(Picture(1).image, NONE)->heard == Hearing::none);
}

void settings_that_cannot_run_here_are_refused() {
    const auto refused = [](auto change) {
        edgeshift::Description spec = counting::description();
        spec.sound = settings();
        change(*spec.sound);
        return error_of([&] { counting::model(spec); });
    };
    CHECK_EQUAL(refused([](edgeshift::SoundSpec &) {}), "");
    CHECK(contains(refused([](edgeshift::SoundSpec &sound) { sound.separate_norms = true; }), "own batch norms"));
    CHECK(contains(refused([](edgeshift::SoundSpec &sound) { sound.cut = false; }), "real numbers"));
    const std::string large = refused([](edgeshift::SoundSpec &sound) {
        sound.seconds = 60, sound.bands = 512;
        sound.hops = {0.001, 0.001, 0.001};
    });
    CHECK(contains(large, "is made of 92,160,000 values") && contains(large, "at most 16,777,216"));
}

} // namespace

int main() {
    every_length_has_the_powers_of_the_formula();
    a_resize_keeps_constant_values_and_averages_all_inputs();
    pictures_do_not_depend_on_the_pieces();
    a_picture_needs_its_samples();
    the_ear_says_what_it_hears();
    pieces_without_samples_change_nothing();
    samples_that_are_not_possible_are_refused();
    answers_are_means_of_frames_and_sound();
    a_sound_is_answered_again_when_it_is_due();
    a_step_that_fails_changes_nothing();
    saved_states_have_the_answers_to_frames_and_no_sound();
    clips_are_answered_with_the_sound_at_their_last_frame();
    networks_that_cannot_hear_refuse_sounds();
    settings_that_cannot_run_here_are_refused();
    return failures;
}
