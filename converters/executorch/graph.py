"""Reading an ExecuTorch program: the operators inside and outside its delegates, and its inputs and outputs."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from edgeshift.artifact.spec import LOGITS, Dtype, GraphSpec, GridSpec, TensorSpec
from edgeshift.converters.job import Job
from edgeshift.converters.quantization.finished import End, describe_boundary

#: The operator that writes the next value of a buffer (``--state buffer``). It computes nothing.
WRITE = "copy_"
XNNPACK = "XnnpackBackend"


def graph_spec(body: bytes, backend: str) -> GraphSpec:
    """Return the number of operators of each kind, the number of delegate calls, and the share of delegated operators.

    Args:
        body: a program that this converter has just written (not an untrusted file).
        backend: the back end that the program was lowered for.
    """
    inside, outside = Counter[str](), Counter[str]()
    calls = 0
    plan, delegates = read_program(body)
    for instruction in plan.chains[0].instructions:
        call = instruction.instr_args
        if hasattr(call, "delegate_index"):
            calls += 1
            kind, data = delegates[call.delegate_index]
            # Delegates of other back ends do not list their operators.
            nodes = read_delegate(data)["xnodes"] if kind == XNNPACK else []
            inside += Counter(node["xnode_union_type"].removeprefix("XNN") for node in nodes)
        elif hasattr(call, "op_index"):
            outside[plan.operators[call.op_index].name.split("::")[-1]] += 1
    counted = sum(inside.values())
    computing = counted + sum(count for kind, count in outside.items() if kind != WRITE)
    share = 1.0 if calls and computing == counted else counted / computing if counted else None
    return GraphSpec(
        operators=dict((inside + outside).most_common()),
        partitions=calls,
        delegated=share,
        backend=backend,
        outside=dict(outside.most_common()),
    )


def read_program(body: bytes) -> tuple[Any, list[tuple[str, bytes]]]:
    """Return the execution plan of a program's only method, and (back end, data) of each delegate."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    program = deserialize_pte_binary(body).program
    plan = program.execution_plan[0]
    inline = program.backend_delegate_data
    return plan, [(delegate.id, bytes(inline[delegate.processed.index].data)) for delegate in plan.delegates]


def read_delegate(data: bytes) -> dict[str, Any]:
    """Return the graph of an XNNPACK delegate as a dictionary; its keys are the fields of the FlatBuffer schema."""
    import executorch.backends.xnnpack.serialization as package
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    header = XNNHeader.from_bytes(data[: XNNHeader.EXPECTED_LENGTH])
    end = header.flatbuffer_offset + header.flatbuffer_size
    with tempfile.TemporaryDirectory() as folder:
        schema, graph = Path(folder) / "schema.fbs", Path(folder) / "graph.bin"
        schema.write_bytes(resources.files(package).joinpath("schema.fbs").read_bytes())
        graph.write_bytes(data[header.flatbuffer_offset : end])
        _flatc_decompile(folder, str(schema), str(graph), ["--raw-binary"])
        text = (Path(folder) / "graph.json").read_bytes()
    # The upper limit of a ReLU is printed as "inf", which is not JSON.
    delegate: dict[str, Any] = json.loads(re.sub(rb"(: -?)inf\b", rb"\1Infinity", text))
    return delegate


def boundary(job: Job, grids: Sequence[GridSpec] | None) -> dict[str, TensorSpec]:
    """Return the description of inputs and outputs, [1, H, W, C]. XNNPACK reads this memory as tensors [1, C, H, W].

    Args:
        job: the conversion.
        grids: grids of the frame or clip, the states and the logits, in that order; None: the program is not int8.
    """
    dtype: Dtype = "float16" if job.precision == "fp16" and job.backend != "coreml" else "float32"
    tensors = job.tensors()
    ends = {name: End(tensor.shape, dtype) for name, tensor in tensors.items()}
    if grids is not None and not job.float_boundary:
        order = (job.input_name, *job.step.state_names, LOGITS)
        ends = {name: End(tensors[name].shape, "int8", grid) for name, grid in zip(order, grids, strict=True)}
    return describe_boundary(tensors, ends, ends)
