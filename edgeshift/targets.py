"""The targets that edgeshift converts to, and the runtimes that run the files, as data.

Everything that depends on a target asks here: the help of ``convert``, ``doctor``, ``inspect``, the loader, the error
for a package that is missing, the agent for boards, and the tables in the documentation. A new target is one record
here and one module with a ``lower`` function; a new runtime is one record and one module with a ``load`` function.
Both modules are named as text, so that this file imports neither a converter nor a runtime.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from edgeshift.errors import ArtifactError, ConversionError, EdgeshiftError, RuntimeMissingError, missing, unknown

Precision = Literal["fp32", "fp16", "int8"]
#: Where the states are between two steps. "io": inputs and outputs of the graph. "native": the runtime's own states.
#: "buffer": buffers of the program.
StateForm = Literal["io", "native", "buffer"]

ALL_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
ON_A_MAC = sys.platform == "darwin"


class Runtime(NamedTuple):
    """What runs files of one kind.

    Attributes:
        name: as ``edgeshift.load(path, runtime=name)`` takes it.
        title: as people call it.
        suffix: of the files it runs.
        module: the module of edgeshift with its ``load`` function.
        packages: {module to import: package that brings it}. One of them is enough.
        extra: the extra of edgeshift that installs it; None: it does not come with pip.
        install: how it is installed where there is no extra.
        by_suffix: the suffix alone chooses it; otherwise it must be asked for by name.
        on_boards: it is part of the agent, the file that measures on boards and phones.
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


class Backend(NamedTuple):
    """What one back end of a target can do. The first state form is the default."""

    precisions: tuple[Precision, ...]
    states: tuple[StateForm, ...]


class Support(NamedTuple):
    """One row of the support table: which files, on what, and how that was verified."""

    precisions: str
    where: str
    verified: str


class Target(NamedTuple):
    """What edgeshift converts to.

    Attributes:
        name: as ``--target`` takes it.
        title: as people call it.
        suffix: of the artifact's file name. The artifact is recognised by it.
        runtime: name of the runtime that runs the artifact by default, in ``RUNTIMES``.
        converter: the module of edgeshift with its ``lower`` function.
        converter_packages: {package to install: module to import} that the conversion needs.
        also_checked_on: names of more runtimes that the artifact must pass parity on.
        precisions, states: what it can do. The first state form is the default.
        backends: {name: what it can do}, for a target that has several. The first is the default.
        envelope: the module of ``edgeshift.artifact`` that puts graph and description into one file.
        is_folder: the artifact is a folder.
        notes: lines that every conversion prints.
        remark: what ``doctor`` and ``inspect`` say about where the artifact runs.
        not_verified: where the artifact was not run when the documentation was written.
        timed: a step on this machine says something about speed. False for executors that only check answers.
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
    timed: bool = True
    support: tuple[Support, ...] = ()

    def backend(self, name: str | None) -> str | None:
        """The name of the back end that is used: the one asked for, or the first; None: the target has only one."""
        return name or next(iter(self.backends), None)

    def choices(self, backend: str | None = None) -> Backend:
        """Precisions and state forms of the target, or of one of its back ends."""
        chosen = self.backend(backend)
        return Backend(self.precisions, self.states) if chosen is None else self.backends[chosen]


#: {name: runtime}.
RUNTIMES: dict[str, Runtime] = {}
#: {name: target}, in the order of tables and help texts.
TARGETS: dict[str, Target] = {}


def register_runtime(runtime: Runtime) -> None:
    """Add a runtime. One of the same name is replaced."""
    RUNTIMES[runtime.name] = runtime


def register_target(target: Target) -> None:
    """Add a target. One of the same name is replaced."""
    TARGETS[target.name] = target


def find_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ConversionError: an unknown name, with the nearest known ones.
    """
    if name not in TARGETS:
        raise ConversionError(unknown("target", name, TARGETS))
    return TARGETS[name]


