"""Rules about outputs that the drivers of Mali GPUs get wrong, which are mostly next states.

All three were measured on a Pixel 8a. A desktop's GPU does not show them, so they must be found in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeshift.runtimes.lint.graph import Graph, renamed
from edgeshift.runtimes.lint.rule import Rule

#: Operators of .tflite that copy values and compute nothing.
MOVES = (
    *("SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "CONCATENATION", "RESHAPE", "EXPAND_DIMS", "SQUEEZE"),
    *("TRANSPOSE", "PACK", "UNPACK", "PAD", "PADV2", "GATHER", "REVERSE_V2"),
)
#: Operators of .tflite that add or subtract.
SUMS = ("ADD", "SUB", "ADD_N")
SAMPLE = "https://github.com/google-ai-edge/litert-samples/pull/198"
ADDED = "https://github.com/google-ai-edge/LiteRT/issues/8599"
REMEDY = "convert with --for mali, which multiplies every next state by a 1 that is computed from the frame"


def passed_through(graph: Graph) -> Iterator[str]:
    """Yield the outputs that hold values of an input which nothing has computed with."""
    writers, inputs = graph.writers(), renamed(graph.inputs)
    for name, tensor in graph.outputs.items():
        pending, seen = [tensor], set[int]()
        while pending:
            current = pending.pop()
            if current in seen:
                continue
            seen.add(current)
            if current in inputs:
                yield f"output {name} returns values of the input {inputs[current][0]}"
                break
            if current in writers and writers[current].kind in MOVES:
                pending.extend(writers[current].inputs)


def sums(graph: Graph) -> Iterator[str]:
    """Yield the outputs that are the sum or difference of two computed tensors."""
    writers = graph.writers()
    for name, tensor in graph.outputs.items():
        node = writers.get(tensor)
        if node is not None and node.kind in SUMS and len(graph.computed_inputs(node)) > 1:
            yield f"output {name} is written by {node.kind}"


def read_again(graph: Graph) -> Iterator[str]:
    """Yield the outputs that an operator of the graph reads, or that several outputs share."""
    readers, outputs = graph.readers(), renamed(graph.outputs)
    for tensor, names in outputs.items():
        if tensor in readers:
            yield f"output {names[0]} is also read by {graph.place(readers[tensor][0])}"
        elif len(names) > 1:
            yield f"the outputs {' and '.join(names)} are one tensor"


STATE_RULES = (
    Rule(
        name="state-passed-through",
        devices=("mali",),
        effect="wrong",
        finds="an output that holds values of an input, unchanged or cut and joined, as the states of a TSAM that uses "
        "more than one past frame",
        why="An input that is passed to an output loses its use inside the graph: what is computed from it is wrong. "
        "This was measured for an input that is returned as a whole. The rule also counts parts of an input, because a "
        "driver may treat a slice as a view.",
        source=SAMPLE,
        remedy=REMEDY,
        find=passed_through,
    ),
    Rule(
        name="state-is-a-sum",
        devices=("mali",),
        effect="wrong",
        finds="an output that is written by ADD or SUB of two tensors which are computed",
        why="Such an output reads zero, or one of the two tensors in place of the sum.",
        source=f"{SAMPLE} and {ADDED}",
        remedy=REMEDY,
        find=sums,
    ),
    Rule(
        name="state-is-read",
        devices=("mali",),
        effect="wrong",
        finds="an output that an operator of the graph reads too",
        why="The copy that is returned is wrong; in the measured case it was off by a factor of about 2.5. What "
        "the graph computes from the tensor is right, so a check of the logits of one frame does not show it.",
        source=f"{SAMPLE} and {ADDED}",
        remedy=REMEDY,
        find=read_again,
    ),
)
