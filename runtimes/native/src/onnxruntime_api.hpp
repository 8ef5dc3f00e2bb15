// The part of ONNX Runtime's C interface that edgeshift uses, and how its library is found. The Python package has no headers,
// so the declarations are our own. ONNX Runtime has its functions in one table, whose order never changes. Version 1.22 has
// all that are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace edgeshift::onnxruntime {

// Objects of ONNX Runtime.
using Environment = struct OrtEnv *;
using Status = struct OrtStatus *; // nullptr: it worked
using Options = struct OrtSessionOptions *;
using Session = struct OrtSession *;
using Value = struct OrtValue *;
using MemoryInfo = struct OrtMemoryInfo *;
using TypeInfo = struct OrtTypeInfo *;
using TensorInfo = const struct OrtTensorTypeAndShapeInfo *; // a part of a TypeInfo
using Allocator = struct OrtAllocator *;
using Device = const struct OrtEpDevice *;         // a processor that a provider can use
using Hardware = const struct OrtHardwareDevice *; // the processor itself

constexpr uint32_t kVersion = 22;                                 // of the table: that of ONNX Runtime 1.22
constexpr int kFatal = 4;                                         // the log level: only what ends the process
constexpr int kFloat32 = 1, kUint8 = 2, kInt8 = 3, kFloat16 = 10; // element types
constexpr int kArena = 1, kDefaultMemory = 0;                     // of a MemoryInfo
constexpr int kNpu = 2;                                           // a type of hardware

// ONNX Runtime's functions: place in the table, name, and type.
#define EDGESHIFT_ONNXRUNTIME_FUNCTIONS(F)                                                                             \
    F(2, GetErrorMessage, const char *(*)(Status))                                                                     \
    F(3, CreateEnv, Status (*)(int, const char *, Environment *))                                                      \
    F(8, CreateSessionFromArray, Status (*)(Environment, const void *, size_t, Options, Session *))                    \
    F(9, Run, Status (*)(Session, const void *, const char *const *, const Value *, size_t,                            \
      const char *const *, size_t, Value *))                                                                           \
    F(10, CreateSessionOptions, Status (*)(Options *))                                                                 \
    F(22, SetSessionLogSeverityLevel, Status (*)(Options, int))                                                        \
    F(24, SetIntraOpNumThreads, Status (*)(Options, int))                                                              \
    F(25, SetInterOpNumThreads, Status (*)(Options, int))                                                              \
    F(30, SessionGetInputCount, Status (*)(Session, size_t *))                                                         \
    F(31, SessionGetOutputCount, Status (*)(Session, size_t *))                                                        \
    F(33, SessionGetInputTypeInfo, Status (*)(Session, size_t, TypeInfo *))                                            \
    F(34, SessionGetOutputTypeInfo, Status (*)(Session, size_t, TypeInfo *))                                           \
    F(36, SessionGetInputName, Status (*)(Session, size_t, Allocator, char **))                                        \
    F(37, SessionGetOutputName, Status (*)(Session, size_t, Allocator, char **))                                       \
    F(49, CreateTensorWithDataAsOrtValue, Status (*)(MemoryInfo, void *, size_t, const int64_t *, size_t, int,         \
      Value *))                                                                                                        \
    F(55, CastTypeInfoToTensorInfo, Status (*)(TypeInfo, TensorInfo *))                                                \
    F(60, GetTensorElementType, Status (*)(TensorInfo, int *))                                                         \
    F(61, GetDimensionsCount, Status (*)(TensorInfo, size_t *))                                                        \
    F(62, GetDimensions, Status (*)(TensorInfo, int64_t *, size_t))                                                    \
    F(69, CreateCpuMemoryInfo, Status (*)(int, int, MemoryInfo *))                                                     \
    F(76, AllocatorFree, Status (*)(Allocator, void *))                                                                \
    F(78, GetAllocatorWithDefaultOptions, Status (*)(Allocator *))                                                     \
    F(93, ReleaseStatus, void (*)(Status))                                                                             \
    F(94, ReleaseMemoryInfo, void (*)(MemoryInfo))                                                                     \
    F(95, ReleaseSession, void (*)(Session))                                                                           \
    F(96, ReleaseValue, void (*)(Value))                                                                               \
    F(98, ReleaseTypeInfo, void (*)(TypeInfo))                                                                         \
    F(100, ReleaseSessionOptions, void (*)(Options))                                                                   \
    F(130, AddSessionConfigEntry, Status (*)(Options, const char *, const char *))                                     \
    F(301, RegisterExecutionProviderLibrary, Status (*)(Environment, const char *, const char *))                      \
    F(303, GetEpDevices, Status (*)(Environment, const Device **, size_t *))                                           \
    F(304, SessionOptionsAppendExecutionProvider_V2, Status (*)(Options, Environment, const Device *, size_t,          \
      const char *const *, const char *const *, size_t))                                                               \
    F(307, HardwareDevice_Type, int (*)(Hardware))                                                                     \
    F(312, EpDevice_EpName, const char *(*)(Device))                                                                   \
    F(316, EpDevice_Device, Hardware (*)(Device))

// Lets the type of a function pointer stand before a name.
template <class Function> using Pointer = Function;

// The functions of a library that was opened, its version, and the folder of its file.
struct Api {
    const void *table = nullptr; // by which the same library is recognised
    std::string version, folder;
#define EDGESHIFT_DECLARE(place, name, type) Pointer<type> name = nullptr;
    EDGESHIFT_ONNXRUNTIME_FUNCTIONS(EDGESHIFT_DECLARE)
#undef EDGESHIFT_DECLARE
};

// Open ONNX Runtime's library and look its functions up, once for each path. It stays open until the process ends.
// path: empty: the value of EDGESHIFT_ONNXRUNTIME, or else the usual names. Throws Error with ES_NO_RUNTIME.
const Api &api(const std::string &path);

} // namespace edgeshift::onnxruntime
