"""QNN, Qualcomm's runtime for its NPU, as a provider of ONNX Runtime (the package onnxruntime-qnn).

On Linux x86-64 the package simulates the NPU: it takes a quarter to half a second for a frame. On a device
with the NPU, the same file runs on the NPU. Only the simulator is verified here. ``runtimes/native/src/qnn.cpp`` is the
same in C++, for Android.

An artifact is compiled for one version of the NPU. Its graph is one node, which holds the compiled binary. The provider
may not hand anything to the CPU: a graph that the NPU cannot run whole is an error.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from typing import Any

from edgeshift._system.hexagon import VERSIONS
from edgeshift._system.quiet import quiet
from edgeshift.artifact import protobuf
from edgeshift.artifact.file import Artifact, require_tensors
from edgeshift.artifact.protobuf import Field
from edgeshift.artifact.soundness import GraphFacts, require_sound
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError, EdgeshiftError, missing
from edgeshift.runtimes.native import import_runtime, native_call, require_threads
from edgeshift.runtimes.onnxruntime import BoundExecutor, session_options, shapes
from edgeshift.stream import Model
from edgeshift.stream.placement import Placement
from edgeshift.targets import Processor

#: ONNX Runtime's name of the provider, and the operator that holds a binary for it.
PROVIDER, OPERATOR = "QNNExecutionProvider", "EPContext"
#: What ``GraphSpec.backend`` says of an artifact: the NPU and its version.
BACKEND = re.compile(rf"hexagon ({'|'.join(VERSIONS)})")
#: How graphs are compiled and run. The optimization takes most of the compilation, about two seconds in all.
SETTINGS = {
    "htp_graph_finalization_optimization_mode": "3",
    "enable_htp_shared_memory_allocator": "0",
    "offload_graph_io_quantization": "0",
}
#: Kinds of processors, as ``platform.machine()`` calls them, for which QNN's library is the simulator.
SIMULATED_ON = ("x86_64", "AMD64")
#: Numbers of fields in onnx.proto, and limits for untrusted graphs.
GRAPH, NODE, FUNCTION, TRAINING = 7, 1, 25, 20
INITIALIZER, SPARSE_INITIALIZER = 5, 15
#: Fields of an attribute that hold tensors or other graphs.
PARTS = (5, 6, 10, 11, 22, 23)
OPERATOR_TYPE, ATTRIBUTE = 4, 5
NAME, NUMBER = 1, 3
MAX_FIELDS = 4096


def open_artifact(artifact: Artifact, *, threads: int = 1) -> Model:
    """Open a .qnn.onnx artifact from memory, on this machine's NPU, or on its simulator if there is no NPU.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target qnn``.
        threads: ignored, because neither the NPU nor its simulator has threads to choose. All runtimes have this
            option.

    Raises:
        ArtifactError: the provider cannot load the graph, or the graph does not match the artifact's description.
        EdgeshiftError: ``threads`` is out of range, or the provider finds neither an NPU nor its simulator.
        RuntimeMissingError: onnxruntime-qnn or ONNX Runtime is not installed.
    """
    require_threads(threads)
    require_sound(artifact, "qnn", examine)
    version = version_in(artifact)
    runtime = import_runtime("onnxruntime", "qnn", artifact.path)
    package = import_runtime("onnxruntime_qnn", "qnn", artifact.path)
    processor, devices = find_devices(runtime, package)
    with quiet(stdout=True), native_call(artifact.path, f"QNN cannot load its graph, which is for Hexagon {version}"):
        session = runtime.InferenceSession(artifact.body, provider_options(package, devices, processor, version))
    states = {NEXT + state.name: state.name for state in artifact.spec.states}
    outputs = {states.get(name, name): kind for name, kind in shapes(session.get_outputs()).items()}
    require_tensors(artifact, shapes(session.get_inputs()), outputs)
    where = "NPU" if processor == "npu" else "simulator"
    title = f"QNN {package.build_and_package_info.qnn_version} (Hexagon {version}, {where})"
    # The session may not hand operators to the CPU. If it could be made, everything runs on the NPU or its simulator.
    placement = Placement(
        accelerator="npu" if processor == "npu" else "npu simulator", device=f"Hexagon {version}", complete=True
    )
    return Model(
        artifact.spec,
        title,
        lambda: BoundExecutor(runtime, session, artifact, "cpu"),
        processor,
        placement=placement,
    )


def version_in(artifact: Artifact) -> str:
    """Return the version of the NPU that an artifact is compiled for, such as "v75".

    Raises:
        ArtifactError: its description does not say it.
    """
    graph = artifact.spec.graph
    match = BACKEND.fullmatch((graph and graph.backend) or "")
    if match is None:
        raise ArtifactError(
            f"{artifact.path}: its description does not say which version of Hexagon it is for; convert the model again"
        )
    return match[1]


def find_devices(runtime: Any, package: Any) -> tuple[Processor, list[Any]]:
    """Return "npu" and the NPU of this machine, or "cpu" and the device of the simulator.

    Args:
        runtime: the module onnxruntime.
        package: the module onnxruntime_qnn.

    Raises:
        EdgeshiftError: ONNX Runtime is too old, or the provider finds no device.
    """
    if not hasattr(runtime, "register_execution_provider_library"):
        raise EdgeshiftError(f"onnxruntime-qnn needs a newer ONNX Runtime than {runtime.__version__}: upgrade it")

    def devices() -> list[Any]:
        return [device for device in runtime.get_ep_devices() if device.ep_name == PROVIDER]

    if not devices():
        with quiet(stdout=True):
            try:
                runtime.register_execution_provider_library(PROVIDER, package.get_library_path())
            except Exception as error:
                raise missing("onnxruntime-qnn", "qnn", f"QNN could not be loaded ({error}); it") from error
    found = devices()
    npu = [device for device in found if device.device.type == runtime.OrtHardwareDeviceType.NPU]
    if not found:
        raise EdgeshiftError("QNN finds neither an NPU of Qualcomm nor its simulator, which runs on Linux x86-64")
    if npu:
        return "npu", npu
    # ONNX Runtime does not see every NPU. Then the provider reaches it by the device of the CPU.
    return ("cpu" if platform.machine() in SIMULATED_ON else "npu"), found


def provider_options(
    package: Any, devices: list[Any], processor: Processor, version: str, entries: Mapping[str, str] | None = None
) -> Any:
    """Return the options of a session that runs on QNN, and nowhere else unless ``entries`` say otherwise.

    The version is set on the simulator, whose answers are a little worse without it, and always when a binary is
    compiled, because the binary is for this version. An NPU that runs a binary knows its own version.

    Args:
        package: the module onnxruntime_qnn.
        devices, processor: the result of ``find_devices``.
        version: version of the NPU, such as "v75".
        entries: more entries of ONNX Runtime's session options. With ``ep.context_enable`` "1", the session compiles.
    """
    compiles = (entries or {}).get("ep.context_enable") == "1"
    options = session_options(threads=1)
    for name, value in {"session.disable_cpu_ep_fallback": "1", **(entries or {})}.items():
        options.add_session_config_entry(name, value)
    settings = {**SETTINGS, "backend_path": package.get_qnn_htp_path()}
    if compiles or processor == "cpu":
        settings["htp_arch"] = version.removeprefix("v")
    options.add_provider_for_devices(devices, settings)
    return options


def examine(artifact: Artifact) -> GraphFacts:
    """Return the facts of a graph.

    Raises:
        ValueError: the graph is not a single binary that is inside the file, or is not protobuf.
    """
    body = artifact.body
    model = protobuf.read_fields(body, 0, len(body), MAX_FIELDS)
    graphs = [field for field in model if field.number == GRAPH]
    if len(graphs) != 1 or any(field.number in (FUNCTION, TRAINING) for field in model):
        raise ValueError("it is not one graph")
    fields = protobuf.read_fields(body, graphs[0].start, graphs[0].stop, MAX_FIELDS)
    nodes = [field for field in fields if field.number == NODE]
    if len(nodes) != 1 or any(field.number in (INITIALIZER, SPARSE_INITIALIZER) for field in fields):
        raise ValueError("it is not one node")
    if (operator := _text(body, nodes[0], OPERATOR_TYPE)) != OPERATOR:
        raise ValueError(f"its node is {operator!r:.60}, and not {OPERATOR}")
    numbers = {}
    for field in protobuf.read_fields(body, nodes[0].start, nodes[0].stop, MAX_FIELDS):
        if field.number == ATTRIBUTE:
            name = _text(body, field, NAME)
            if name in numbers:
                raise ValueError(f"it says {name!r:.60} twice")
            if any(part.number in PARTS for part in protobuf.read_fields(body, field.start, field.stop, MAX_FIELDS)):
                raise ValueError("it has an attribute that is not written as usual")
            numbers[name] = _number(body, field)
    if numbers.get("embed_mode") != 1 or numbers.get("main_context") != 1:
        raise ValueError("its binary is in another file")
    return GraphFacts("int8")


def _text(body: bytes, message: Field, number: int) -> str:
    field = protobuf.last_field(body, message, number, MAX_FIELDS)
    return body[field.start : field.stop].decode(errors="replace")


def _number(body: bytes, attribute: Field) -> int:
    """Return the number in an attribute; 0 if it holds something else.

    Raises:
        ValueError: the field of the number occurs twice, or is written as text.
    """
    found = [
        field
        for field in protobuf.read_fields(body, attribute.start, attribute.stop, MAX_FIELDS)
        if field.number == NUMBER
    ]
    if len(found) > 1 or any(
        body[field.begin : field.start] != bytes([NUMBER << 3 | protobuf.VARINT]) for field in found
    ):
        raise ValueError("it has an attribute that is not written as usual")
    return protobuf.read_varint(body, found[0].start, found[0].stop)[0] if found else 0
