// QNN, Qualcomm's runtime for its NPU, as a backend: a provider that ONNX Runtime loads as a plug-in. The graph is one node,
// which holds the compiled binary, and nothing may run on the CPU instead. Python's runtimes/qnn.py does the same.

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend.hpp"
#include "error.hpp"
#include "onnxruntime_api.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

namespace ort = onnxruntime;

constexpr const char *kProvider = "QNNExecutionProvider", *kLibrary = "libonnxruntime_providers_qnn.so";
constexpr const char *kVariable = "EDGESHIFT_QNN"; // may hold the path of the provider's library
const std::string kNext = "next_";                 // starts the names of the states that a step returns
// On x86-64, QNN's library is a simulator of the NPU, unless ONNX Runtime lists an NPU.
#if defined(__x86_64__)
constexpr bool kSimulates = true;
#else
constexpr bool kSimulates = false;
#endif

// An object of ONNX Runtime that is released with its owner.
template <class Handle> using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, void (*)(Handle)>;

void require(const ort::Api &api, ort::Status status, const std::string &what) {
    if (status == nullptr)
        return;
    const std::string reason = one_line(api.GetErrorMessage(status));
    api.ReleaseStatus(status);
    throw Error(ES_FAILED, "ONNX Runtime cannot " + what + ": " + reason + "; use ONNX Runtime 1.22 or later with the " +
                               "onnxruntime-qnn that belongs to it, or convert the model again");
}

// ONNX Runtime's devices for QNN.
std::vector<ort::Device> devices_of(const ort::Api &api, ort::Environment environment) {
    const ort::Device *devices = nullptr;
    size_t count = 0;
    require(api, api.GetEpDevices(environment, &devices, &count), "list its devices");
    std::vector<ort::Device> found;
    for (size_t i = 0; i < count; i++)
        if (std::strcmp(api.EpDevice_EpName(devices[i]), kProvider) == 0)
            found.push_back(devices[i]);
    return found;
}

// Why ONNX Runtime could not open a library. Its message repeats the path before the reason, and paths may be long.
std::string reason_of(const char *message) {
    const std::string text = message, before = "with error: ";
    const size_t at = text.find(before);
    return one_line(at == text.npos ? text : text.substr(at + before.size()));
}

// ONNX Runtime's environment, with the provider, made once for each library of ONNX Runtime. It stays until the process
// ends, so the provider's library is that of the first call. The app may have registered the provider, too.
ort::Environment environment(const ort::Api &api, const std::string &provider) {
    static std::mutex mutex;
    static auto &made = *new std::map<const void *, ort::Environment>;
    const std::lock_guard<std::mutex> lock(mutex);
    ort::Environment &entry = made[api.table];
    if (entry == nullptr) {
        // The NPU loads its own libraries from this folder, where they are beside the provider's.
        if (const std::string folder = std::filesystem::path(provider).parent_path().string(); !folder.empty() && !kSimulates)
            setenv("ADSP_LIBRARY_PATH", folder.c_str(), 0);
        ort::Environment environment = nullptr;
        require(api, api.CreateEnv(ort::kFatal, "edgeshift", &environment), "start");
        ort::Status status = nullptr;
        if (devices_of(api, environment).empty())
            status = api.RegisterExecutionProviderLibrary(environment, kProvider, provider.c_str());
        if (status != nullptr) {
            const std::string reason = reason_of(api.GetErrorMessage(status));
            api.ReleaseStatus(status);
            throw Error(ES_NO_RUNTIME, "QNN's library " + edgeshift::quoted(provider, 300) +
                                           " cannot be opened: " + reason + "; put " + kLibrary + " beside ONNX Runtime's library, or give its path in the " +
                                           "environment variable " + kVariable + ". The Python package onnxruntime-qnn " +
                                           "contains it, and for Android com.qualcomm.qti:onnxruntime-android-qnn");
        }
        entry = environment;
    }
    return entry;
}

