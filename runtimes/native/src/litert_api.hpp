// The part of LiteRT's C interface that edgeshift uses, and how its library is found. LiteRT's Python package has no
// headers, so the declarations are our own. They were tried with LiteRT 2.1.6, 2.2.0 and 2.3.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace edgeshift::litert {

// Objects of LiteRT.
using Environment = struct LiteRtEnvironmentT *;
using Graph = struct LiteRtModelT *;
using Options = struct LiteRtOptionsT *;
using OpaqueOptions = struct LiteRtOpaqueOptionsT *;
using CompiledModel = struct LiteRtCompiledModelT *;
using Signature = struct LiteRtSignatureT *;
using Tensor = struct LiteRtTensorT *;
using Buffer = struct LiteRtTensorBufferT *;
using Requirements = struct LiteRtTensorBufferRequirementsT *;

using Status = int; // 0: it worked

// The shape of a tensor.
struct Layout {
    uint32_t rank : 7;
    uint32_t has_strides : 1;
    int32_t dimensions[8];
    uint32_t strides[8];
};
struct TensorType {
    int32_t element; // one of the constants below
    Layout layout;
};
static_assert(sizeof(Layout) == 68 && sizeof(TensorType) == 72, "the structures are those of LiteRT");

// An option of an environment.
struct EnvironmentOption {
    int32_t tag;
    struct {
        int32_t type; // kInteger or kText
        union {
            int64_t integer;
            double real;
            const char *text;
            const void *pointer;
        };
    } value;
};
static_assert(sizeof(EnvironmentOption) == 24, "the structure is that of LiteRT");

constexpr int32_t kRegisteredAccelerators = 24, kLeastSeverity = 25; // tags
constexpr int32_t kDispatchFolder = 1;                               // tag: where the libraries for NPUs are
constexpr int32_t kInteger = 2, kText = 8;                           // types of a value
constexpr int64_t kErrors = 3;                                       // severity of messages in LiteRT's log

constexpr int32_t kFloat32 = 1, kUint8 = 3, kInt8 = 9, kFloat16 = 10; // element types
constexpr int kCpu = 1, kNpu = 4;                                     // the accelerators
constexpr int kRead = 0, kWrite = 1;                                  // how a buffer is locked

// LiteRT's functions: name without "LiteRt", and type.
#define EDGESHIFT_LITERT_FUNCTIONS(F)                                                                                  \
    F(CreateEnvironment, Status (*)(int, const EnvironmentOption *, Environment *))                                    \
    F(DestroyEnvironment, void (*)(Environment))                                                                       \
    F(CreateModelFromBuffer, Status (*)(Environment, const void *, size_t, Graph *))                                   \
    F(DestroyModel, void (*)(Graph))                                                                                   \
    F(GetModelSignature, Status (*)(Graph, size_t, Signature *))                                                       \
    F(GetNumSignatureInputs, Status (*)(Signature, size_t *))                                                          \
    F(GetSignatureInputName, Status (*)(Signature, size_t, const char **))                                             \
    F(GetSignatureInputTensorByIndex, Status (*)(Signature, size_t, Tensor *))                                         \
    F(GetNumSignatureOutputs, Status (*)(Signature, size_t *))                                                         \
    F(GetSignatureOutputName, Status (*)(Signature, size_t, const char **))                                            \
    F(GetSignatureOutputTensorByIndex, Status (*)(Signature, size_t, Tensor *))                                        \
    F(GetRankedTensorType, Status (*)(Tensor, TensorType *))                                                           \
    F(CreateOptions, Status (*)(Options *))                                                                            \
    F(DestroyOptions, void (*)(Options))                                                                               \
    F(SetOptionsHardwareAccelerators, Status (*)(Options, int))                                                        \
    F(CreateOpaqueOptions, Status (*)(const char *, void *, void (*)(void *), OpaqueOptions *))                        \
    F(AddOpaqueOptions, Status (*)(Options, OpaqueOptions))                                                            \
    F(CreateCompiledModel, Status (*)(Environment, Graph, Options, CompiledModel *))                                   \
    F(DestroyCompiledModel, void (*)(CompiledModel))                                                                   \
    F(GetCompiledModelInputBufferRequirements, Status (*)(CompiledModel, size_t, size_t, Requirements *))              \
    F(GetCompiledModelOutputBufferRequirements, Status (*)(CompiledModel, size_t, size_t, Requirements *))             \
    F(CreateManagedTensorBufferFromRequirements, Status (*)(Environment, const TensorType *, Requirements, Buffer *))  \
    F(DestroyTensorBuffer, void (*)(Buffer))                                                                           \
    F(GetTensorBufferPackedSize, Status (*)(Buffer, size_t *))                                                         \
    F(LockTensorBuffer, Status (*)(Buffer, void **, int))                                                              \
    F(UnlockTensorBuffer, Status (*)(Buffer))                                                                          \
    F(RunCompiledModel, Status (*)(CompiledModel, size_t, size_t, Buffer *, size_t, Buffer *))

// Lets the type of a function pointer stand before a name.
template <class Function> using Pointer = Function;

// The functions of a library that was opened, and the folder of its file.
struct Api {
    std::string folder;
#define EDGESHIFT_DECLARE(name, type) Pointer<type> name = nullptr;
    EDGESHIFT_LITERT_FUNCTIONS(EDGESHIFT_DECLARE)
#undef EDGESHIFT_DECLARE
};

// Open LiteRT's library and look its functions up, once for each path. It stays open until the process ends.
// path: empty: the value of EDGESHIFT_LITERT, or else the usual names. Throws Error with ES_NO_RUNTIME.
const Api &api(const std::string &path);

} // namespace edgeshift::litert
