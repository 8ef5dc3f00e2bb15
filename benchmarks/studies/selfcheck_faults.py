"""The faults that the self-check of an artifact finds.

    python -m edgeshift.benchmarks.studies.selfcheck_faults FILE... [--seeds N] [--json]

Each fault is put into a copy of the artifact, or between the artifact and its stream, and the self-check is run: states
that are lost or swapped, pictures with swapped channels, mirrored, upside down or moved by one pixel, frames of other
seeds, and the weights of each convolution 5% too large (files for TFLite). A fault that is not found is listed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.benchmarks.studies.command import Json, Strict, print_json, print_table, require_stream, study
from edgeshift.errors import EdgeshiftError, missing
from edgeshift.runtimes import load
from edgeshift.stream import Array, Executor, Model
from edgeshift.stream.selfcheck import SelfCheck, self_check

#: Factor of the weights of a convolution.
FACTOR = 1.05
#: Numbers in the TFLite schema (schema.fbs): operators with weights as their second input, and tensor types.
WITH_WEIGHTS, FLOAT32, FLOAT16 = (3, 4, 9), 0, 1
Change = Callable[[Array], Array]
States = dict[str, Array]


class Fault(msgspec.Struct, frozen=True):
    """One fault of one artifact.

    Attributes:
        file: name of the artifact.
        kind: kind of fault.
        name: which fault of its kind, such as the name of a convolution's weights.
        logits: error of the logits divided by the bound.
        states: largest error of a state divided by the bound; None: states were not compared.
        found: True if the self-check failed.
    """

    file: str
    kind: str
    name: str
    logits: float
    states: float | None
    found: bool


@study
def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Artifacts made by this version.")],
    seeds: Annotated[int, typer.Option(min=0, help="Number of other seeds for the frames.")] = 60,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Put faults into artifacts, and show which of them the self-check finds."""
    faults = [fault for file in files for fault in measure(file, seeds)]
    if as_json:
        print_json(faults)
    else:
        show(faults)
    return int(strict and not all(fault.found for fault in faults))


def measure(path: Path, seeds: int = 60) -> list[Fault]:
    """Run the self-check of an artifact with each fault.

    Raises:
        CheckFailedError: the artifact fails its self-check without a fault.
        EdgeshiftError: the artifact has no self-check, or an older one, or takes a whole clip.
    """
    artifact = read_artifact(path)
    require_stream(path, artifact.spec)
    model = load(path)
    sound = self_check(model)
    if sound.version == 1 or not sound.ok:
        raise EdgeshiftError(f"{path}: it fails its self-check as it is, or has the check of an older version")
    faults = [*_stream_faults(model, seeds), *_weight_faults(artifact)]
    with ProgressBars().stage("faults", len(faults)) as advance:
        return [_result(path.name, *fault, advance) for fault in faults]


def show(faults: list[Fault]) -> None:
    """Print the number of faults that were found by kind, and every fault that was not found."""
    rows = []
    for file, kind in dict.fromkeys((fault.file, fault.kind) for fault in faults):
        same = [fault for fault in faults if (fault.file, fault.kind) == (file, kind)]
        found = f"{sum(fault.found for fault in same)} of {len(same)}"
        smallest = min(max(fault.logits, fault.states or 0) for fault in same)
        rows.append((file, kind, found, f"{smallest:.1f}"))
    print_table(("artifact", "fault", "found", "smallest error / bound"), rows)
    hidden = [fault for fault in faults if not fault.found]
    for fault in hidden:
        typer.echo(f"not found: {fault.file}: {fault.kind}: {fault.name}")
    if not hidden:
        typer.echo("every fault was found")


def _result(file: str, kind: str, name: str, model: Callable[[], Model], advance: Callable[[], None]) -> Fault:
    check: SelfCheck = self_check(model())
    states = None if check.state_error is None else check.state_error / (check.state_tolerance or 1)
    advance()
    return Fault(file, kind, name, check.error / check.tolerance, states, not check.ok)


