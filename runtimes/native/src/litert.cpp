// LiteRT as a backend. Two sets of state buffers swap their roles after every run, so states are never copied.

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "backend.hpp"
#include "error.hpp"
#include "litert_api.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

using litert::Api;

void require_ok(litert::Status status, const char *what) {
    if (status != 0)
        throw Error(ES_FAILED, std::string("LiteRT cannot ") + what + ": status " + std::to_string(status) +
                                   "; install ai-edge-litert 2.1.6 to 2.3, or convert the model again");
}

// An object of LiteRT that is destroyed with its owner.
template <class Handle> class Owned {
  public:
    using Destroy = void (*)(Handle);
    explicit Owned(Destroy destroy) : destroy_(destroy) {}
    Owned(Owned &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)), destroy_(other.destroy_) {}
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned() {
        if (handle_ != nullptr)
            destroy_(handle_);
    }
    Handle *out() { return &handle_; }
    Handle get() const { return handle_; }

  private:
    Handle handle_ = nullptr;
    Destroy destroy_;
};
using Buffer = Owned<litert::Buffer>;

// An input or output of the graph's signature.
struct Port {
    std::string name;
    litert::TensorType type;
};

Dtype dtype_of(const Port &port) {
    switch (port.type.element) {
    case litert::kFloat32:
        return Dtype::float32;
    case litert::kFloat16:
        return Dtype::float16;
    case litert::kInt8:
        return Dtype::int8;
    case litert::kUint8:
        return Dtype::uint8;
    default:
        throw bad_artifact("tensor " + quoted(port.name) + " of the graph has a type that no artifact has (LiteRT's " +
                           std::to_string(port.type.element) + "); convert the model again");
    }
}

std::vector<GraphTensor> tensors_of(const std::vector<Port> &ports) {
    std::vector<GraphTensor> tensors;
    for (const Port &port : ports) {
        const litert::Layout &layout = port.type.layout;
        tensors.push_back({port.name, {layout.dimensions, layout.dimensions + layout.rank}, dtype_of(port)});
    }
    return tensors;
}

class LitertBackend : public Backend {
  public:
    LitertBackend(const uint8_t *graph, size_t size, const Description &description, const BackendOptions &options);

    std::vector<GraphTensor> inputs() const override { return tensors_of(inputs_); }
    std::vector<GraphTensor> outputs() const override { return tensors_of(outputs_); }
    std::string name() const override {
        if (!description_.chip.empty())
            return "LiteRT (compiled, NPU of " + description_.chip + ")";
        return "LiteRT (compiled, " + std::to_string(threads_) + (threads_ == 1 ? " thread)" : " threads)");
    }
    bool on_npu() const override { return !description_.chip.empty(); }
    std::unique_ptr<Executor> executor() override;

  private:
    friend class LitertExecutor;

    void compile();
    void read_signature();
    // Throws Error if a function of LiteRT failed. A graph that is compiled for an NPU runs nowhere else.
    void require(litert::Status status, const char *what) const;
    Buffer buffer(const std::vector<Port> &ports, size_t index, bool input);

    const Api &api_;
    const Description &description_;
    int threads_;
    // In the order of their creation. They are destroyed in the opposite order.
    Owned<litert::Environment> environment_;
    Owned<litert::Graph> graph_;
    Owned<litert::CompiledModel> compiled_;
    std::vector<Port> inputs_, outputs_;
    // LiteRT does not say that a compiled model may run in two threads at once, so its streams take turns.
    std::mutex turn_;
};

class LitertExecutor : public Executor {
  public:
    explicit LitertExecutor(LitertBackend &backend);

    void write_input(const uint8_t *tensor) override { write(frame_, tensor, backend_.description_.input.bytes()); }
    void run() override;
    const uint8_t *logits() override { return logits_.data(); }
    void read_state(size_t index, uint8_t *out) override;
    void write_state(size_t index, const uint8_t *from) override;

  private:
    void read(litert::Buffer buffer, uint8_t *out, size_t size) const;
    void write(litert::Buffer buffer, const uint8_t *from, size_t size) const;
    // The bytes of a buffer, which stay where they are while it is locked.
    void *lock(litert::Buffer buffer, int mode) const;
    void unlock(litert::Buffer buffer) const;

    LitertBackend &backend_;
    const Api &api_;
    std::vector<Buffer> buffers_;
    litert::Buffer frame_ = nullptr, output_ = nullptr;
    std::vector<litert::Buffer> states_[2];       // in the order of the description
    std::vector<litert::Buffer> inputs_[2], outputs_[2]; // of a run that reads states_[i]
    int now_ = 0;                                 // the set that the next run reads
    std::vector<uint8_t> logits_;
};