// The provider's library: the given one, or that of the environment variable, or the one beside ONNX Runtime's, or its name,
// which is enough in an app. ONNX Runtime would look for a relative path beside its own library.
std::string provider_path(const ort::Api &api, const std::string &given) {
    const char *variable = std::getenv(kVariable);
    const std::string path = !given.empty() ? given : variable != nullptr ? variable : "";
    std::error_code error;
    if (path.find('/') != path.npos)
        return std::filesystem::absolute(path, error).string();
    if (!path.empty())
        return path;
    const std::filesystem::path beside = std::filesystem::path(api.folder) / kLibrary;
    return !api.folder.empty() && std::filesystem::is_regular_file(beside, error) ? beside.string() : kLibrary;
}

int element_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::float32:
        return ort::kFloat32;
    case Dtype::float16:
        return ort::kFloat16;
    case Dtype::int8:
        return ort::kInt8;
    default:
        return ort::kUint8;
    }
}

Dtype dtype_of(const std::string &name, int element) {
    for (const Dtype dtype : {Dtype::float32, Dtype::float16, Dtype::int8, Dtype::uint8})
        if (element_of(dtype) == element)
            return dtype;
    throw bad_artifact("tensor " + edgeshift::quoted(name) + " of the graph has a type that no artifact has (ONNX Runtime's " +
                       std::to_string(element) + "); convert the model again");
}

class QnnBackend : public Backend {
  public:
    QnnBackend(const uint8_t *graph, size_t size, const Description &description, const BackendOptions &options);

    std::vector<GraphTensor> inputs() const override { return inputs_; }
    std::vector<GraphTensor> outputs() const override {
        std::vector<GraphTensor> tensors = outputs_;
        for (GraphTensor &tensor : tensors) // as the description calls the states
            if (tensor.name.rfind(kNext, 0) == 0)
                tensor.name = tensor.name.substr(kNext.size());
        return tensors;
    }
    std::string name() const override {
        return "QNN with ONNX Runtime " + one_line(api_.version) + " (Hexagon " + description_.hexagon +
               (npu_ ? ", NPU)" : ", simulator)");
    }
    bool on_npu() const override { return npu_; }
    std::unique_ptr<Executor> executor() override;

  private:
    friend class QnnExecutor;

    // The NPU, or else what the simulator runs on.
    ort::Device find_device(ort::Environment environment);
    std::vector<GraphTensor> tensors(bool input);

    const ort::Api &api_;
    const Description &description_;
    bool npu_ = false;
    Owned<ort::MemoryInfo> memory_;
    Owned<ort::Session> session_;
    std::vector<GraphTensor> inputs_, outputs_;
    std::mutex turn_; // QNN does not say that a session may run in two threads at once
};

// Buffers of our own, which ONNX Runtime reads and writes. Two sets of states swap their roles after every run.
class QnnExecutor : public Executor {
  public:
    explicit QnnExecutor(QnnBackend &backend);

    void write_input(const uint8_t *tensor) override { std::memcpy(frame_.data(), tensor, frame_.size()); }
    void run() override;
    const uint8_t *logits() override { return logits_.data(); }
    void read_state(size_t index, uint8_t *out) override {
        std::memcpy(out, states_[now_][index].data(), states_[now_][index].size());
    }
    void write_state(size_t index, const uint8_t *from) override {
        std::memcpy(states_[now_][index].data(), from, states_[now_][index].size());
    }

  private:
    ort::Value value(const TensorSpec &tensor, std::vector<uint8_t> &bytes);

    QnnBackend &backend_;
    std::vector<uint8_t> frame_, logits_;
    std::array<std::vector<std::vector<uint8_t>>, 2> states_; // in the order of the description
    std::vector<Owned<ort::Value>> values_;                   // all that the lists below name
    std::vector<std::string> texts_;                          // of the names
    std::vector<const char *> input_names_, output_names_;
    std::array<std::vector<ort::Value>, 2> inputs_, outputs_; // of a run that reads states_[i]
    size_t now_ = 0;                                          // the set that the next run reads
};

