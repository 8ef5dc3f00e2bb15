// One sequence of frames with its states. Python's edgeshift/stream/stream.py is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fit.hpp"
#include "model.hpp"
#include "pacer.hpp"
#include "prediction.hpp"

namespace edgeshift {

class Listening;

// Runs an artifact frame by frame. Used from one thread at a time. A call that throws Error leaves the stream as it was.
class Stream {
  public:
    // A stream of any artifact. It begins with the start values of the states.
    static std::unique_ptr<Stream> of(std::shared_ptr<const Model> model);
    // The same for frames that have the network's size and channel order already, as those of a data set.
    static std::unique_ptr<Stream> of_fitted(std::shared_ptr<const Model> model);
    // A stream of single frames that answers to frames alone, even if the network has a sound segment. `frame`: how they
    // are fitted.
    static std::unique_ptr<Stream> of_frames(std::shared_ptr<const Model> model, const FrameSpec &frame);

    virtual ~Stream();

    // Run one frame. `timestamp` is its time in seconds, or NaN. Returns nullptr if there is no prediction yet, which
    // only a stream of a clip artifact does. The prediction belongs to the stream, and is valid until its next call.
    virtual const Prediction *step(const es_image &image, double timestamp);
    // Run one whole clip: of all images, the middle one of each of T equal parts is used.
    virtual const Prediction *clip(const es_image *images, int count);
    // Start a new sequence.
    virtual void reset();
    // Take the next samples of a microphone; see Ear::hear. Throws Error if the network has no sound segment.
    virtual void hear(const float *samples, size_t count, double timestamp, int rate);
    // Forget all samples. Throws Error if the network has no sound segment.
    virtual void deafen();

    // Saved states: a mark, the hash of the graph, and the bytes of the states in the order of the description.
    size_t saved_size() const;
    void save(uint8_t *out) const;
    void restore(const uint8_t *saved, size_t size);

    // What streams of networks with a sound segment share; nullptr: this stream answers to frames alone.
    virtual Listening *listening() { return nullptr; }

    const Model &model() const { return *model_; }
    // Copy one state as the graph stores it. `index` is its position in the description.
    void read_state(size_t index, uint8_t *out) const { executor_->read_state(index, out); }

  protected:
    using Seconds = double;

    Stream(std::shared_ptr<const Model> model, const FrameSpec &frame);

    const Description &description() const { return model_->description; }
    // Whether a frame is due, and the pacer after it, which the caller keeps when the frame was processed.
    bool due(double timestamp, std::optional<Pacer> &pacer) const;
    // Run the graph on `tensor_`, and write the prediction. `start` is when the work on the input began. Writing the
    // tensor into the runtime's buffer and reading the logits are part of `infer`, as in Python.
    void predict(Seconds start, Prediction &prediction);
    // Turn all rows of logits that the graph returned into the answer. Usually there is one row, which is the answer.
    virtual void reduce(Prediction &) {}
    // Repeat the last prediction. nullptr: there is none yet.
    const Prediction *repeat(Seconds pre);
    // The sequence begins again, or continues from states that were restored.
    void begin();

    // The bytes of the states, after the mark and the hash.
    virtual size_t body_size() const;
    virtual void save_body(uint8_t *out) const;
    virtual void restore_body(const uint8_t *body);

    std::shared_ptr<const Model> model_;
    std::unique_ptr<Executor> executor_;
    Fitter fitter_;
    std::vector<uint8_t> tensor_; // the graph's picture input, as the graph stores it
    std::optional<Pacer> pacer_; // empty: the artifact does not know its frame spacing
    Prediction last_;
    bool answered_ = false; // last_ holds a prediction

  private:
    static std::unique_ptr<Stream> make(std::shared_ptr<const Model> model, const FrameSpec &frame);

    std::vector<uint8_t> pixels_; // the fitted frame, if the graph does not take bytes
};

} // namespace edgeshift
