"""The few calls of CUDA that a stream needs, through ctypes: JetPack ships the libraries, and no Python for them.

Not verified here: the development machine has no NVIDIA device.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

from edgeshift.errors import EdgeshiftError, RuntimeMissingError
from edgeshift.stream import Array

#: Newest first: the names under which CUDA's runtime is installed.
RUNTIME = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
DRIVER = ("libcuda.so.1", "libcuda.so")
TO_DEVICE, TO_HOST = 1, 2


class Cuda:
    """Memory and one queue of work on the first device.

    Attributes:
        name: what the driver calls the device, such as "Orin".
        stream: the queue, as TensorRT takes it.

    Raises:
        RuntimeMissingError: CUDA is not installed.
        EdgeshiftError: no device.
    """

    def __init__(self) -> None:
        self._runtime, driver = _library(RUNTIME), _library(DRIVER)
        text, device = ctypes.create_string_buffer(256), ctypes.c_int()
        for call, arguments in (
            ("cuInit", (ctypes.c_uint(0),)),
            ("cuDeviceGet", (ctypes.byref(device), ctypes.c_int(0))),
            ("cuDeviceGetName", (text, ctypes.c_int(len(text)), device)),
        ):
            if status := getattr(driver, call)(*arguments):
                raise EdgeshiftError(f"no NVIDIA device answers: {call} returned {status}")
        self.name = text.value.decode(errors="replace")
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        self.stream = int(stream.value or 0)

    def allocate(self, size: int) -> int:
        """The address of new memory on the device, of ``size`` bytes."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(size))
        return int(address.value or 0)

    def free(self, address: int) -> None:
        """Give it back."""
        self._call("cudaFree", ctypes.c_void_p(address))

    def write(self, address: int, array: Array) -> None:
        """Copy a contiguous array to the device, behind what is already in the queue."""
        self._copy(address, array.ctypes.data, array.nbytes, TO_DEVICE)

    def read(self, address: int, array: Array) -> None:
        """Copy from the device into a contiguous array, which is filled after ``wait``."""
        self._copy(array.ctypes.data, address, array.nbytes, TO_HOST)

    def wait(self) -> None:
        """Until the queue is empty."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(self.stream))

    def _copy(self, to: int, source: int, size: int, kind: int) -> None:
        self._call(
            "cudaMemcpyAsync",
            ctypes.c_void_p(to),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size),
            ctypes.c_int(kind),
            ctypes.c_void_p(self.stream),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._runtime, name)(*arguments):
            raise EdgeshiftError(f"CUDA failed: {name} returned {status}")


def _library(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise RuntimeMissingError(f"running TensorRT needs CUDA ({names[-1]} was not found); JetPack brings it")
