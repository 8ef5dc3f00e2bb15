"""The target QNN: the int8 ONNX graph, compiled by Qualcomm's compiler for one version of its NPU.

The compiler is ONNX Runtime's provider for QNN (``edgeshift.runtimes.qnn``). It turns the graph into one node,
EPContext, that holds the binary. The graph from before the compilation is kept during the conversion, so that the
answers of the binary are compared with those that ONNX Runtime computes on the CPU.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift._system.hexagon import DEFAULT, require_version
from edgeshift.artifact.spec import GraphSpec
from edgeshift.converters.job import Job, Lowered
from edgeshift.converters.onnx.qnn_compiler import COMPILED, GRAPH, RELEASE
from edgeshift.converters.onnx.quantize import Form
from edgeshift.converters.onnx.target import lower_as
from edgeshift.errors import ConversionError
from edgeshift.runtimes import qnn

if TYPE_CHECKING:
    import onnx

#: What ONNX Runtime records about the versions that a binary was made with. It reads this before it loads the binary.
COMPATIBILITY = "ep_compatibility_info."


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    version = require_version(job.htp or DEFAULT)
    lowered = lower_as(job, Form(float_boundary=job.float_boundary))
    with job.stages.stage("compile"):
        body, release = compile_graph(lowered.body, version)
    graph = GraphSpec(operators={qnn.OPERATOR: 1}, partitions=1, delegated=1.0, backend=f"hexagon {version}")
    tools = {**lowered.tools, "qnn": release}
    return dataclasses.replace(lowered, body=body, graph=graph, tools=tools, before=lowered.body)


def compile_graph(body: bytes, version: str) -> tuple[bytes, str]:
    """Compile an int8 graph for a version of the NPU, such as "v75".

    Returns:
        The model with the binary, and the release of QNN that compiled it.

    Raises:
        ConversionError: the compiler fails, or leaves operators to the CPU. The message lists them.
    """
    import onnx

    failure = f"QNN cannot compile the graph for Hexagon {version}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / GRAPH).write_bytes(body)
        command = [sys.executable, "-m", "edgeshift.converters.onnx.qnn_compiler", name, version]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            reason = lines[-1][:300] if lines and done.returncode > 0 else f"it crashed with status {done.returncode}"
            raise ConversionError(f"{failure}: {reason}")
        if not (folder / COMPILED).exists():
            raise ConversionError(f"{failure}: it can compile none of its operators")
        model = onnx.load(str(folder / COMPILED))
        release = (folder / RELEASE).read_text()
    require_whole(model, version)
    _drop_names(model)
    return model.SerializeToString(deterministic=True), release


def require_whole(model: onnx.ModelProto, version: str) -> None:
    """Check that a compiled graph is one binary.

    Raises:
        ConversionError: operators are left to the CPU, or there are several binaries.
    """
    outside = Counter(node.op_type for node in model.graph.node if node.op_type != qnn.OPERATOR)
    binaries = len(model.graph.node) - outside.total()
    if outside:
        names = ", ".join(f"{count} {kind}" for kind, count in outside.most_common())
        raise ConversionError(
            f"the NPU (Hexagon {version}) does not run the whole graph; these operators stayed outside: {names}; use "
            "--target onnx, or leave out the options that brought them"
        )
    if binaries != 1:
        raise ConversionError(f"QNN divided the graph into {binaries} binaries for Hexagon {version}, and not one")


def _drop_names(model: onnx.ModelProto) -> None:
    """Delete what a compiled model carries besides its binary: metadata, documentation, unused operator sets."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key.startswith(COMPATIBILITY)]
    del model.metadata_props[:], model.graph.value_info[:], model.graph.metadata_props[:]
    for key, value in sorted(kept):
        model.metadata_props.add(key=key, value=value)
    used = {"", *(node.domain for node in model.graph.node)}
    sets = sorted((entry.domain, entry.version) for entry in model.opset_import if entry.domain in used)
    del model.opset_import[:]
    for domain, number in sets:
        model.opset_import.add(domain=domain, version=number)
    model.producer_name, model.producer_version, model.doc_string = "edgeshift", "", ""
