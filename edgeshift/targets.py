"""The registry of the targets that edgeshift converts to, and of the runtimes that run artifacts.

All code that depends on a target reads this registry: the help of ``convert``, ``doctor``, ``inspect``, the loader,
errors for missing packages, the agent for boards, and tables in the documentation. A new target is one record here and
one module with a ``lower`` function; a new runtime is one record and one module with an ``open_artifact`` function.
Records name their modules as text, so that this file imports neither a converter nor a runtime.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from edgeshift._system.file_kind import kind_of_suffix
from edgeshift.errors import (
    AcceleratorError,
    ArtifactError,
    ConversionError,
    EdgeshiftError,
    NotAnArtifactError,
    RuntimeMissingError,
    missing,
    unknown,
)

Precision = Literal["fp32", "fp16", "int8"]
#: How an artifact carries its states between two steps. "io": as inputs and outputs of the graph. "native": as states
#: of the runtime. "buffer": as buffers of the program.
StateForm = Literal["io", "native", "buffer"]

#: Kind of processor that runs a graph.
Processor = Literal["cpu", "gpu", "npu"]

ALL_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
ON_A_MAC = sys.platform == "darwin"


class Runtime(NamedTuple):
    """A runtime: the library that runs artifacts with a certain suffix.

    Attributes:
        name: name for ``edgeshift.load(path, runtime=name)``.
        title: name in messages and tables.
        suffix: suffix of the files that it runs.
        module: module of edgeshift with the ``open_artifact`` function for it.
        packages: {module to import: package that contains it}. One of the packages is enough.
        extra: extra of edgeshift that installs it; None: pip cannot install it.
        install: how to install it if there is no extra.
        by_suffix: True if it is the default for its suffix. False: it is used only if it is requested by name.
        on_boards: True if it is part of the agent, the program that measures on boards and phones.
        threads: True if the number of its CPU threads can be chosen.
        accelerators: what it can run a graph on, of the values of ``--accelerator`` and "npu". The first one is the
            default. Empty: the runtime itself chooses.
    """

    name: str
    title: str
    suffix: str
    module: str
    packages: Mapping[str, str]
    extra: str | None
    install: str | None = None
    by_suffix: bool = True
    on_boards: bool = True
    threads: bool = True
    accelerators: tuple[str, ...] = ("cpu",)

    @property
    def only_npu(self) -> bool:
        """Whether its files are compiled for an NPU, so that no CPU can run them."""
        return self.accelerators == ("npu",)


class Backend(NamedTuple):
    """Precisions and state forms that one back end of a target supports. The first state form is the default."""

    precisions: tuple[Precision, ...]
    states: tuple[StateForm, ...]


class Support(NamedTuple):
    """One row of the support table: precisions, the platform where artifacts run, and how that was verified."""

    precisions: str
    where: str
    verified: str


class Target(NamedTuple):
    """A target: a file format that edgeshift converts to.

    Attributes:
        name: name for the option ``--target``.
        title: name in messages and tables.
        suffix: suffix of the artifact's file name, by which the target of a file is recognised.
        runtime: name in ``RUNTIMES`` of the runtime that runs the artifact by default.
        converter: module of edgeshift with the ``lower`` function for it.
        converter_packages: {package to install: module to import} of the packages that a conversion needs.
        converter_extra: extra of edgeshift that installs them, or several, separated by commas.
        also_checked_on: names in ``RUNTIMES`` of other runtimes on which the artifact must pass parity as well.
        precisions: precisions that it supports.
        states: state forms that it supports. The first one is the default.
        backends: {name: what it supports} of a target with several back ends. The first one is the default.
        envelope: module of ``edgeshift.artifact`` that puts graph and description into one file.
        is_folder: True if the artifact is a folder.
        notes: lines that every conversion prints.
        remark: where the artifact runs, for ``doctor`` and ``inspect``; None: nothing to add.
        not_verified: platforms on which edgeshift's authors have not run the artifact.
        half_arithmetic: True if fp16 artifacts compute in float16. False: only their weights are float16.
        timed: True if the time of a step on this machine is meaningful. False for executors that only check results.
        float_boundary: True if an int8 graph of this target has float inputs and outputs anyway.
        float_layers: True if single layers of an int8 graph can stay in float.
        batches: True if a graph can take the frames of several cameras in one call.
        optional: True if ``convert --target all`` leaves the target out where its packages are not installed, or for
            a precision that it does not support.
        support: rows of the support table.
    """

    name: str
    title: str
    suffix: str
    runtime: str
    converter: str
    converter_packages: Mapping[str, str]
    also_checked_on: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ALL_PRECISIONS
    states: tuple[StateForm, ...] = ("io",)
    backends: Mapping[str, Backend] = {}
    envelope: str = "zip_trailer"
    is_folder: bool = False
    notes: tuple[str, ...] = ()
    remark: str | None = None
    not_verified: str = ""
    half_arithmetic: bool = False
    timed: bool = True
    float_boundary: bool = False
    float_layers: bool = False
    converter_extra: str = "convert"
    batches: bool = False
    optional: bool = False
    support: tuple[Support, ...] = ()

    def backend(self, name: str | None) -> str | None:
        """Return ``name``, or the default back end if it is None. The result is None for a target with one back end."""
        return name or next(iter(self.backends), None)

    def choices(self, backend: str | None = None) -> Backend:
        """Return the precisions and state forms of the target, or of one of its back ends."""
        chosen = self.backend(backend)
        return Backend(self.precisions, self.states) if chosen is None else self.backends[chosen]


#: Suffixes of the checkpoints of other systems. No runtime runs them; ``edgeshift convert`` reads them.
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt")
#: {name of the runtime: its record}.
RUNTIMES: dict[str, Runtime] = {}
#: {name of the target: its record}, in the order of tables and help texts.
TARGETS: dict[str, Target] = {}


def register_runtime(runtime: Runtime) -> None:
    """Add a runtime, or replace the one with the same name."""
    RUNTIMES[runtime.name] = runtime


def register_target(target: Target) -> None:
    """Add a target, or replace the one with the same name."""
    TARGETS[target.name] = target


def find_target(name: str) -> Target:
    """Return the target with this name.

    Raises:
        ConversionError: no target has this name. The message lists similar names.
    """
    if name not in TARGETS:
        raise ConversionError(unknown("target", name, TARGETS))
    return TARGETS[name]


def target_of(path: Path) -> Target | None:
    """Return the target with the suffix of this file name, the longest if several match; None: no target has it."""
    name = path.name.lower()
    matching = [target for target in TARGETS.values() if name.endswith(target.suffix)]
    return max(matching, key=lambda target: len(target.suffix), default=None)


def suffix_of(path: Path) -> str:
    """Return the suffix by which a file's runtime is found, such as ".qnn.onnx", in small letters."""
    target = target_of(path)
    return path.suffix.lower() if target is None else target.suffix


