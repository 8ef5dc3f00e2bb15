"""Check that a graph is one that a converter writes, and that its description agrees with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from edgeshift.artifact.file import Artifact
from edgeshift.artifact.seen import is_seen
from edgeshift.artifact.spec import PlaceSpec, TensorSpec
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.models.config import SEEN
from edgeshift.targets import TARGETS, Precision, target_of


class GraphFacts(NamedTuple):
    """What a graph is.

    Attributes:
        precision: precision of its weights.
        grids: {name of an int8 input or output: (scale, zero point)}, as far as the graph names them.
    """

    precision: Precision
    grids: Mapping[str, tuple[float, int]] = {}


def require_sound(artifact: Artifact, runtime: str, examine: Callable[[Artifact], GraphFacts]) -> None:
    """Check a graph that a runtime is about to read, unless it has run on this machine before.

    Args:
        artifact: the artifact.
        runtime: name of the runtime in ``edgeshift.targets.RUNTIMES``.
        examine: returns the facts of the artifact's graph; it raises ValueError if no converter writes such a graph.

    Raises:
        ArtifactError: the graph is not sound, or differs from its description.
    """
    if is_seen(artifact, runtime):
        return
    require_consistent(artifact)
    try:
        facts = examine(artifact)
    except ImportError:  # tflite-runtime has no schema of its format
        return
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.path}: its graph is damaged or hostile: {error}; convert the model again"
        ) from error
    spec = artifact.spec
    if facts.precision != spec.precision:
        raise _contradiction(artifact, f"precision {spec.precision}, and its weights are {facts.precision}")
    for tensor in (spec.input, spec.output, *spec.states):
        grid = facts.grids.get(tensor.name)
        described = (tensor.scale, tensor.zero_point)
        if tensor.dtype == "int8" and grid is not None and not _equal(grid, described):
            raise _contradiction(artifact, f"{tensor.name} has scale and zero point {described}, the graph has {grid}")


def require_consistent(artifact: Artifact) -> None:
    """Check that target, model, shift tables and states of a description agree with each other and with the file name.

    Raises:
        ArtifactError: they contradict each other.
    """
    spec = artifact.spec
    target, named = TARGETS.get(spec.target), target_of(artifact.path)
    if target is not None and named is not None and not target.suffix.endswith(artifact.path.suffix.lower()):
        raise _contradiction(artifact, f"target {spec.target}, and the file is for {named.name}")
    states = {state.name: state for state in spec.states}
    for place in spec.shifts:
        try:
            table = place.table() if spec.model.adopted else spec.model.shift_table(place.channels)
        except EdgeshiftError as error:
            raise _contradiction(artifact, f"{place.channels} channels in {place.place}: {error}") from error
        if place != PlaceSpec.of(place.place, table):
            raise _contradiction(artifact, f"model {spec.model.name}, and {place.place} has the table of another model")
        name = f"state_{place.place}"
        channels = _channels(states[name]) if name in states else 0
        if channels != table.state_channels:
            raise _contradiction(artifact, f"{name} with {channels} channels; the model needs {table.state_channels}")
    if spec.model.adopted and spec.shifts:
        _require_states_of_shifts(artifact)


def _require_states_of_shifts(artifact: Artifact) -> None:
    """Check that a network of a user's own code, whose tables only the description has, has no states but theirs."""
    spec = artifact.spec
    tables = [place.table() for place in spec.shifts]
    expected = {f"state_{table.name}" for table in tables if table.state_channels}
    if any(table.counts_frames for table in tables):
        expected.add(SEEN)
    if different := expected.symmetric_difference(state.name for state in spec.states):
        raise _contradiction(artifact, f"shift tables whose states differ from the graph's in {min(different)}")


def _channels(state: TensorSpec) -> int:
    return state.shape[1 if state.channels == "first" else -1]


def _equal(a: tuple[float, int], b: tuple[float, int]) -> bool:
    return a[1] == b[1] and abs(a[0] - b[0]) <= 1e-5 * abs(b[0])


def _contradiction(artifact: Artifact, what: str) -> ArtifactError:
    return ArtifactError(
        f"{artifact.path}: its description contradicts its graph: it says {what}; convert the model again"
    )
