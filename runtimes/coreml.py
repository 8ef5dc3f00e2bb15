"""Core ML: Apple's runtime on macOS, and edgeshift's reference executor (``mil``) everywhere else.

Written to the documented API of coremltools 9 (``MLModel.predict``, ``make_state``, ``MLState.read_state`` and
``write_state``). Not verified here: the development machine is not a Mac, and the tests replace that API by a double.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.spec import NEXT, StreamSpec
from edgeshift.errors import EdgeshiftError, missing, one_line, unknown
from edgeshift.runtimes.mil import executor
from edgeshift.runtimes.mil.package import coremltools, require_description
from edgeshift.runtimes.native import native_call, require_threads
from edgeshift.stream import Array, Model
from edgeshift.stream.placement import Placement
from edgeshift.targets import Processor

#: {value of the option ``units``: member of coremltools.ComputeUnit}.
UNITS = {"all": "ALL", "cpu": "CPU_ONLY", "cpu+gpu": "CPU_AND_GPU", "cpu+ane": "CPU_AND_NE"}
#: {value of the option ``units``: the least exact kind of processor that Core ML may choose}.
PROCESSORS: dict[str, Processor] = {"all": "npu", "cpu": "cpu", "cpu+gpu": "gpu", "cpu+ane": "npu"}


def open_artifact(artifact: Artifact, *, threads: int = 1, units: str = "all") -> Model:
    """Open a .mlpackage artifact from memory. Its file need not exist yet.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target coreml``.
        threads: ignored, because Core ML chooses its threads. All runtimes have this option.
        units: the compute units that Core ML may use, a name in ``UNITS``.

    Raises:
        ArtifactError: Core ML cannot load the program, or the program does not match the artifact's description.
        EdgeshiftError: ``units`` is unknown, or ``threads`` is out of range.
        RuntimeMissingError: coremltools is not installed.
    """
    if units not in UNITS:
        raise EdgeshiftError(unknown("compute units", units, UNITS))
    if sys.platform != "darwin":
        return executor.open_artifact(artifact, threads=threads)
    require_threads(threads)
    tools = coremltools(f"running {artifact.path}")
    home = Path(tempfile.mkdtemp())
    folder = home / f"model{mlpackage_file.SUFFIX}"
    try:
        mlpackage_file.write(folder, artifact.body)
        with native_call(artifact.path, "Core ML cannot load its program"):
            model = tools.models.MLModel(str(folder), compute_units=getattr(tools.ComputeUnit, UNITS[units]))
            require_description(artifact, model.get_spec().description)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    # The folder must exist as long as the model, because coremltools may compile it again.
    weakref.finalize(model, shutil.rmtree, home, ignore_errors=True)
    runtime = f"Core ML through coremltools {tools.__version__} ({units})"
    return Model(
        artifact.spec,
        runtime,
        lambda: _PredictExecutor(model, artifact.spec, artifact.path),
        PROCESSORS[units],
        placement=None if units == "cpu" else Placement(accelerator="not known"),
    )


class _PredictExecutor:
    """One stream over a shared ``MLModel``. States are inputs and outputs of each call, or are kept by Core ML."""

    def __init__(self, model: Any, spec: StreamSpec, path: Path) -> None:
        self._model, self._spec, self._path = model, spec, path
        self._states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}
        self._native_state = model.make_state() if spec.state_form == "native" else None

    def run(self, frame: Array) -> Array:
        is_picture = self._spec.mode == "stream"
        inputs: dict[str, Any] = {self._spec.input.name: self._picture(frame[0]) if is_picture else frame}
        try:
            if self._native_state is not None:
                outputs = self._model.predict(inputs, self._native_state)
            else:
                outputs = self._model.predict({**inputs, **self._states})
        except Exception as error:
            raise EdgeshiftError(f"{self._path}: Core ML cannot run it: {one_line(error)}") from error
        if self._native_state is None:
            for state in self._spec.states:
                self._states[state.name] = np.asarray(outputs[NEXT + state.name]).astype(state.dtype, copy=False)
        return np.asarray(outputs[self._spec.output.name]).reshape(self._spec.output.shape)

    def states(self) -> dict[str, Array]:
        if self._native_state is None:
            return {name: array.copy() for name, array in self._states.items()}
        return {
            state.name: np.asarray(self._native_state.read_state(state.name)).astype(state.dtype).reshape(state.shape)
            for state in self._spec.states
        }

    def set_states(self, states: dict[str, Array]) -> None:
        if self._native_state is None:
            self._states = {name: array.copy() for name, array in states.items()}
            return
        for name, array in states.items():
            self._native_state.write_state(name, np.ascontiguousarray(array))

    def _picture(self, pixels: Array) -> Any:
        """Return the frame as an RGB picture for coremltools. Core ML converts it to the channel order of the model."""
        try:
            from PIL import Image
        except ImportError as error:
            raise missing("pillow", "coreml", f"running {self._path}") from error
        rgb = pixels if self._spec.frame.order == "rgb" else pixels[..., ::-1]
        return Image.fromarray(np.ascontiguousarray(rgb))
