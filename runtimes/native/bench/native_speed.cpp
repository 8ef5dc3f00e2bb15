// Measures the native runtime, for benchmarks/studies/native_speed.py. It prints one object of JSON.
//
//     native_speed step LIBRARY ARTIFACT ROUNDS     seconds of steps and of LiteRT alone, in turns
//     native_speed start LIBRARY ARTIFACT           seconds from the start of main to the first prediction
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>

#include "clock.hpp"
#include "error.hpp"
#include "image.hpp"
#include "litert_api.hpp"
#include "model.hpp"
#include "stream.hpp"

using namespace edgeshift;

namespace {

void require(bool ok, const char *what) {
    if (!ok)
        throw Error(ES_FAILED, std::string("LiteRT cannot ") + what);
}

// A frame of a camera, 640x480.
struct Frame {
    Frame() : pixels(640 * 480 * 3) {
        std::mt19937 random(1);
        for (uint8_t &pixel : pixels)
            pixel = uint8_t(random());
        image = rgb_image(pixels.data(), 640, 480);
    }
    std::vector<uint8_t> pixels;
    es_image image = {};
};

// LiteRT alone: the same buffers in every run, and outputs that are not read.
class Bare {
  public:
    Bare(const std::string &library, Artifact artifact) : api_(litert::api(library)), artifact_(std::move(artifact)) {
        litert::EnvironmentOption options[2] = {{litert::kRegisteredAccelerators, {litert::kInteger, {litert::kCpu}}},
                                                {litert::kLeastSeverity, {litert::kInteger, {litert::kErrors}}}};
        require(api_.CreateEnvironment(2, options, &environment_) == 0, "start");
        litert::Graph graph = nullptr;
        require(api_.CreateModelFromBuffer(environment_, artifact_.data.data(), artifact_.graph_size, &graph) == 0,
                "load the graph");
        litert::Options compilation = nullptr;
        litert::OpaqueOptions cpu = nullptr;
        char *threads = static_cast<char *>(std::malloc(32));
        std::strcpy(threads, "num_threads = 1\n");
        require(api_.CreateOptions(&compilation) == 0 &&
                    api_.SetOptionsHardwareAccelerators(compilation, litert::kCpu) == 0 &&
                    api_.CreateOpaqueOptions("xnnpack", threads, std::free, &cpu) == 0 &&
                    api_.AddOpaqueOptions(compilation, cpu) == 0 &&
                    api_.CreateCompiledModel(environment_, graph, compilation, &compiled_) == 0,
                "compile the graph");
        litert::Signature signature = nullptr;
        size_t inputs = 0, outputs = 0;
        require(api_.GetModelSignature(graph, 0, &signature) == 0 &&
                    api_.GetNumSignatureInputs(signature, &inputs) == 0 &&
                    api_.GetNumSignatureOutputs(signature, &outputs) == 0,
                "read the signature");
        for (size_t i = 0; i < inputs; i++) {
            litert::Tensor tensor = nullptr;
            require(api_.GetSignatureInputTensorByIndex(signature, i, &tensor) == 0, "read the signature");
            inputs_.push_back(buffer(tensor, i, api_.GetCompiledModelInputBufferRequirements));
        }
        for (size_t i = 0; i < outputs; i++) {
            litert::Tensor tensor = nullptr;
            require(api_.GetSignatureOutputTensorByIndex(signature, i, &tensor) == 0, "read the signature");
            outputs_.push_back(buffer(tensor, i, api_.GetCompiledModelOutputBufferRequirements));
        }
    }
    void run() {
        const litert::Status status = api_.RunCompiledModel(compiled_, 0, inputs_.size(), inputs_.data(),
                                                            outputs_.size(), outputs_.data());
        require(status == 0, "run the graph");
    }

  private:
    template <class Find> litert::Buffer buffer(litert::Tensor tensor, size_t index, Find requirements_of) {
        litert::TensorType type;
        litert::Requirements requirements = nullptr;
        litert::Buffer result = nullptr;
        void *bytes = nullptr;
        size_t size = 0;
        require(api_.GetRankedTensorType(tensor, &type) == 0 &&
                    requirements_of(compiled_, 0, index, &requirements) == 0 &&
                    api_.CreateManagedTensorBufferFromRequirements(environment_, &type, requirements, &result) == 0 &&
                    api_.GetTensorBufferPackedSize(result, &size) == 0 &&
                    api_.LockTensorBuffer(result, &bytes, litert::kWrite) == 0,
                "make a buffer");
        std::memset(bytes, 0, size);
        api_.UnlockTensorBuffer(result);
        return result;
    }

    const litert::Api &api_;
    Artifact artifact_; // LiteRT reads the graph in place
    litert::Environment environment_ = nullptr;
    litert::CompiledModel compiled_ = nullptr;
    std::vector<litert::Buffer> inputs_, outputs_;
};

void print(const char *name, const std::vector<double> &values, const char *end) {
    std::printf("\"%s\": [", name);
    for (size_t i = 0; i < values.size(); i++)
        std::printf("%s%.9f", i ? ", " : "", values[i]);
    std::printf("]%s", end);
}

// A step less the time until its input tensor is ready, and a run of LiteRT alone after the same frame was fitted, in turns.
void measure_step(const std::string &library, const std::string &path, int rounds) {
    BackendOptions options;
    options.library = library;
    Bare bare(library, read_artifact_file(path));
    const auto stream = Stream::of(open_model(read_artifact_file(path), path, options));
    Fitter fitter(stream->model().description.frame);
    std::vector<uint8_t> fitted(stream->model().description.input.values());
    const Frame frame;
    std::vector<double> steps, runs, pre, post;
    for (int i = 0; i < rounds + 20; i++) {
        double step = 0, run = 0;
        const Prediction *prediction = nullptr;
        for (int turn = 0; turn < 2; turn++)
            if ((turn + i) % 2 == 0) {
                const double start = now();
                prediction = stream->step(frame.image, NAN);
                step = now() - start - prediction->pre;
            } else {
                fitter.fit(frame.image, fitted.data());
                const double start = now();
                bare.run();
                run = now() - start;
            }
        if (i < 20)
            continue;
        steps.push_back(step), runs.push_back(run), pre.push_back(prediction->pre), post.push_back(prediction->post);
    }
    std::printf("{");
    print("step", steps, ", ");
    print("bare", runs, ", ");
    print("pre", pre, ", ");
    print("post", post, "}\n");
}

void measure_start(const std::string &library, const std::string &path) {
    const Frame frame;
    const double start = now();
    Artifact artifact = read_artifact_file(path);
    const double read = now();
    litert::api(library);
    const double opened = now();
    BackendOptions options;
    options.library = library;
    const auto model = open_model(std::move(artifact), path, options);
    const double compiled = now();
    const auto stream = Stream::of(model);
    const double made = now();
    stream->step(frame.image, NAN);
    const double answered = now();
    std::printf("{\"read\": %.6f, \"library\": %.6f, \"compile\": %.6f, \"stream\": %.6f, \"step\": %.6f}\n",
                read - start, opened - read, compiled - opened, made - compiled, answered - made);
}

} // namespace

int main(int count, char **arguments) try {
    const std::string what = count > 1 ? arguments[1] : "";
    if (what == "step" && count == 5)
        measure_step(arguments[2], arguments[3], std::atoi(arguments[4]));
    else if (what == "start" && count == 4)
        measure_start(arguments[2], arguments[3]);
    else
        throw std::runtime_error("usage: native_speed step LIBRARY ARTIFACT ROUNDS | start LIBRARY ARTIFACT");
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
}