QnnBackend::QnnBackend(const uint8_t *graph, size_t size, const Description &description, const BackendOptions &options)
    : api_(ort::api(options.library)), description_(description), memory_(nullptr, api_.ReleaseMemoryInfo),
      session_(nullptr, api_.ReleaseSession) {
    ort::MemoryInfo memory = nullptr;
    require(api_, api_.CreateCpuMemoryInfo(ort::kArena, ort::kDefaultMemory, &memory), "describe memory");
    memory_.reset(memory);
    const ort::Environment environment = edgeshift::environment(api_, provider_path(api_, options.provider));
    ort::Options made = nullptr;
    require(api_, api_.CreateSessionOptions(&made), "make options");
    const Owned<ort::Options> session_options(made, api_.ReleaseSessionOptions);
    require(api_, api_.SetSessionLogSeverityLevel(made, ort::kFatal), "set its log");
    require(api_, api_.SetIntraOpNumThreads(made, 1), "set its threads");
    require(api_, api_.SetInterOpNumThreads(made, 1), "set its threads");
    require(api_, api_.AddSessionConfigEntry(made, "session.disable_cpu_ep_fallback", "1"), "keep off the CPU");
    const ort::Device device = find_device(environment);
    // An NPU knows its own version. The simulator does not, and its answers are a little worse without it.
    const std::string version = npu_ ? "0" : description_.hexagon.substr(1);
    const char *keys[] = {"backend_type", "htp_arch", "enable_htp_shared_memory_allocator", "offload_graph_io_quantization"};
    const char *values[] = {"htp", version.c_str(), "0", "0"};
    require(api_, api_.SessionOptionsAppendExecutionProvider_V2(made, environment, &device, 1, keys, values, 4), "use QNN");
    ort::Session session = nullptr;
    ort::Status status = api_.CreateSessionFromArray(environment, graph, size, made, &session);
    if (status != nullptr) {
        const std::string reason = one_line(api_.GetErrorMessage(status));
        api_.ReleaseStatus(status);
        throw Error(ES_FAILED, "QNN cannot load its graph, which is for Hexagon " + description_.hexagon + ": " + reason +
                                   "; run it on a chip with this NPU, with libQnnHtp.so and QNN's other libraries beside the " +
                                   "provider's, or convert with --htp for the version that the chip has");
    }
    session_.reset(session);
    inputs_ = tensors(true);
    outputs_ = tensors(false);
}

ort::Device QnnBackend::find_device(ort::Environment environment) {
    ort::Device found = nullptr;
    for (ort::Device device : devices_of(api_, environment)) {
        // ONNX Runtime does not see every NPU. Then the provider reaches it by the device of the CPU.
        const bool seen = api_.HardwareDevice_Type(api_.EpDevice_Device(device)) == ort::kNpu;
        if (found == nullptr || seen) {
            found = device;
            npu_ = seen || !kSimulates;
        }
        if (seen)
            break;
    }
    if (found == nullptr)
        throw Error(ES_NO_RUNTIME, "QNN finds no NPU of Qualcomm on this device: run the artifact on a device with one, or "
                                   "convert with --target tflite for the CPU");
    return found;
}

