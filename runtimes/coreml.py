"""Core ML: Apple's runtime on macOS, and edgeshift's reference executor (``mil``) everywhere else.

Written to the documented API of coremltools 9 (``MLModel.predict``, ``make_state``, ``MLState.read_state`` and
``write_state``). Not verified here: the development machine is not a Mac; its tests stop at that API.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.artifact.spec import NEXT, StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError, missing, one_line, unknown
from edgeshift.runtimes.mil import executor
from edgeshift.runtimes.mil.package import coremltools, require_description
from edgeshift.stream import Array, Model

#: {our name: a member of coremltools.ComputeUnit}.
UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "cpu+gpu": "CPU_AND_GPU", "cpu+ane": "CPU_AND_NE"}


def load(path: Path, *, threads: int = 1, units: str = "all") -> Model:
    """Load a .mlpackage that carries its description.

    Args:
        path: made by ``edgeshift convert --target coreml``.
        threads: taken so that all runtimes can be called alike; Core ML decides.
        units: where it may run, a name in ``UNITS``.

    Raises:
        ArtifactError: damaged, or a model that does not fit its description.
        RuntimeMissingError: coremltools is not installed.
    """
    return open_artifact(read_artifact(path), threads=threads, units=units)


def open_artifact(artifact: Artifact, *, threads: int = 1, units: str = "all") -> Model:
    """Like ``load``, for an artifact that was read (or is not written yet)."""
    if units not in UNITS:
        raise EdgeshiftError(unknown("compute units", units, UNITS))
    if sys.platform != "darwin":
        return executor.open_artifact(artifact, threads=threads)
    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    tools = coremltools(f"running {artifact.path}")
    home = Path(tempfile.mkdtemp())
    folder = home / f"model{mlpackage_file.SUFFIX}"
    try:
        mlpackage_file.write(folder, artifact.body)
        with quiet():
            model = tools.models.MLModel(str(folder), compute_units=getattr(tools.ComputeUnit, UNITS[units]))
            require_description(artifact, model.get_spec().description)
    except Exception as error:  # the framework's errors come through as bare ones
        shutil.rmtree(home, ignore_errors=True)
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{artifact.path}: Core ML cannot load its program: {one_line(error)}") from error
    return _Pinned(artifact, f"Core ML through coremltools {tools.__version__} ({units})", model, home)


class PredictExecutor:
    """One stream over a shared ``MLModel``: states as inputs and outputs, or in a state of Core ML's own."""

    def __init__(self, model: Any, spec: StreamSpec, path: Path) -> None:
        self._model, self._spec, self._path = model, spec, path
        self._states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}
        self._own = model.make_state() if spec.state_form == "native" else None

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        given: dict[str, Any] = {self._spec.input.name: self._picture(frame[0])}
        try:
            if self._own is not None:
                found = self._model.predict(given, self._own)
            else:
                found = self._model.predict({**given, **self._states})
        except Exception as error:
            raise EdgeshiftError(f"{self._path}: Core ML cannot run it: {one_line(error)}") from error
        if self._own is None:
            for state in self._spec.states:
                self._states[state.name] = np.asarray(found[NEXT + state.name]).astype(state.dtype, copy=False)
        return np.asarray(found[self._spec.output.name]).reshape(self._spec.output.shape)

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        if self._own is None:
            return {name: array.copy() for name, array in self._states.items()}
        return {
            state.name: np.asarray(self._own.read_state(state.name)).astype(state.dtype).reshape(state.shape)
            for state in self._spec.states
        }

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        if self._own is None:
            self._states = {name: array.copy() for name, array in states.items()}
            return
        for name, array in states.items():
            self._own.write_state(name, np.ascontiguousarray(array))

    def _picture(self, pixels: Array) -> Any:
        """The frame as an RGB picture, which coremltools takes; Core ML turns it into the model's own order."""
        try:
            from PIL import Image
        except ImportError as error:
            raise missing("pillow", "coreml", f"running {self._path}") from error
        rgb = pixels if self._spec.frame.order == "rgb" else pixels[..., ::-1]
        return Image.fromarray(np.ascontiguousarray(rgb))


class _Pinned(Model):
    """A model that keeps its folder, which coremltools may compile from again, until nobody uses it."""

    def __init__(self, artifact: Artifact, runtime: str, model: Any, home: Path) -> None:
        super().__init__(artifact.spec, runtime, lambda: PredictExecutor(model, artifact.spec, artifact.path))
        weakref.finalize(model, shutil.rmtree, home, ignore_errors=True)
