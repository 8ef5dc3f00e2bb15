"""The CUDA calls that a stream needs. They use ctypes, because JetPack has CUDA but no Python package for it.

Not verified here: the development machine has no NVIDIA device.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

from edgeshift.errors import EdgeshiftError, RuntimeMissingError
from edgeshift.stream import Array

#: File names of CUDA's runtime library and of its driver. The first one that can be loaded is used.
RUNTIME = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
DRIVER = ("libcuda.so.1", "libcuda.so")
TO_DEVICE, TO_HOST = 1, 2


class Cuda:
    """Memory and one CUDA stream on the first device.

    Attributes:
        name: the driver's name of the device, such as "Orin".
        stream: handle of the CUDA stream, in the form that TensorRT takes.

    Raises:
        RuntimeMissingError: CUDA is not installed.
        EdgeshiftError: there is no device.
    """

    def __init__(self) -> None:
        self._runtime, driver = _load_library(RUNTIME), _load_library(DRIVER)
        text, device = ctypes.create_string_buffer(256), ctypes.c_int()
        for call, arguments in (
            ("cuInit", (ctypes.c_uint(0),)),
            ("cuDeviceGet", (ctypes.byref(device), ctypes.c_int(0))),
            ("cuDeviceGetName", (text, ctypes.c_int(len(text)), device)),
        ):
            if status := getattr(driver, call)(*arguments):
                raise EdgeshiftError(f"no NVIDIA device found: {call} returned {status}")
        self.name = text.value.decode(errors="replace")
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        self.stream = int(stream.value or 0)

    def allocate(self, size: int) -> int:
        """Allocate memory on the device and return its address. size: bytes."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(size))
        return int(address.value or 0)

    def free(self, address: int) -> None:
        """Free the memory at an address that ``allocate`` returned."""
        self._call("cudaFree", ctypes.c_void_p(address))

    def write(self, address: int, array: Array) -> None:
        """Queue a copy of a contiguous array to the device. The array must exist until ``wait`` returns."""
        self._copy(address, array.ctypes.data, array.nbytes, TO_DEVICE)

    def read(self, address: int, array: Array) -> None:
        """Queue a copy from the device into a contiguous array. The array is filled when ``wait`` returns."""
        self._copy(array.ctypes.data, address, array.nbytes, TO_HOST)

    def wait(self) -> None:
        """Wait until all queued work is done."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(self.stream))

    def _copy(self, to: int, source: int, size: int, kind: int) -> None:
        target, origin, stream = ctypes.c_void_p(to), ctypes.c_void_p(source), ctypes.c_void_p(self.stream)
        self._call("cudaMemcpyAsync", target, origin, ctypes.c_size_t(size), ctypes.c_int(kind), stream)

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._runtime, name)(*arguments):
            raise EdgeshiftError(f"CUDA failed: {name} returned {status}")


def _load_library(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise RuntimeMissingError(
        f"running TensorRT needs CUDA, and {names[-1]} was not found; on a Jetson, install JetPack"
    )
