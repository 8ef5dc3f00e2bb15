"""LiteRT's own profiler, reached through its C library.

LiteRT's Python package has no function for the profiler, but its library (``libLiteRt.so``) exports the C functions of
``litert/c/litert_profiler.h``. XNNPACK reports one time for each operator that it runs.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from edgeshift._system.quiet import quiet
from edgeshift.errors import EdgeshiftError, missing

#: Values of ``LiteRtProfilerEventType``: an operator that a delegate ran, and one that a kernel of TFLite ran.
_DELEGATED, _OWN = 8, 2
_CPU = 1
#: {identifier of ``LiteRtOpaqueOptions``: content as TOML}.
_OPTIONS = {b"runtime_options_string": b"enable_profiling = true\n", b"xnnpack": b"num_threads = 1\n"}


class Profiler:
    """A graph compiled for profiling on one thread, with inputs of zeros. Leaving the context frees the C objects.

    Args:
        path: a .tflite file.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
        EdgeshiftError: LiteRT has no profiler, or cannot run the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise EdgeshiftError(f"{path}: no such file")
        self._library = _library()
        with quiet():
            self._open(path)

    def __enter__(self) -> Profiler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with quiet():
            for buffer in (*self._inputs.buffers, *self._outputs.buffers):
                self._library.LiteRtDestroyTensorBuffer(ctypes.c_void_p(buffer))
            self._library.LiteRtDestroyCompiledModel(self._model)
            self._library.LiteRtDestroyModel(self._graph)
            self._library.LiteRtDestroyEnvironment(self._environment)

    def run(self) -> None:
        """Run once without profiling."""
        self._call("RunCompiledModel", self._model, ctypes.c_size_t(0), *self._inputs, *self._outputs)

    def profiled(self) -> list[tuple[str, int]]:
        """Run once, and return (name, microseconds) of each operator in the order of execution."""
        self._call("ResetProfiler", self._profiler)  # resetting also stops the profiler
        self._call("StartProfiler", self._profiler)
        self.run()
        count = ctypes.c_int()
        self._call("GetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * max(1, count.value))()
        if count.value:
            self._call("GetProfilerEvents", self._profiler, count, events)
        return [(event.tag.decode(), int(event.elapsed)) for event in events if event.type in (_DELEGATED, _OWN)]

    def _open(self, path: Path) -> None:
        self._environment = self._make("CreateEnvironment", 0, None)
        self._graph = self._make("CreateModelFromFile", self._environment, str(path).encode())
        options = self._make("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, _CPU)
        libc = ctypes.CDLL(None)
        libc.strdup.restype = ctypes.c_void_p
        for name, content in _OPTIONS.items():
            text = ctypes.c_void_p(libc.strdup(content))  # the library frees it with the given function
            self._call("AddOpaqueOptions", options, self._make("CreateOpaqueOptions", name, text, libc.free))
        self._model = self._make("CreateCompiledModel", self._environment, self._graph, options)
        self._profiler = self._make("CompiledModelGetProfiler", self._model)
        signature = self._make("GetModelSignature", self._graph, ctypes.c_size_t(0))
        self._inputs, self._outputs = self._port("Input", signature), self._port("Output", signature)
        for buffer in self._inputs.buffers:
            self._call("ClearTensorBuffer", ctypes.c_void_p(buffer))

    def _port(self, side: str, signature: ctypes.c_void_p) -> _Port:
        count = ctypes.c_size_t()
        self._call(f"GetNumSignature{side}s", signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for index in range(count.value):
            at = ctypes.c_size_t(index)
            tensor = self._make(f"GetSignature{side}TensorByIndex", signature, at)
            kind = ctypes.create_string_buffer(1024)  # a LiteRtRankedTensorType, which is passed on without being read
            self._call("GetRankedTensorType", tensor, kind)
            needs = self._make(f"GetCompiledModel{side}BufferRequirements", self._model, ctypes.c_size_t(0), at)
            buffer = self._make("CreateManagedTensorBufferFromRequirements", self._environment, kind, needs)
            buffers[index] = buffer.value
        return _Port(count, buffers)

    def _make(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """Call a function that makes an object and writes its handle through its last argument."""
        handle = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*arguments)
        if status:
            raise EdgeshiftError(
                f"LiteRt{name} failed with status {status}; the file may need another version of LiteRT"
            )


def _library() -> ctypes.CDLL:
    package = importlib.util.find_spec("ai_edge_litert")
    if package is None or package.origin is None:
        raise missing("ai-edge-litert 2 or later", "tflite", "profiling a graph")
    try:
        library = ctypes.CDLL(str(Path(package.origin).parent / "libLiteRt.so"))
        library.LiteRtCompiledModelGetProfiler  # noqa: B018
    except (OSError, AttributeError) as error:
        raise EdgeshiftError(f"the installed ai-edge-litert has no profiler ({error}); install version 2.3") from error
    return library


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("allocated", "in_use", "footprint")]


class _Event(ctypes.Structure):
    """``ProfiledEventData`` of litert/c/litert_profiler_event.h."""

    _fields_ = [
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start", ctypes.c_uint64),
        ("elapsed", ctypes.c_uint64),
        ("before", _Memory),
        ("after", _Memory),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
        ("source", ctypes.c_int),
    ]


class _Port(NamedTuple):
    """The inputs or the outputs of a graph: the number of buffers, and the buffers as a C array."""

    length: ctypes.c_size_t
    buffers: Any
