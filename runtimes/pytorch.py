"""PyTorch as a runtime: the reference that every artifact is compared with. torch is imported when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.runtimes.native import import_runtime, require_threads
from edgeshift.stream import Array, Model

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.models.network import Step
    from edgeshift.targets import Precision, Target


def open_checkpoint(path: Path, *, threads: int = 1, stream_bidirectional: bool = False) -> Model:
    """Load an edgeshift checkpoint and run its step eagerly.

    Args:
        path: a .safetensors file.
        threads: number of torch's threads, for the whole process.
        stream_bidirectional: see ``edgeshift.checkpoints.load_for_streaming``.

    Raises:
        CheckpointError: the file is damaged or incomplete.
        ShiftError: a shift table needs future frames.
        RuntimeMissingError: torch is not installed.
    """
    torch = import_runtime("torch", "pytorch", path)
    from edgeshift.checkpoints import load_for_streaming

    require_threads(threads)
    torch.set_num_threads(threads)
    return reference(load_for_streaming(path, stream_bidirectional=stream_bidirectional))


def reference(source: Checkpoint, step: Step | None = None, *, remark: str = "") -> Model:
    """Return the original network, exactly as it was trained, as a model with the interface of all runtimes.

    Args:
        source: the checkpoint of the network.
        step: a step function to run instead of the network's own.
        remark: how that step differs, added to the name of the runtime.
    """
    import torch

    step = step or source.network.step()
    title = f"PyTorch {torch.__version__} (eager){remark}"
    return Model(source.describe("pytorch", step=step), title, lambda: _TorchExecutor(step))


def references(
    source: Checkpoint, precision: Precision, target: Target | None, step: Step | None = None
) -> tuple[Model, Model | None]:
    """Return the network that an artifact of a precision must equal, and the original if that is another one.

    An fp16 artifact must equal the original with weights rounded to fp16, so that it is not refused for a rounding that
    every fp16 file has.

    Args:
        source: the checkpoint of the network.
        precision: precision of the artifact.
        target: target of the artifact; None: not known.
        step: the deployed step function; None: it is made here if it is needed.
    """
    original = reference(source)
    if precision != "fp16":
        return original, None
    from edgeshift.models.deploy import deploy, round_weights

    biases = target is not None and target.half_arithmetic
    rounded = round_weights(step or deploy(source.network), biases=biases)
    return reference(source, rounded, remark=", weights rounded to fp16"), original


class _TorchExecutor:
    """One stream over a step that is called eagerly. Its states are channels last, as in every runtime."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._states = dict(zip(step.state_names, step.start(), strict=True))

    def run(self, frame: Array) -> Array:
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(frame).permute(0, 3, 1, 2)
            logits, *states = self._step(pixels, *self._states.values())
        self._states = dict(zip(self._states, states, strict=True))
        array: Array = logits.numpy()
        return array

    def states(self) -> dict[str, Array]:
        return {
            name: np.ascontiguousarray(state.permute(0, 2, 3, 1).numpy() if state.ndim == 4 else state.numpy()).copy()
            for name, state in self._states.items()
        }

    def set_states(self, states: dict[str, Array]) -> None:
        import torch

        for name, array in states.items():
            state = torch.from_numpy(array.copy())
            self._states[name] = state.permute(0, 3, 1, 2).contiguous() if state.ndim == 4 else state
