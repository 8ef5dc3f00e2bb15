// The seam between edgeshift and a runtime: a graph that was loaded, and the tensors of one stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "description.hpp"

namespace edgeshift {

// A tensor of the graph, as the runtime reports it.
struct GraphTensor {
    std::string name;
    std::vector<int64_t> shape;
    Dtype dtype;
};

// The buffers of one stream. Used from one thread at a time.
class Executor {
  public:
    virtual ~Executor() = default;
    // Copy the graph's picture input into the runtime's buffer, before `run`.
    virtual void write_input(const uint8_t *tensor) = 0;
    // Run the graph, and make its next states the states of the next run.
    virtual void run() = 0;
    // The logits of the last run, as the graph stores them, valid until the next run.
    virtual const uint8_t *logits() = 0;
    // Copy one state out of or into the buffers. `index` is its position in the description.
    virtual void read_state(size_t index, uint8_t *out) = 0;
    virtual void write_state(size_t index, const uint8_t *from) = 0;
};

// A loaded graph. Several executors may exist at once; each implementation makes their runs take turns if it must.
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::vector<GraphTensor> inputs() const = 0;
    virtual std::vector<GraphTensor> outputs() const = 0;
    // Name of the runtime and how it runs, as `es_model_runtime` returns them.
    virtual std::string name() const = 0;
    // Whether the graph runs on an NPU itself, and not on the CPU or on a simulator.
    virtual bool on_npu() const = 0;
    virtual std::unique_ptr<Executor> executor() = 0;
};

struct BackendOptions {
    int threads = 1;
    std::string library;  // path of the runtime's shared library; empty: look in the usual places
    std::string provider; // path of QNN's library, which ONNX Runtime opens; empty: look in the usual places
};

// Load a graph. `graph` must stay valid as long as the backend. Throws Error.
std::unique_ptr<Backend> open_litert(const uint8_t *graph, size_t size, const Description &description,
                                     const BackendOptions &options);
std::unique_ptr<Backend> open_qnn(const uint8_t *graph, size_t size, const Description &description,
                                  const BackendOptions &options);

} // namespace edgeshift
