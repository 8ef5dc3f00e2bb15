"""PyTorch as a runtime: the reference that every artifact is compared with. torch is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.runtimes.native import import_runtime, require_threads
from edgeshift.stream import Array, Model

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshift.checkpoints import Checkpoint
    from edgeshift.models.network import Exportable
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


def reference(source: Checkpoint, step: Exportable | None = None, *, frames: int = 1, remark: str = "") -> Model:
    """Return the original network, exactly as it was trained, as a model with the interface of all runtimes.

    Args:
        source: the checkpoint of the network.
        step: a step or clip function to run instead of the network itself.
        frames: number of frames of a clip; 1: the network runs frame by frame.
        remark: how that function differs, added to the name of the runtime.
    """
    import torch

    title = f"PyTorch {torch.__version__} (eager){remark}"
    if frames == 1:
        function = step or source.network.step()
        sound = source.config.sound
        separate = sound is not None and sound.norms == "separate"
        hearing = (lambda: _StatelessExecutor(lambda x: (source.network.hear(x),))) if separate else None
        spec = source.describe("pytorch", step=function)
        return Model(spec, title, lambda: _StepExecutor(function), hearing=hearing)
    from edgeshift.models.clip_step import ClipStep

    # The original is the network's own clip form, not the clip function that is converted: the two must agree.
    spec = source.describe("pytorch", step=step or ClipStep(source.network, frames))
    return Model(spec, title, lambda: _StatelessExecutor(step or _answers(source, frames)))


def references(
    source: Checkpoint, precision: Precision, target: Target | None, step: Exportable | None = None, *, frames: int = 1
) -> tuple[Model, Model | None]:
    """Return the network that an artifact of a precision must equal, and the original if that is another one.

    An fp16 artifact must equal the original with weights rounded to fp16, so that it is not refused for a rounding that
    every fp16 file has.

    Args:
        source: the checkpoint of the network.
        precision: precision of the artifact.
        target: target of the artifact; None: not known.
        step: the deployed step or clip function; None: it is made here if it is needed.
        frames: number of frames of a clip artifact; 1: the artifact is for streams.
    """
    original = reference(source, frames=frames)
    if precision != "fp16":
        return original, None
    from edgeshift.models.deploy import deploy, deploy_clip, round_weights

    if step is None:
        step = deploy(source.network) if frames == 1 else deploy_clip(source.network, frames)
    biases = target is not None and target.half_arithmetic
    rounded = round_weights(step, biases=biases)
    return reference(source, rounded, frames=frames, remark=", weights rounded to fp16"), original


def _answers(source: Checkpoint, frames: int) -> Callable[[Tensor], tuple[Tensor]]:
    """Return a function that maps a clip [T, 3, H, W] to the mean of the clip form's logits, [1, classes].

    If the network has a sound segment, the clip has the picture of a sound behind its frames, and the function also
    returns the logits of the sound, as a second row.
    """
    import torch

    def answers(clip: Tensor) -> tuple[Tensor]:
        video = source.network(clip[None, :frames]).mean(1)
        return (video if source.config.sound is None else torch.cat((video, source.network.hear(clip[frames:]))),)

    return answers


class _StatelessExecutor:
    """Runs a function of a whole clip, or of a sound, eagerly. Neither has states."""

    def __init__(self, function: Callable[[Tensor], tuple[Tensor]]) -> None:
        self._function = function

    def run(self, frame: Array) -> Array:
        import torch

        with torch.inference_mode():
            (logits,) = self._function(torch.from_numpy(frame).permute(0, 3, 1, 2))
        array: Array = logits.numpy()
        return array

    def states(self) -> dict[str, Array]:
        return {}

    def set_states(self, states: dict[str, Array]) -> None:
        """Do nothing."""


class _StepExecutor:
    """One stream over a step that is called eagerly. Its states are channels last, as in every runtime."""

    def __init__(self, step: Exportable) -> None:
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
