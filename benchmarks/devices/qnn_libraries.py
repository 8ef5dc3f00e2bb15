"""Find the libraries with which the native agent runs .qnn.onnx artifacts: those of ONNX Runtime and of QNN."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

from edgeshift.benchmarks.devices.litert_library import machine_of
from edgeshift.errors import DeviceError

#: ONNX Runtime's library, QNN's provider for it, and QNN's library for the NPU, which the provider opens.
RUNTIME, PROVIDER, BACKEND = "libonnxruntime.so", "libonnxruntime_providers_qnn.so", "libQnnHtp.so"
#: Largest number of libraries in a folder.
MAX_FILES = 64


class QnnLibraries(NamedTuple):
    """The libraries for one kind of device.

    Attributes:
        runtime: ONNX Runtime's library.
        provider: QNN's provider.
        others: the libraries that the provider opens; those for the NPU itself are programs for another processor.
    """

    runtime: Path
    provider: Path
    others: tuple[Path, ...]


def find_qnn_libraries(machine: str, folder: Path | None, *, here: bool) -> QnnLibraries:
    """Return the libraries for a device.

    Args:
        machine: kind of the device's processor, a key of ``MACHINES``.
        folder: the folder that holds all of them; None: those of the installed packages, which run on this machine
            only.
        here: whether the device is this machine.

    Raises:
        DeviceError: a library is missing, or is for another processor.
    """
    if folder is None:
        return _installed(here=here)
    folder = folder.absolute()  # runtimes look for relative paths in other folders
    if not folder.is_dir():
        raise DeviceError(f"--qnn {folder}: there is no such folder")
    files = sorted(file for file in folder.glob("*.so*") if file.is_file())
    if len(files) > MAX_FILES:
        raise DeviceError(f"--qnn {folder}: it has {len(files)} libraries; the limit is {MAX_FILES}")
    runtime, provider, backend = (
        next((file for file in files if file.name.startswith(name)), None) for name in (RUNTIME, PROVIDER, BACKEND)
    )
    if runtime is None or provider is None or backend is None:
        found = {RUNTIME: runtime, PROVIDER: provider, BACKEND: backend}
        absent = " and no ".join(name for name, file in found.items() if file is None)
        raise DeviceError(
            f"--qnn {folder}: there is no {absent}. For Android, unpack the .aar files of onnxruntime-android, "
            "onnxruntime-android-qnn and qnn-runtime, and copy the files of jni/arm64-v8a into one folder"
        )
    for file in (runtime, provider, backend):
        if (kind := machine_of(file)) != machine:
            what = "no library for a known processor" if kind is None else f"a library for {kind}"
            raise DeviceError(f"--qnn {folder}: {file.name} is {what}, and the device needs one for {machine}")
    return QnnLibraries(runtime, provider, tuple(file for file in files if file not in (runtime, provider)))


def _installed(*, here: bool) -> QnnLibraries:
    if not here:
        raise DeviceError(
            "the device needs the libraries of ONNX Runtime and QNN: give the folder that holds them with --qnn"
        )
    runtime = _packaged("onnxruntime", f"capi/{RUNTIME}*")
    provider = _packaged("onnxruntime_qnn", PROVIDER)
    if runtime is None or provider is None:
        raise DeviceError("the libraries of ONNX Runtime and QNN are not installed: pip install onnxruntime-qnn")
    return QnnLibraries(runtime, provider, ())


def _packaged(module: str, pattern: str) -> Path | None:
    """Return the first file of an installed package that matches a pattern; None: there is none."""
    spec = importlib.util.find_spec(module)
    return next(Path(spec.origin).parent.glob(pattern), None) if spec is not None and spec.origin else None
