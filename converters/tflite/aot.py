"""Compilation of an int8 graph for the NPU of a phone's chip, by LiteRT and the SDK of the chip's vendor.

LiteRT replaces the operators that the NPU can run by DISPATCH_OP, an operator that holds a binary for the NPU. No
computer can run such a graph. So the graph is compared with the original before the compilation, and after it only the
inputs, outputs and operators are checked.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import tempfile
from collections import Counter
from pathlib import Path

from edgeshift._system.npus import COMPILED_FOR, Chip
from edgeshift.artifact.spec import GraphSpec
from edgeshift.converters.job import Job, Lowered
from edgeshift.converters.tflite.graph import boundary, read_graph
from edgeshift.converters.tools import run_tool
from edgeshift.errors import ConversionError, one_line
from edgeshift.runtimes.native import package_version

#: The operator that holds a binary for the NPU.
DISPATCH = "DISPATCH_OP"
#: LiteRT's compiler is a program. If it fails, LiteRT's error names the file with the program's output.
LOG = re.compile(r"See (\S+) for details")
#: A line of this output that says what went wrong. LiteRT writes the place in its source code before the reason.
REASON = re.compile(r"^(?:└|.*\bERROR\b)\s*:?\s*(.*\w.*)$", re.MULTILINE)


def compile_ahead(job: Job, lowered: Lowered, chip: Chip) -> Lowered:
    """Compile the graph of a job, whose inputs, outputs and states stay as they are.

    Raises:
        ConversionError: the compiler fails, can compile nothing, or changes an input or output.
    """
    with job.stages.stage("compile"):
        body = compile_graph(lowered.body, chip)
    described = {tensor.name: tensor for tensor in (lowered.input, lowered.output, *lowered.states)}
    with run_tool(f"LiteRT cannot read the graph that it compiled for {chip.title}"):
        ends = boundary(body, job.tensors())
        kinds = Counter(operator.kind for operator in read_graph(body).operators)
    if changed := [name for name, tensor in described.items() if ends.get(name) != tensor]:
        raise ConversionError(f"the compilation for {chip.title} changed {changed[0]}, and the file was not written")
    binaries = kinds.pop(DISPATCH, 0)
    if not binaries:
        raise ConversionError(f"LiteRT can compile none of the operators for {chip.title}")
    total = sum(lowered.graph.operators.values())
    graph = GraphSpec(
        operators={DISPATCH: binaries, **dict(kinds.most_common())},
        partitions=binaries,
        delegated=max(0.0, 1 - kinds.total() / total),
        backend=COMPILED_FOR + chip.title,
        outside=dict(kinds.most_common()),
    )
    package = chip.vendor.package
    return dataclasses.replace(
        lowered,
        body=body,
        graph=graph,
        tools={**lowered.tools, package: package_version(package)},
        unproven=f"not verified here: only an NPU of {chip.title} runs the file. The graph from before the compilation "
        "was compared with the original. The file has a self-check with the original's logits, for a phone",
        ahead=None,
    )


def compile_graph(body: bytes, chip: Chip) -> bytes:
    """Compile a graph for a chip, and return the compiled graph.

    Raises:
        ConversionError: the compiler fails. The message has the last reason that it gave.
    """
    failure = f"LiteRT cannot compile the graph for {chip.title}"
    with run_tool(failure), tempfile.TemporaryDirectory() as folder:
        from ai_edge_litert.aot import aot_compile
        from ai_edge_litert.aot.core import aot_types

        vendor = importlib.import_module(chip.vendor.module)
        model = aot_types.Model.create_from_bytes(body)
        target = vendor.Target(vendor.SocModel(chip.name))
        try:
            result = aot_compile.aot_compile(model, output_dir=folder, target=target, keep_going=False)
        except ValueError as error:
            raise ConversionError(f"{failure}: {_reason(error)}") from error
        if len(result.models) != 1:
            raise ConversionError(f"{failure}: it returned {len(result.models)} graphs, and not one")
        compiled = result.models[0]
        if not compiled.in_memory:
            compiled.load()
        return bytes(compiled.model_bytes)


def _reason(error: ValueError) -> str:
    """Return why the compiler failed, on one line. The file with its output is deleted."""
    found = LOG.search(str(error))
    log = Path(found[1]) if found else None
    if log is None or not log.is_file():
        return one_line(error)
    lines = REASON.findall(log.read_text(errors="replace"))
    log.unlink()
    return one_line(ValueError(lines[-1])) if lines else "its compiler gave no reason"
