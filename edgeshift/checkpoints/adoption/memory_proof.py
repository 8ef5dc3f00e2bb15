"""Compare the stream of a network with state in attributes with the network's own calls, and with whole clips."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgeshift.checkpoints.adoption.memory import MemoryNetwork, values
from edgeshift.checkpoints.adoption.places import TOLERANCE, logit_error, relative
from edgeshift.checkpoints.adoption.proof import moving_clip
from edgeshift.errors import ModelError

#: Frames of the comparison.
FRAMES = 40
#: A state grows if it reaches more than this factor times its largest absolute value in the first ``FRAMES`` frames.
GROWTH = 1.5


def require_same_stream(own: nn.Module, network: MemoryNetwork, clip: Callable[[Tensor], Tensor] | None) -> None:
    """Compare the step function with the network's own calls over ``FRAMES`` frames, and with its form for clips.

    Args:
        own: the user's network, which has not been called yet. It is not changed.
        network: the adopted network.
        clip: a function of a whole normalised clip, [T, 3, H, W] -> [T, classes], or [1, classes] for the last frame;
            None: there is none.

    Raises:
        ModelError: the results differ, or ``clip`` uses later frames for the logits of earlier ones.
    """
    own = copy.deepcopy(own)
    frames = network.normalise(moving_clip(FRAMES, network.config.size, seed=3))
    step, rows, expected = network.step(), [], []
    states = step.start()
    with torch.no_grad():
        for number, frame in enumerate(frames):
            row, following = network.backbone.run(frame[None], list(states))  # type: ignore[operator]
            states = tuple(following)
            rows.append(row)
            expected.append(own(frame[None]))
            if number < 2 and not relative(row, expected[-1]) <= TOLERANCE:
                raise _difference(own, network, states, number, relative(row, expected[-1]))
        stream = torch.cat(rows)
        error = logit_error(stream, torch.cat(expected))
        if not error <= TOLERANCE:
            raise _difference(own, network, states, FRAMES - 1, error)
        if clip is not None:
            _require_same_clip(clip, frames, stream)


def _difference(
    own: nn.Module, network: MemoryNetwork, states: tuple[Tensor, ...], frame: int, error: float
) -> ModelError:
    kept = dict(values(own))
    where = "its logits"
    for memory, state in zip(network.backbone.memories, states, strict=True):  # type: ignore[arg-type]
        value = kept.get(memory.address)
        if value is None or not relative(state.reshape(-1), torch.as_tensor(value).float().reshape(-1)) <= TOLERANCE:
            where = f"the state {memory.address}"
            break
    return ModelError(
        f"the stream differs from the network's own calls by {error:.2g} of the variation of the logits at frame "
        f"{frame + 1}, in {where}. A stream starts with the values before the first call, or with zeros, and carries "
        "every tensor and number that changes. Keep state in tensors and not in other objects, and let the first call "
        "compute the same as all others, with tensors that start with zeros"
    )


def _require_same_clip(clip: Callable[[Tensor], Tensor], frames: Tensor, stream: Tensor) -> None:
    logits = clip(frames)
    if logits.shape == stream.shape:
        error = logit_error(stream, logits)
        half = len(frames) // 2
        changed = frames.clone()
        changed[half:] = changed[half:].flip(0) + 1
        ahead = logit_error(clip(changed)[:half], logits[:half])
        if not ahead <= TOLERANCE:
            raise ModelError(
                f"the form for clips looks ahead: later frames change the logits of earlier ones by {ahead:.2g} of "
                "their variation, which a stream cannot do. Use causal layers, which pad only the past"
            )
    elif logits.shape == (1, stream.shape[1]):
        half = len(frames) // 2
        actual, expected = stream[[half - 1, -1]], torch.cat((clip(frames[:half]), logits))
        error = logit_error(torch.cat((stream, actual)), torch.cat((stream, expected)))
    else:
        raise ModelError(
            f"clip returns {list(logits.shape)} for {len(frames)} frames; it must return the logits of each frame "
            f"{list(stream.shape)}, or of the last one {[1, stream.shape[1]]}"
        )
    if not error <= TOLERANCE:
        raise ModelError(
            f"the stream differs from clip by {error:.2g} of the variation of the logits over {len(frames)} frames: "
            "frame by frame, the network does not compute the same as for a whole clip"
        )


def growing_states(network: MemoryNetwork) -> tuple[str, ...]:
    """Return the names of the states whose values grow with the number of frames, such as sums and counters."""
    step = network.step()
    states = step.start()
    largest: list[list[float]] = []
    clip = moving_clip(FRAMES, network.config.size, seed=4)
    with torch.no_grad():
        for frame in torch.cat((clip, clip.flip(0), clip)):
            _, *rest = step(frame[None], *states)
            states = tuple(rest)
            largest.append([float(state.abs().max()) for state in states])
    early, late = (torch.tensor(part).amax(0) for part in (largest[:FRAMES], largest[FRAMES:]))
    return tuple(name for name, a, b in zip(step.state_names, early, late, strict=True) if b > GROWTH * a > 0)
