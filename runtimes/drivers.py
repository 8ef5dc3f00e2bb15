"""The accelerators of this machine: drivers of GPUs, and packages for GPUs and NPUs. Nothing is loaded to find them."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from edgeshift._system.npus import VENDORS
from edgeshift._system.text import printable
from edgeshift.runtimes.vela import find_vela

#: Folders in which the Vulkan loader looks for drivers, and the variable that names the files of drivers instead.
VULKAN_FOLDERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
VULKAN_FILES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
#: LiteRT's library for GPUs, in the folder of its package.
GPU_LIBRARY = "libLiteRtWebGpuAccelerator.so"
#: Files in which NVIDIA's driver, and JetPack's system for Jetson, write their version.
NVIDIA_FILES = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release")
NVIDIA_VERSION = re.compile(r"NVRM version:.*?(?P<driver>\d+(\.\d+)+)|# R(?P<major>\d+).*?REVISION: (?P<minor>[\d.]+)")
#: Most bytes that are read of a file about a driver.
MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class Accelerator:
    """A way to run or to check artifacts on something else than the CPU.

    Attributes:
        name: "gpu" or "npu"; of an emulated processor, its names for ``verify --accelerator``.
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
    nvidia = nvidia_drivers()
    tensorrt, cuda = _version("tensorrt"), _version("onnxruntime-gpu")
    vela = _version("ethos-u-vela") or ("version not known" if find_vela() else None)
    npu = "estimates for Arm's Ethos-U; nothing runs" if vela else "not installed"
    qnn = _version("onnxruntime-qnn")
    hexagon = "runs .qnn.onnx files on Qualcomm's NPU, or on its simulator" if qnn else "not installed"
    return [
        Accelerator("gpu", "ai-edge-litert", litert, tuple(_vulkan_text(path) for path in drivers), gpu),
        Accelerator("gpu", "tensorrt", tensorrt, nvidia, _on_nvidia(tensorrt, nvidia, "runs .trt.onnx files")),
        Accelerator(
            "gpu", "onnxruntime-gpu", cuda, nvidia, _on_nvidia(cuda, nvidia, "bench --option provider=cuda uses it")
        ),
        _torch(nvidia),
        Accelerator("npu", "ethos-u-vela", vela, (), npu),
        Accelerator("npu", "onnxruntime-qnn", qnn, (), hexagon),
        *(_sdk(vendor.package, vendor.title) for vendor in VENDORS),
    ]


def _torch(drivers: tuple[str, ...]) -> Accelerator:
    """Return what is known of PyTorch. The version of a build for the CPU ends with "+cpu", as PyTorch names it."""
    found = _version("torch")
    if found is not None and found.endswith("+cpu"):
        return Accelerator("gpu", "torch", found, (), "a build for the CPU, without CUDA")
    return Accelerator(
        "gpu",
        "torch",
        found,
        drivers,
        _on_nvidia(found, drivers, "train --device cuda uses it, and python -m edgeshift.benchmarks.studies.nvidia"),
    )


def vulkan_drivers() -> tuple[str, ...]:
    """Return the files of the Vulkan drivers on this machine."""
    for name in VULKAN_FILES:
        if os.environ.get(name):
            return tuple(path for path in os.environ[name].split(os.pathsep) if Path(path).is_file())
    return tuple(str(path) for folder in VULKAN_FOLDERS for path in sorted(Path(folder).glob("*.json")))


def nvidia_drivers() -> tuple[str, ...]:
    """Return the NVIDIA drivers of this machine with their versions, such as "NVIDIA driver 550.54"."""
    found = []
    for name in NVIDIA_FILES:
        match = NVIDIA_VERSION.search(_read(Path(name)).decode(errors="replace"))
        if match is not None:
            driver = match["driver"]
            found.append(
                f"Jetson Linux {match['major']}.{match['minor']}" if driver is None else f"NVIDIA driver {driver}"
            )
    return tuple(found)


def _on_nvidia(version: str | None, drivers: tuple[str, ...], use: str) -> str:
    """Return the remark on a package for NVIDIA's GPUs. ``use``: what it is for."""
    if version is None:
        return "not installed"
    return use if drivers else "no driver of NVIDIA was found"


def _vulkan_text(path: str) -> str:
    """Return the path of a Vulkan driver's file, with the version of Vulkan that the file names."""
    try:
        document: Any = msgspec.json.decode(_read(Path(path)))
        return f"{path} (Vulkan {printable(str(document['ICD']['api_version']))[:20]})"
    except (msgspec.DecodeError, KeyError, TypeError):
        return path


def _read(path: Path) -> bytes:
    """Return the first bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""


def _sdk(package: str, vendor: str) -> Accelerator:
    found = _version(package)
    remark = f"convert --aot compiles for chips of {vendor}" if found else "not installed"
    return Accelerator("npu", package, found, (), remark)


def _has_gpu_library() -> bool:
    found = importlib.util.find_spec("ai_edge_litert")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    return any((Path(folder) / GPU_LIBRARY).is_file() for folder in folders)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