def _stream_faults(model: Model, seeds: int) -> Iterator[tuple[str, str, Callable[[], Model]]]:
    """Yield (kind, name, function that returns the faulty model) of faults outside the graph."""
    pictures: dict[str, Change] = {
        "channels in the order BGR": lambda frame: frame[..., ::-1],
        "mirrored": lambda frame: frame[:, :, ::-1],
        "upside down": lambda frame: frame[:, ::-1],
    }
    for name, change in pictures.items():
        yield name, "", lambda change=change: _changed(model, frame=change)  # type: ignore[misc]
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):

        def move(frame: Array, shift: tuple[int, int] = (down, right)) -> Array:
            return np.roll(frame, shift, (1, 2))

        yield "moved by one pixel", f"{down},{right}", lambda move=move: _changed(model, frame=move)  # type: ignore[misc]
    start = model.stream().state
    names = list(start)
    yield "all states lost", "", lambda: _changed(model, states=lambda _: start)
    for name in names:
        yield (
            "one state lost",
            name,
            lambda name=name: _changed(  # type: ignore[misc]
                model, states=lambda states: {**states, name: start[name]}
            ),
        )
    for a, b in combinations(names, 2):
        if start[a].shape == start[b].shape:
            yield (
                "two states of one shape swapped",
                f"{a}, {b}",
                lambda a=a, b=b: _changed(  # type: ignore[misc]
                    model, states=lambda states: {**states, a: states[b], b: states[a]}
                ),
            )
    for seed in range(1000, 1000 + seeds):
        yield "frames of another seed", str(seed), lambda seed=seed: _reseeded(model, seed)  # type: ignore[misc]


def _weight_faults(artifact: Artifact) -> Iterator[tuple[str, str, Callable[[], Model]]]:
    """Yield a fault for each convolution and matrix of a .tflite artifact; nothing for other formats."""
    if artifact.path.suffix != ".tflite":
        return
    from edgeshift.runtimes.tflite import open_artifact

    for name, start, values in _weights(artifact.body):
        graph = bytearray(artifact.body)
        changed = np.frombuffer(graph, values.dtype, len(values), start)
        changed *= values.dtype.type(FACTOR)
        faulty = Artifact(artifact.path, artifact.spec, bytes(graph))
        kind = f"one convolution's weights times {FACTOR}"
        yield kind, name, lambda faulty=faulty: open_artifact(faulty)  # type: ignore[misc]


def _weights(graph: bytes) -> Iterator[tuple[str, int, Array]]:
    """Yield (name, position, values) of what scales the weights of each convolution: the scales, or float weights."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise missing("ai-edge-litert", "tflite", "changing the weights of a .tflite file") from error
    model = schema.Model.GetRootAs(graph, 0)
    subgraph = model.Subgraphs(0)
    operators = [subgraph.Operators(index) for index in range(subgraph.OperatorsLength())]
    for index, operator in enumerate(operators):
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() not in WITH_WEIGHTS:
            continue
        tensor = subgraph.Tensors(operator.Inputs(1))
        if not _content(model.Buffers(tensor.Buffer()))[1]:  # fp16 weights pass a DEQUANTIZE operator first
            source = next(o for o in operators if operator.Inputs(1) in o.OutputsAsNumpy())
            tensor = subgraph.Tensors(source.Inputs(0))
        name = f"operator {index}, weights {'x'.join(map(str, tensor.ShapeAsNumpy()))}"
        if tensor.Type() in (FLOAT32, FLOAT16):
            dtype = np.dtype(np.float32 if tensor.Type() == FLOAT32 else np.float16)
            start, size = _content(model.Buffers(tensor.Buffer()))
            yield name, start, np.frombuffer(graph, dtype, size // dtype.itemsize, start)
        else:
            scales = tensor.Quantization()
            start = scales._tab.Vector(scales._tab.Offset(8))
            yield name, start, np.frombuffer(graph, np.float32, scales.ScaleLength(), start)


def _content(buffer: Any) -> tuple[int, int]:
    """Return where the content of a buffer begins in the file, and its size in bytes. Large ones are at the end."""
    if buffer.DataLength():
        return buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength()
    return buffer.Offset(), buffer.Size()


class _FaultyExecutor:
    """Changes the frame before a step, or the states after it."""

    def __init__(self, executor: Executor, frame: Change | None, states: Callable[[States], States] | None) -> None:
        self._executor, self._frame, self._states = executor, frame, states

    def run(self, frame: Array) -> Array:
        logits = self._executor.run(np.ascontiguousarray(self._frame(frame)) if self._frame else frame).copy()
        if self._states:
            self._executor.set_states(self._states(self._executor.states()))
        return logits

    def states(self) -> States:
        return self._executor.states()

    def set_states(self, states: States) -> None:
        self._executor.set_states(states)


def _changed(model: Model, frame: Change | None = None, states: Callable[[States], States] | None = None) -> Model:
    executor = model._executor
    return Model(model.spec, "faulty", lambda: _FaultyExecutor(executor(), frame, states), model.processor)


def _reseeded(model: Model, seed: int) -> Model:
    """Return the model with another seed in its self-check, whose expected values are kept."""
    assert model.spec.check is not None
    check = msgspec.structs.replace(model.spec.check, seed=seed)
    return Model(msgspec.structs.replace(model.spec, check=check), "faulty", model._executor, model.processor)


if __name__ == "__main__":
    sys.exit(main())