def find_runtime(path: Path, name: str | None = None) -> Runtime:
    """Return the runtime for a file.

    Args:
        path: path of the artifact.
        name: name in ``RUNTIMES``; None: the default runtime for the suffix of the file.

    Raises:
        EdgeshiftError: no runtime has this name.
        ArtifactError: the runtime does not run this file, or no runtime runs files with this suffix.
    """
    file, suffixes = path.name.lower(), {runtime.suffix for runtime in RUNTIMES.values()}
    # The longest one: a .qnn.onnx file is not for the runtimes of .onnx.
    suffix = max((suffix for suffix in suffixes if file.endswith(suffix)), key=len, default=path.suffix.lower())
    if name is not None:
        if name not in RUNTIMES:
            raise EdgeshiftError(unknown("runtime", name, RUNTIMES))
        if suffix != RUNTIMES[name].suffix:
            raise ArtifactError(f"{path}: the runtime {name} runs *{RUNTIMES[name].suffix} files; choose another one")
        return RUNTIMES[name]
    for runtime in RUNTIMES.values():
        if runtime.by_suffix and runtime.suffix == suffix:
            return runtime
    if suffix in CHECKPOINT_SUFFIXES:
        command = shlex.join(("edgeshift", "convert", "--target", "tflite", "--weights", str(path)))
        raise ArtifactError(f"{path}: is a checkpoint, which must be converted first: {command}")
    known = ", ".join(runtime.suffix for runtime in RUNTIMES.values() if runtime.by_suffix)
    if kind := kind_of_suffix(path):
        raise NotAnArtifactError(f"{path}: a {suffix} file is {kind}, not an artifact; known suffixes: {known}")
    raise ArtifactError(f"{path}: no runtime for {suffix or 'a file without a suffix'}; known suffixes: {known}")


