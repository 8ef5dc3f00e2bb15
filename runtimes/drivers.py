"""The accelerators of this machine: drivers of GPUs, and packages for NPUs. Nothing is loaded to find them."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgeshift.runtimes.vela import find_vela

#: Folders in which the Vulkan loader looks for drivers, and the variable that names the files of drivers instead.
VULKAN_FOLDERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
VULKAN_FILES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
#: LiteRT's library for GPUs, in the folder of its package.
GPU_LIBRARY = "libLiteRtWebGpuAccelerator.so"


@dataclass(frozen=True)
class Accelerator:
    """A way to run or to check artifacts on something else than the CPU.

    Attributes:
        name: "gpu" or "npu".
        through: the package that uses it.
        version: version of that package; None: it is not installed.
        drivers: drivers that were found; they may still not work. Empty for packages that need none.
        remark: what it can do, or what is missing.
    """

    name: str
    through: str
    version: str | None
    drivers: tuple[str, ...]
    remark: str


def find_accelerators() -> list[Accelerator]:
    """Return the accelerators that edgeshift knows, with what is installed for each."""
    drivers = vulkan_drivers()
    litert = _version("ai-edge-litert") if _has_gpu_library() else None
    if litert is None:
        gpu = "ai-edge-litert with its library for GPUs is not installed"
    else:
        gpu = "edgeshift verify --accelerator gpu tries it" if drivers else "no Vulkan driver was found"
    vela = _version("ethos-u-vela") or ("version not known" if find_vela() else None)
    npu = "estimates for Arm's Ethos-U; nothing runs" if vela else "not installed"
    qnn = _version("onnxruntime-qnn")
    hexagon = "runs .qnn.onnx files on Qualcomm's NPU, or on its simulator" if qnn else "not installed"
    return [
        Accelerator("gpu", "ai-edge-litert", litert, drivers, gpu),
        Accelerator("npu", "ethos-u-vela", vela, (), npu),
        Accelerator("npu", "onnxruntime-qnn", qnn, (), hexagon),
    ]


def vulkan_drivers() -> tuple[str, ...]:
    """Return the files of the Vulkan drivers on this machine."""
    for name in VULKAN_FILES:
        if os.environ.get(name):
            return tuple(path for path in os.environ[name].split(os.pathsep) if Path(path).is_file())
    return tuple(str(path) for folder in VULKAN_FOLDERS for path in sorted(Path(folder).glob("*.json")))


def _has_gpu_library() -> bool:
    found = importlib.util.find_spec("ai_edge_litert")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    return any((Path(folder) / GPU_LIBRARY).is_file() for folder in folders)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