def target_of(path: Path) -> Target | None:
    """The first target whose artifacts have this file name's suffix; None: no target has it."""
    name = path.name.lower()
    found = [target for target in TARGETS.values() if name.endswith(target.suffix)]
    return max(found, key=lambda target: len(target.suffix), default=None)


def find_runtime(path: Path, name: str | None = None) -> Runtime:
    """The runtime for a file.

    Args:
        path: the file; its suffix chooses, where no name is given.
        name: a name in ``RUNTIMES``.

    Raises:
        EdgeshiftError: an unknown name.
        ArtifactError: a file that this runtime does not run, or a suffix that no runtime has.
    """
    if name is not None and name not in RUNTIMES:
        raise EdgeshiftError(unknown("runtime", name, RUNTIMES))
    suffix = path.suffix.lower()
    if name is not None:
        if suffix != RUNTIMES[name].suffix:
            raise ArtifactError(f"{path}: the runtime {name} runs *{RUNTIMES[name].suffix} files")
        return RUNTIMES[name]
    for runtime in RUNTIMES.values():
        if runtime.by_suffix and runtime.suffix == suffix:
            return runtime
    known = ", ".join(runtime.suffix for runtime in RUNTIMES.values() if runtime.by_suffix)
    raise ArtifactError(f"{path}: no runtime for {suffix or 'a file without a suffix'}; known suffixes: {known}")


def runtimes_of(target: Target) -> tuple[Runtime, ...]:
    """All runtimes that run artifacts of a target, the default one first."""
    default = RUNTIMES[target.runtime]
    others = (RUNTIMES[name] for name in target.also_checked_on)
    return (default, *others)


def require_converter(target: Target) -> None:
    """Raise RuntimeMissingError, with the command that installs it, if a package that converts is not installed."""
    for package, module in target.converter_packages.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            raise missing(package, "convert", f"converting to {target.title}")


def missing_runtime(name: str, work: str) -> RuntimeMissingError:
    """The error for a runtime that is not installed, with the command that installs it.

    Args:
        name: in ``RUNTIMES``.
        work: what needs it, such as "running a.tflite".
    """
    runtime = RUNTIMES[name]
    package = next(iter(runtime.packages.values()))
    if runtime.extra is not None:
        return missing(package, runtime.extra, work)
    return RuntimeMissingError(f"{work} needs {package}, which is not installed: {runtime.install}")


for _runtime in (
    Runtime(
        name="tflite",
        title="LiteRT",
        suffix=".tflite",
        module="edgeshift.runtimes.tflite",
        packages={"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"},
        extra="tflite",
    ),
    Runtime(
        name="onnxruntime",
        title="ONNX Runtime",
        suffix=".onnx",
        module="edgeshift.runtimes.onnxruntime",
        packages={"onnxruntime": "onnxruntime"},
        extra="onnx",
    ),
    Runtime(
        name="tensorrt",
        title="TensorRT",
        suffix=".onnx",
        module="edgeshift.runtimes.tensorrt",
        packages={"tensorrt": "tensorrt"},
        extra=None,
        install="on a Jetson, install JetPack; on other machines, ONNX Runtime runs the artifact",
        by_suffix=False,
    ),
    Runtime(
        name="coreml",
        title="Core ML",
        suffix=".mlpackage",
        module="edgeshift.runtimes.coreml",
        packages={"coremltools": "coremltools"},
        extra="coreml",
        on_boards=False,
    ),
    Runtime(
        name="mil",
        title="reference executor for Core ML programs",
        suffix=".mlpackage",
        module="edgeshift.runtimes.mil.executor",
        packages={"coremltools": "coremltools"},
        extra="coreml",
        by_suffix=False,
        on_boards=False,
    ),
    Runtime(
        name="executorch",
        title="ExecuTorch",
        suffix=".pte",
        module="edgeshift.runtimes.executorch",
        packages={"executorch.runtime": "executorch"},
        extra="executorch",
    ),
    Runtime(
        name="pytorch",
        title="PyTorch",
        suffix=".safetensors",
        module="edgeshift.runtimes.pytorch",
        packages={"torch": "torch"},
        extra="convert",
        on_boards=False,
    ),
):
    register_runtime(_runtime)