def accelerator_options(path: Path, accelerator: str | None, runtime: str | None = None) -> dict[str, str]:
    """Return the options that make ``edgeshift.load`` open an artifact on an accelerator.

    Args:
        path: path of the artifact.
        accelerator: "cpu" or "gpu"; None: the default of the runtime.
        runtime: as for ``find_runtime``.

    Raises:
        AcceleratorError: edgeshift cannot run the artifact on this accelerator.
        EdgeshiftError: errors of ``find_runtime``.
    """
    if accelerator is None:
        return {}
    record = find_runtime(path, runtime)
    if accelerator in record.accelerators:
        return {} if accelerator == record.accelerators[0] else {"accelerator": accelerator}
    if not record.accelerators:
        reason = f"{record.title} itself chooses what runs it: leave out --accelerator"
    elif record.accelerators == ("npu",):
        reason = (
            f"it is compiled for an NPU, and {record.title} runs it there or on its simulator: leave out --accelerator"
        )
    else:
        used = " or ".join(name.upper() for name in record.accelerators)
        reason = f"edgeshift runs it with {record.title} on the {used}"
        if accelerator == "gpu":
            others = [other for other in RUNTIMES.values() if other.by_suffix and "gpu" in other.accelerators]
            suffixes = " and ".join(other.suffix for other in others)
            reason += f"; on a GPU it runs {suffixes} files: convert the model to one of them"
    raise AcceleratorError(f"{path}: cannot run on the {accelerator.upper()}: {reason}")


def runtimes_of(target: Target) -> tuple[Runtime, ...]:
    """Return the runtimes on which artifacts of a target are checked, the default one first."""
    default = RUNTIMES[target.runtime]
    others = (RUNTIMES[name] for name in target.also_checked_on)
    return (default, *others)


def require_converter(target: Target) -> None:
    """Raise RuntimeMissingError, with the command that installs it, if a package for the conversion is missing."""
    package = missing_package(target)
    if package is not None:
        raise missing(package, target.converter_extra, f"converting to {target.title}")


def missing_package(target: Target) -> str | None:
    """Return a package that a conversion needs and that is not installed; None: all are installed."""
    for package, module in target.converter_packages.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            return package
    return None


def targets_of_all(precision: Precision) -> list[str]:
    """Return the names of the targets that ``convert --target all`` converts to in a precision.

    A target that is optional is left out where its packages are not installed, or if it does not have the precision.
    """
    return [
        name
        for name, target in TARGETS.items()
        if not target.optional or (precision in target.precisions and missing_package(target) is None)
    ]


def missing_runtime(name: str, work: str) -> RuntimeMissingError:
    """Return the error for a runtime that is not installed, with the command that installs it.

    ``work`` is the work that needs it, such as "running a.tflite".
    """
    runtime = RUNTIMES[name]
    package = next(iter(runtime.packages.values()))
    if runtime.extra is not None:
        return missing(package, runtime.extra, work)
    return RuntimeMissingError(f"{work} needs {package}, which is not installed: {runtime.install}")


