"""What is in an ExecuTorch program: the operators of its delegate, those outside it, and the boundary."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.converters.executorch_pt2e import Grid
from edgeshift.converters.targets import Job
from edgeshift.errors import ConversionError
from edgeshift.spec import Dtype, GraphSpec, TensorSpec

#: What the runtime does between operators: it hands over results, and writes a buffer's next value.
PLUMBING = ("getitem", "executorch_call_delegate", "alloc", "view", "free")
WRITE = "copy_"


def graph_spec(edge: Any, program: Any, backend: str) -> GraphSpec:
    """Operators by kind, how many delegate calls there are, and their share of the operators that compute.

    Args:
        edge: the exported program with its delegates. program: the same as it is emitted.
        backend: whose delegates they are.
    """
    inside: Counter[str] = Counter()
    calls = 0
    for node in edge.graph.nodes:
        if node.op == "get_attr" and hasattr(lowered := getattr(edge.graph_module, node.target), "processed_bytes"):
            calls += 1
            inside += _xnnpack_operators(lowered.processed_bytes) if backend == "xnnpack" else _edge_operators(lowered)
    outside = outside_operators(program)
    computing = sum(inside.values()) + sum(count for kind, count in outside.items() if kind != WRITE)
    return GraphSpec(
        operators=dict((inside + outside).most_common()),
        partitions=calls,
        delegated=sum(inside.values()) / computing if computing else 0.0,
        backend=backend,
        outside=dict(outside.most_common()),
    )


def outside_operators(program: Any) -> Counter[str]:
    """Operators of an emitted program that are not in a delegate."""
    kinds = (_kind(node.target) for node in program.graph.nodes if node.op == "call_function")
    return Counter(kind for kind in kinds if kind not in PLUMBING)


def boundary(job: Job, grids: Sequence[Grid] | None) -> dict[str, TensorSpec]:
    """The tensors at the boundary, with scale and zero point; shapes are those of their memory, channels last.

    Args:
        job: what was converted. grids: of frame, states and logits, in that order, if it is int8.
    """
    dtype: Dtype = "float16" if job.precision == "fp16" and job.backend != "coreml" else "float32"
    names = job.tensors("executorch")
    if grids is None or job.float_boundary:
        return {name: msgspec.structs.replace(spec, dtype=dtype) for name, spec in names.items()}
    order = [job.source.describe("executorch").input.name, *job.step.state_names]
    order.append(next(name for name in names if name not in order))
    return {
        name: msgspec.structs.replace(names[name], dtype="int8", scale=grid.scale, zero_point=grid.zero_point)
        for name, grid in zip(order, grids, strict=True)
    }


def _kind(target: Any) -> str:
    """``aten::copy_.default`` as ``copy_``."""
    name = getattr(getattr(target, "_op", target), "__name__", str(target))
    return str(name).split(".")[0].split("::")[-1]


def _edge_operators(lowered: Any) -> Counter[str]:
    """What a delegate was given: whoever compiles it on the device may fuse them."""
    nodes = lowered.original_module.graph.nodes
    return Counter(_kind(node.target) for node in nodes if node.op == "call_function" and "getitem" not in str(node))


def _xnnpack_operators(data: bytes) -> Counter[str]:
    """What XNNPACK itself runs, read from the delegate's own FlatBuffer."""
    import executorch.backends.xnnpack.serialization as package
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    header = XNNHeader.from_bytes(data[: XNNHeader.EXPECTED_LENGTH])
    end = header.flatbuffer_offset + header.flatbuffer_size
    with tempfile.TemporaryDirectory() as folder:
        schema, graph = Path(folder) / "schema.fbs", Path(folder) / "graph.bin"
        schema.write_bytes(resources.files(package).joinpath("schema.fbs").read_bytes())
        graph.write_bytes(data[header.flatbuffer_offset : end])
        try:
            _flatc_decompile(folder, str(schema), str(graph), ["--raw-binary"])
            found = json.loads((Path(folder) / "graph.json").read_bytes())
        except (OSError, ValueError, RuntimeError) as error:
            raise ConversionError(f"XNNPACK's part of the program cannot be read back: {error}") from error
    return Counter(node["xnode_union_type"].removeprefix("_").removeprefix("XNN") for node in found["xnodes"])