// LiteRT's global parts, such as its list of accelerators, are set up by one thread at a time.
std::mutex &setup_mutex() {
    static std::mutex mutex;
    return mutex;
}

LitertBackend::LitertBackend(const uint8_t *graph, size_t size, const Description &description,
                             const BackendOptions &options)
    : api_(litert::api(options.library)), description_(description), threads_(options.threads),
      environment_(api_.DestroyEnvironment), graph_(api_.DestroyModel), compiled_(api_.DestroyCompiledModel) {
    const std::lock_guard<std::mutex> lock(setup_mutex());
    // With its usual options, LiteRT looks for libraries of GPUs, and logs every step. One of them, which is in its Python
    // package, ends the process with an illegal instruction as soon as it is opened on a processor without atomics, such
    // as the Cortex-A72 of a Raspberry Pi 4. LiteRT itself runs there.
    const bool npu = !description.chip.empty();
    litert::EnvironmentOption environment[3] = {};
    environment[0].tag = litert::kRegisteredAccelerators;
    environment[0].value.integer = npu ? litert::kCpu | litert::kNpu : litert::kCpu;
    environment[1].tag = litert::kLeastSeverity;
    environment[1].value.integer = litert::kErrors;
    for (litert::EnvironmentOption &option : environment)
        option.value.type = litert::kInteger;
    // The vendor's library for the NPU is beside LiteRT's, as in the folder of an app's libraries.
    environment[2].tag = litert::kDispatchFolder;
    environment[2].value.type = litert::kText;
    environment[2].value.text = api_.folder.c_str();
    require_ok(api_.CreateEnvironment(npu ? 3 : 2, environment, environment_.out()), "start");
    if (api_.CreateModelFromBuffer(environment_.get(), graph, size, graph_.out()) != 0)
        throw bad_artifact("LiteRT cannot load its graph; convert the model again");
    compile();
    read_signature();
}

void LitertBackend::compile() {
    Owned<litert::Options> options(api_.DestroyOptions);
    require_ok(api_.CreateOptions(options.out()), "make options");
    // Operators that the compilation left outside run on the CPU. The others cannot: they are no longer in the graph.
    const int accelerators = description_.chip.empty() ? litert::kCpu : litert::kCpu | litert::kNpu;
    require_ok(api_.SetOptionsHardwareAccelerators(options.get(), accelerators), "choose the processor");
    const std::string text = "num_threads = " + std::to_string(threads_) + "\n";
    char *copy = static_cast<char *>(std::malloc(text.size() + 1)); // LiteRT frees it
    if (copy == nullptr)
        throw Error(ES_FAILED, "there is no memory left");
    std::memcpy(copy, text.c_str(), text.size() + 1);
    litert::OpaqueOptions cpu = nullptr; // belongs to `options` once it is added
    require_ok(api_.CreateOpaqueOptions("xnnpack", copy, std::free, &cpu), "set the number of threads");
    require_ok(api_.AddOpaqueOptions(options.get(), cpu), "set the number of threads");
    const litert::Status status =
        api_.CreateCompiledModel(environment_.get(), graph_.get(), options.get(), compiled_.out());
    if (!description_.chip.empty())
        require(status, "load the graph");
    if (status != 0)
        throw bad_artifact("LiteRT cannot compile its graph; convert the model again");
}

void LitertBackend::require(litert::Status status, const char *what) const {
    if (status != 0 && !description_.chip.empty())
        throw Error(ES_FAILED, "the graph is compiled for the NPU of " + description_.chip + ", and LiteRT cannot " + what +
                                   " there: status " + std::to_string(status) + "; run it on a phone with this chip, with " +
                                   "the vendor's library libLiteRtDispatch_*.so beside LiteRT's, or convert without --aot");
    require_ok(status, what);
}

void LitertBackend::read_signature() {
    litert::Signature signature = nullptr;
    if (api_.GetModelSignature(graph_.get(), 0, &signature) != 0)
        throw bad_artifact("the graph has no signature; convert the model again");
    const auto read = [&](auto count_of, auto name_of, auto tensor_of, std::vector<Port> &ports) {
        size_t count = 0;
        require_ok(count_of(signature, &count), "read the signature");
        for (size_t i = 0; i < count; i++) {
            const char *name = nullptr;
            litert::Tensor tensor = nullptr;
            Port port;
            require_ok(name_of(signature, i, &name), "read the signature");
            require_ok(tensor_of(signature, i, &tensor), "read the signature");
            port.name = name;
            if (api_.GetRankedTensorType(tensor, &port.type) != 0 || port.type.layout.rank > 8)
                throw bad_artifact("tensor " + quoted(name) + " of the graph has no shape; convert the model again");
            ports.push_back(port);
        }
    };
    read(api_.GetNumSignatureInputs, api_.GetSignatureInputName, api_.GetSignatureInputTensorByIndex, inputs_);
    read(api_.GetNumSignatureOutputs, api_.GetSignatureOutputName, api_.GetSignatureOutputTensorByIndex, outputs_);
}

