"""PyTorch as a runtime: the reference that every artifact is compared with. Needs torch when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.errors import EdgeshiftError
from edgeshift.stream import Array, Model
from edgeshift.targets import missing_runtime

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.models.network import Step


def load(path: Path, *, threads: int = 1, stream_bidirectional: bool = False) -> Model:
    """Load an edgeshift checkpoint and run its step eagerly.

    Args:
        path: a .safetensors file.
        threads: of torch, for the whole process.
        stream_bidirectional: see ``edgeshift.checkpoints``.

    Raises:
        CheckpointError: damaged or incomplete.
        ShiftError: it needs the future.
        RuntimeMissingError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_runtime("pytorch", f"running {path}") from error
    from edgeshift.checkpoints import load_for_streaming

    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    torch.set_num_threads(threads)
    return reference(load_for_streaming(path, stream_bidirectional=stream_bidirectional))


def reference(source: Checkpoint, step: Step | None = None) -> Model:
    """The network itself, exactly as it was trained, with the face of every other runtime.

    Args:
        source: what is converted.
        step: run this step instead of the source's own.
    """
    import torch

    from edgeshift.models.network import Step

    step = step or Step(source.network)
    return Model(
        source.describe("pytorch", step=step), f"PyTorch {torch.__version__} (eager)", lambda: TorchExecutor(step)
    )


class TorchExecutor:
    """One stream over a step that is called eagerly."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._states = dict(zip(step.state_names, step.start(), strict=True))

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(frame).permute(0, 3, 1, 2)
            logits, *states = self._step(pixels, *self._states.values())
        self._states = dict(zip(self._states, states, strict=True))
        array: Array = logits.numpy()
        return array

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``: channels last, as every runtime gives them."""
        return {
            name: np.ascontiguousarray(state.permute(0, 2, 3, 1).numpy() if state.ndim == 4 else state.numpy()).copy()
            for name, state in self._states.items()
        }

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        import torch

        for name, array in states.items():
            state = torch.from_numpy(array.copy())
            self._states[name] = state.permute(0, 3, 1, 2).contiguous() if state.ndim == 4 else state