def support_table() -> str:
    """Return the support table as Markdown, with a row for each ``Support`` of every target."""
    rows = [(target.title, *row) for target in TARGETS.values() for row in target.support]
    lines = [("target", "precision", "runs on", "verified here"), ("---",) * 4, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


_LITERT = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
_ORT, _TORCH, _COREML = {"onnxruntime": "onnxruntime"}, {"torch": "torch"}, {"coremltools": "coremltools"}
_EXECUTORCH = {"executorch.runtime": "executorch"}
_JETPACK = "on a Jetson, install JetPack; on other machines, use ONNX Runtime"

for _runtime in (  # name, title, suffix, module, packages, extra
    Runtime(
        "tflite",
        "LiteRT",
        ".tflite",
        "edgeshift.runtimes.tflite",
        _LITERT,
        "tflite",
        accelerators=("cpu", "gpu"),
    ),
    Runtime("onnxruntime", "ONNX Runtime", ".onnx", "edgeshift.runtimes.onnxruntime", _ORT, "onnx"),
    Runtime(
        "tensorrt",
        "TensorRT",
        ".onnx",
        "edgeshift.runtimes.tensorrt",
        {"tensorrt": "tensorrt"},
        None,
        _JETPACK,
        False,
        threads=False,
        accelerators=("gpu",),
    ),
    Runtime(
        "coreml",
        "Core ML",
        ".mlpackage",
        "edgeshift.runtimes.coreml",
        _COREML,
        "coreml",
        on_boards=False,
        threads=False,
        accelerators=(),
    ),
    Runtime(
        "mil",
        "reference executor for Core ML",
        ".mlpackage",
        "edgeshift.runtimes.mil.executor",
        _COREML,
        "coreml",
        by_suffix=False,
        on_boards=False,
        threads=False,
    ),
    Runtime("executorch", "ExecuTorch", ".pte", "edgeshift.runtimes.executorch", _EXECUTORCH, "executorch"),
    Runtime(
        "qnn",
        "QNN",
        ".qnn.onnx",
        "edgeshift.runtimes.qnn",
        {"onnxruntime_qnn": "onnxruntime-qnn"},
        "qnn",
        on_boards=False,
        threads=False,
        accelerators=("npu",),
    ),
    Runtime("pytorch", "PyTorch", ".safetensors", "edgeshift.runtimes.pytorch", _TORCH, "convert", on_boards=False),
):
    register_runtime(_runtime)

_ALL = "fp32, fp16, int8"
_XNNPACK = "XNNPACK: fp32, fp16, int8, `--state buffer`"
_IN_CI = "parity over at least 32 frames, in CI"
_NOT_HERE = "not verified here"
_BY_VERIFY = f"{_NOT_HERE}: `edgeshift verify` checks it there"
_NO_CORE_ML = (
    "Core ML is not verified on this platform. Parity was checked with edgeshift's reference executor. To check Core "
    "ML, run on a Mac: edgeshift verify FILE"
)
_ONNX = {"torch": "torch", "onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"}

for _target in (
    Target(
        name="tflite",
        title="TFLite",
        suffix=".tflite",
        runtime="tflite",
        converter="edgeshift.converters.tflite.target",
        converter_packages={
            "torch": "torch",
            "litert-torch": "litert_torch",
            "litert-converter": "litert_converter",
            "ai-edge-quantizer": "ai_edge_quantizer",
            "ai-edge-litert": "ai_edge_litert",
        },
        float_layers=True,
        not_verified="phones, boards, GPU delegates",
        support=(
            Support(_ALL, "Linux x86-64: LiteRT (compiled model and Interpreter)", _IN_CI),
            Support("int8", "Linux x86-64: tflite-runtime 2.14 (Python 3.10)", "self-check run by hand, not in CI"),
            Support(_ALL, "Raspberry Pi, Jetson: LiteRT, tflite-runtime", _BY_VERIFY),
            Support(_ALL, "phones: LiteRT", _NOT_HERE),
            Support(_ALL, "GPU: LiteRT's GPU accelerator", "32 frames on a GPU in software (SwiftShader)"),
            Support("int8, `--float-boundary`", "browsers: LiteRT.js", "self-check in headless Chromium, in CI"),
            Support(
                "int8, `--aot CHIP`", "NPUs of phones: LiteRT", f"parity before compilation; on an NPU: {_NOT_HERE}"
            ),
            Support(f"{_ALL}; `--for mali`", "Mali GPUs", f"`edgeshift lint`, parity, in CI; on one: {_NOT_HERE}"),
        ),
    ),
    Target(
        name="onnx",
        title="ONNX",
        suffix=".onnx",
        runtime="onnxruntime",
        converter="edgeshift.converters.onnx.target",
        converter_packages=_ONNX,
        envelope="onnx_file",
        float_layers=True,
        batches=True,
        not_verified="boards, other providers than CPU",
        support=(
            Support(_ALL, "Linux x86-64: ONNX Runtime, CPU", _IN_CI),
            Support(_ALL, "aarch64; the CUDA, TensorRT, Core ML, NNAPI and XNNPACK providers", _NOT_HERE),
        ),
    ),
    Target(
        name="tensorrt",
        title="TensorRT",
        suffix=".trt.onnx",
        runtime="onnxruntime",
        converter="edgeshift.converters.onnx.tensorrt",
        converter_packages=_ONNX,
        envelope="onnx_file",
        notes=(
            "TensorRT is not verified on this platform. Parity was checked with ONNX Runtime. To check TensorRT, run "
            "on the device: edgeshift verify FILE --runtime tensorrt",
        ),
        remark="TensorRT builds its engine on the NVIDIA device. On this machine, ONNX Runtime runs the artifact",
        not_verified="TensorRT: ONNX Runtime runs the artifact instead",
        timed=False,
        float_boundary=True,
        batches=True,
        support=(Support(_ALL, "Jetson: TensorRT 8.6 and 10", f"{_NOT_HERE}; parity with ONNX Runtime, in CI"),),
    ),
    Target(
        name="coreml",
        title="Core ML",
        suffix=".mlpackage",
        runtime="coreml",
        converter="edgeshift.converters.coreml.target",
        converter_packages={"torch": "torch", "coremltools": "coremltools"},
        # On a Mac the artifact must pass on Core ML itself and on the reference executor.
        also_checked_on=("mil",) if ON_A_MAC else (),
        states=("io", "native"),
        half_arithmetic=True,
        envelope="mlpackage_file",
        is_folder=True,
        notes=() if ON_A_MAC else (_NO_CORE_ML,),
        remark="Core ML runs on Mac, iPhone and iPad. Elsewhere, edgeshift's reference executor runs the artifact",
        not_verified="Core ML: the reference executor runs the artifact instead",
        timed=False,
        float_boundary=True,
        support=(
            Support(_ALL, "Linux and others: edgeshift's reference executor", _IN_CI),
            Support(f"{_ALL}; `--state io` or `native`", "iPhone, iPad, Mac: Core ML, from iOS 17 or 18", _BY_VERIFY),
        ),
    ),
    Target(
        name="executorch",
        title="ExecuTorch",
        suffix=".pte",
        runtime="executorch",
        converter="edgeshift.converters.executorch.target",
        converter_packages={"torch": "torch", "executorch": "executorch", "torchao": "torchao"},
        states=("io", "buffer"),
        half_arithmetic=True,
        backends={
            "xnnpack": Backend(ALL_PRECISIONS, ("io", "buffer")),
            "coreml": Backend(("fp32", "fp16"), ("io",)),
        },
        not_verified="phones, boards",
        support=(
            Support(_XNNPACK, "Linux x86-64: `executorch.runtime`", _IN_CI),
            Support(_XNNPACK, "Android, iOS, aarch64", _NOT_HERE),
            Support("Core ML: fp32, fp16", "iPhone, Mac", f"{_NOT_HERE}: no runtime on Linux runs it"),
        ),
    ),
    Target(
        name="qnn",
        title="Qualcomm QNN",
        suffix=".qnn.onnx",
        runtime="qnn",
        converter="edgeshift.converters.onnx.qnn",
        converter_packages={**_ONNX, "onnxruntime-qnn": "onnxruntime_qnn"},
        converter_extra="convert,qnn",
        optional=True,
        precisions=("int8",),
        envelope="onnx_file",
        notes=(
            "Qualcomm's NPU is not verified on this platform. Parity is checked with Qualcomm's simulator of it, which "
            "needs half a second for a frame. To check the NPU: edgeshift verify FILE on a Windows laptop, or "
            "edgeshift verify FILE --device adb for a phone",
        ),
        remark="Qualcomm's NPU runs it on phones and laptops with Snapdragon; on Linux x86-64, a simulator does",
        not_verified="the NPU: Qualcomm's simulator runs the artifact instead",
        timed=False,
        support=(
            Support("int8", "Linux x86-64: Qualcomm's simulator of the NPU", _IN_CI),
            Support("int8", "Snapdragon with a Hexagon NPU: Windows", _BY_VERIFY),
            Support("int8", "Snapdragon with a Hexagon NPU: Android", f"{_NOT_HERE}: `verify --device adb` checks it"),
        ),
    ),
):
    register_target(_target)