Buffer LitertBackend::buffer(const std::vector<Port> &ports, size_t index, bool input) {
    litert::Requirements requirements = nullptr;
    const auto requirements_of = input ? api_.GetCompiledModelInputBufferRequirements
                                       : api_.GetCompiledModelOutputBufferRequirements;
    require(requirements_of(compiled_.get(), 0, index, &requirements), "say what buffers it needs");
    Buffer result(api_.DestroyTensorBuffer);
    require(api_.CreateManagedTensorBufferFromRequirements(environment_.get(), &ports[index].type, requirements,
                                                           result.out()),
            "make a buffer");
    return result;
}

std::unique_ptr<Executor> LitertBackend::executor() {
    const std::lock_guard<std::mutex> lock(turn_);
    return std::make_unique<LitertExecutor>(*this);
}

LitertExecutor::LitertExecutor(LitertBackend &backend)
    : backend_(backend), api_(backend.api_), logits_(backend.description_.output.bytes()) {
    const Description &description = backend.description_;
    std::map<std::string, size_t> positions; // of the states
    for (size_t i = 0; i < description.states.size(); i++)
        positions[description.states[i].name] = i;
    const auto keep = [&](Buffer buffer, size_t bytes) {
        size_t size = 0;
        require_ok(api_.GetTensorBufferPackedSize(buffer.get(), &size), "say the size of a buffer");
        if (size < bytes)
            throw bad_artifact("a tensor of the graph is smaller than the description says; convert the model again");
        buffers_.push_back(std::move(buffer));
        return buffers_.back().get();
    };
    for (auto &set : states_)
        set.resize(positions.size());
    for (size_t i = 0; i < backend.inputs_.size(); i++) {
        const auto state = positions.find(backend.inputs_[i].name);
        if (state == positions.end())
            frame_ = keep(backend.buffer(backend.inputs_, i, true), description.input.bytes());
        else
            for (auto &set : states_)
                set[state->second] =
                    keep(backend.buffer(backend.inputs_, i, true), description.states[state->second].bytes());
    }
    for (size_t i = 0; i < backend.outputs_.size(); i++)
        if (positions.count(backend.outputs_[i].name) == 0)
            output_ = keep(backend.buffer(backend.outputs_, i, false), description.output.bytes());
    for (int now = 0; now < 2; now++) {
        for (const Port &port : backend.inputs_) {
            const auto state = positions.find(port.name);
            inputs_[now].push_back(state == positions.end() ? frame_ : states_[now][state->second]);
        }
        for (const Port &port : backend.outputs_) {
            const auto state = positions.find(port.name);
            outputs_[now].push_back(state == positions.end() ? output_ : states_[1 - now][state->second]);
        }
    }
}

void LitertExecutor::run() {
    {
        const std::lock_guard<std::mutex> lock(backend_.turn_);
        backend_.require(api_.RunCompiledModel(backend_.compiled_.get(), 0, inputs_[now_].size(), inputs_[now_].data(),
                                               outputs_[now_].size(), outputs_[now_].data()),
                         "run the graph");
    }
    read(output_, logits_.data(), logits_.size());
    now_ = 1 - now_;
}

void LitertExecutor::read_state(size_t index, uint8_t *out) {
    read(states_[now_][index], out, backend_.description_.states[index].bytes());
}

void LitertExecutor::write_state(size_t index, const uint8_t *from) {
    write(states_[now_][index], from, backend_.description_.states[index].bytes());
}

void LitertExecutor::read(litert::Buffer buffer, uint8_t *out, size_t size) const {
    std::memcpy(out, lock(buffer, litert::kRead), size);
    unlock(buffer);
}

void LitertExecutor::write(litert::Buffer buffer, const uint8_t *from, size_t size) const {
    std::memcpy(lock(buffer, litert::kWrite), from, size);
    unlock(buffer);
}

void *LitertExecutor::lock(litert::Buffer buffer, int mode) const {
    void *bytes = nullptr;
    require_ok(api_.LockTensorBuffer(buffer, &bytes, mode), "give access to a buffer");
    return bytes;
}

void LitertExecutor::unlock(litert::Buffer buffer) const {
    require_ok(api_.UnlockTensorBuffer(buffer), "take a buffer back");
}

} // namespace

std::unique_ptr<Backend> open_litert(const uint8_t *graph, size_t size, const Description &description,
                                     const BackendOptions &options) {
    return std::make_unique<LitertBackend>(graph, size, description, options);
}

} // namespace edgeshift