_IN_CI = "yes: parity over 32 frames and more, in CI"
_NOT_HERE = "not verified here"
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
        not_verified="phones, boards, GPU delegates",
        support=(
            Support("fp32, fp16, int8", "Linux x86-64: LiteRT (compiled model and Interpreter)", _IN_CI),
            Support("int8", "Linux x86-64: tflite-runtime 2.14 (Python 3.10)", "self-check tried by hand, not in CI"),
            Support(
                "fp32, fp16, int8",
                "Raspberry Pi, Jetson: LiteRT, tflite-runtime",
                f"{_NOT_HERE}: `edgeshift verify` checks it on the device",
            ),
            Support("fp32, fp16, int8", "phones: LiteRT", _NOT_HERE),
            Support(
                "int8, `--float-boundary`", "browsers: LiteRT.js", "self-check in a browser (headless Chromium), in CI"
            ),
            Support("any, `--fresh-states`", "GPU delegates", f"graph and self-check yes, on a GPU {_NOT_HERE}"),
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
        not_verified="boards, other providers than CPU",
        support=(
            Support("fp32, fp16, int8", "Linux x86-64: ONNX Runtime, CPU", _IN_CI),
            Support(
                "fp32, fp16, int8",
                "aarch64; ONNX Runtime's CUDA, TensorRT, Core ML, NNAPI and XNNPACK providers",
                _NOT_HERE,
            ),
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
            "TensorRT is not verified on this platform: parity is that of the file, run by ONNX Runtime. On the "
            "device: edgeshift verify FILE --runtime tensorrt",
        ),
        remark="TensorRT builds its engine on the NVIDIA device and runs it there; here ONNX Runtime runs the file",
        not_verified="TensorRT: the file is run by ONNX Runtime",
        timed=False,
        support=(
            Support(
                "fp32, fp16, int8",
                "Jetson: TensorRT 8.6 and 10, engine built there",
                f"{_NOT_HERE}: the file is, by ONNX Runtime",
            ),
        ),
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
        envelope="mlpackage_file",
        is_folder=True,
        notes=()
        if ON_A_MAC
        else (
            "Core ML is not verified on this platform: parity is that of the program, run by edgeshift's reference "
            "executor. On a Mac: edgeshift verify FILE",
        ),
        remark="Core ML runs on a Mac, iPhone or iPad; elsewhere edgeshift's reference executor runs the program",
        not_verified="Core ML: its program is run by the reference executor",
        timed=False,
        support=(
            Support("fp32, fp16, int8", "Linux and anywhere: the program, by edgeshift's reference executor", _IN_CI),
            Support(
                "fp32, fp16, int8; `--state io` or `native`",
                "iPhone, iPad, Mac: Core ML, from iOS 17 or 18",
                f"{_NOT_HERE}: `edgeshift verify` checks it on a Mac",
            ),
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
        backends={
            "xnnpack": Backend(ALL_PRECISIONS, ("io", "buffer")),
            "coreml": Backend(("fp32", "fp16"), ("io",)),
        },
        not_verified="phones, boards",
        support=(
            Support("XNNPACK: fp32, fp16, int8, `--state buffer`", "Linux x86-64: `executorch.runtime`", _IN_CI),
            Support("XNNPACK: fp32, fp16, int8, `--state buffer`", "Android, iOS, aarch64", _NOT_HERE),
            Support(
                "Core ML: fp32, fp16",
                "iPhone, Mac",
                f"{_NOT_HERE}: the file is written, nothing on Linux runs it",
            ),
        ),
    ),
):
    register_target(_target)