std::vector<GraphTensor> QnnBackend::tensors(bool input) {
    const auto count_of = input ? api_.SessionGetInputCount : api_.SessionGetOutputCount;
    const auto name_of = input ? api_.SessionGetInputName : api_.SessionGetOutputName;
    const auto type_of = input ? api_.SessionGetInputTypeInfo : api_.SessionGetOutputTypeInfo;
    ort::Allocator allocator = nullptr;
    require(api_, api_.GetAllocatorWithDefaultOptions(&allocator), "give memory");
    size_t count = 0;
    require(api_, count_of(session_.get(), &count), "read the graph");
    std::vector<GraphTensor> tensors;
    for (size_t i = 0; i < count; i++) {
        char *text = nullptr;
        require(api_, name_of(session_.get(), i, allocator, &text), "read the graph");
        GraphTensor tensor = {text, {}, Dtype::float32};
        require(api_, api_.AllocatorFree(allocator, text), "free memory");
        ort::TypeInfo type = nullptr;
        require(api_, type_of(session_.get(), i, &type), "read the graph");
        const Owned<ort::TypeInfo> owner(type, api_.ReleaseTypeInfo);
        ort::TensorInfo info = nullptr;
        require(api_, api_.CastTypeInfoToTensorInfo(type, &info), "read the graph");
        if (info == nullptr)
            throw bad_artifact(edgeshift::quoted(tensor.name) + " of the graph is no tensor; convert the model again");
        int element = 0;
        size_t rank = 0;
        require(api_, api_.GetTensorElementType(info, &element), "read the graph");
        require(api_, api_.GetDimensionsCount(info, &rank), "read the graph");
        tensor.dtype = dtype_of(tensor.name, element);
        tensor.shape.resize(rank);
        require(api_, api_.GetDimensions(info, tensor.shape.data(), rank), "read the graph");
        tensors.push_back(std::move(tensor));
    }
    return tensors;
}

std::unique_ptr<Executor> QnnBackend::executor() { return std::make_unique<QnnExecutor>(*this); }

QnnExecutor::QnnExecutor(QnnBackend &backend) : backend_(backend) {
    const Description &description = backend.description_;
    frame_.resize(description.input.bytes());
    logits_.resize(description.output.bytes());
    for (auto &set : states_)
        for (const TensorSpec &state : description.states)
            set.emplace_back(state.bytes());
    const ort::Value frame = value(description.input, frame_), logits = value(description.output, logits_);
    std::array<std::vector<ort::Value>, 2> states;
    for (size_t set = 0; set < 2; set++)
        for (size_t i = 0; i < description.states.size(); i++)
            states[set].push_back(value(description.states[i], states_[set][i]));
    texts_ = {description.input.name, description.output.name};
    for (const TensorSpec &state : description.states) {
        texts_.push_back(state.name);
        texts_.push_back(kNext + state.name);
    }
    for (size_t i = 0; i < texts_.size(); i += 2) {
        input_names_.push_back(texts_[i].c_str());
        output_names_.push_back(texts_[i + 1].c_str());
    }
    for (size_t now = 0; now < 2; now++) {
        inputs_[now] = {frame};
        inputs_[now].insert(inputs_[now].end(), states[now].begin(), states[now].end());
        outputs_[now] = {logits};
        outputs_[now].insert(outputs_[now].end(), states[1 - now].begin(), states[1 - now].end());
    }
}

ort::Value QnnExecutor::value(const TensorSpec &tensor, std::vector<uint8_t> &bytes) {
    const ort::Api &api = backend_.api_;
    ort::Value made = nullptr;
    require(api,
            api.CreateTensorWithDataAsOrtValue(backend_.memory_.get(), bytes.data(), bytes.size(), tensor.shape.data(),
                                               tensor.shape.size(), element_of(tensor.dtype), &made),
            "make a tensor");
    values_.emplace_back(made, api.ReleaseValue);
    return made;
}

void QnnExecutor::run() {
    {
        const std::lock_guard<std::mutex> lock(backend_.turn_);
        std::vector<ort::Value> &inputs = inputs_[now_], &outputs = outputs_[now_];
        require(backend_.api_,
                backend_.api_.Run(backend_.session_.get(), nullptr, input_names_.data(), inputs.data(), inputs.size(),
                                  output_names_.data(), outputs.size(), outputs.data()),
                "run the graph");
    }
    now_ = 1 - now_;
}

} // namespace

std::unique_ptr<Backend> open_qnn(const uint8_t *graph, size_t size, const Description &description,
                                  const BackendOptions &options) {
    return std::make_unique<QnnBackend>(graph, size, description, options);
}

} // namespace edgeshift
