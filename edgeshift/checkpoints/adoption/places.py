"""The modules at which the user's network shifts: found by running its modules, or named by a pattern."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from edgeshift.checkpoints.adoption.adapter import CurrentShift, ShiftedModule
from edgeshift.checkpoints.adoption.probe import NotAShiftError, find_table
from edgeshift.checkpoints.adoption.survey import Call, Survey
from edgeshift.errors import ModelError
from edgeshift.models.network import ShiftFunction
from edgeshift.models.shift_layers import shift_clip
from edgeshift.shift import ShiftTable

#: Largest accepted difference of a result, as a share of its range; for logits, of their variation over the clip.
TOLERANCE = 1e-4
#: The remedy for a shift that edgeshift cannot take out of the code around it.
INLINE = (
    "If a shift is written inline, make it a module of its own around the layer whose input it shifts; or take it out, "
    "and name the layer with place"
)


@dataclass(frozen=True)
class Found:
    """A module that becomes a place.

    Attributes:
        path: path of the module in the network.
        place: the module that replaces it.
        table: the shift of this place.
    """

    path: str
    place: ShiftedModule
    table: ShiftTable


def find_wrappers(survey: Survey, current: CurrentShift) -> list[Found]:
    """Return the modules that shift, in the order in which they run.

    A module mixes frames if a change of one frame changes its result for another frame. The innermost modules that mix
    frames must be wrappers: modules that shift the input or output of the modules inside, and do nothing else.

    Raises:
        ModelError: a module mixes frames in another way, or is called twice.
    """
    mixing: list[str] = []
    for path, call in sorted(survey.calls.items(), key=lambda item: -item[0].count(".")):
        contains = any(inner.startswith(f"{path}.") for inner in mixing)
        if not contains and _mixes_frames(call, survey.frames):
            mixing.append(path)
    mixing.sort(key=lambda path: survey.calls[path].order)
    return [_wrapper(path, survey, current) for path in mixing]


def find_named(
    survey: Survey,
    current: CurrentShift,
    pattern: str | Mapping[str, ShiftTable],
    table_of: Callable[[int], ShiftTable],
) -> list[Found]:
    """Return the modules whose paths match a pattern, in the order in which they run.

    Raises:
        ModelError: no module matches, or a module cannot be shifted.
    """
    found: list[Found] = []
    for path, call in sorted(survey.calls.items(), key=lambda item: item[1].order):
        table = pattern.get(path, pattern.get(place_name(path))) if isinstance(pattern, Mapping) else None
        if table is None and (isinstance(pattern, Mapping) or not _matches(path, pattern)):
            continue
        if call.shape is None or len(call.shape) != 4 or call.shape[0] != survey.frames:
            raise ModelError(
                f"{path} takes no features [N, C, H, W], so its input cannot be shifted: give a pattern without it"
            )
        _require_called_once(path, call)
        outer = next((other.path for other in found if f"{path}.".startswith(f"{other.path}.")), None)
        inner = next((other.path for other in found if f"{other.path}.".startswith(f"{path}.")), None)
        if outer or inner:
            raise ModelError(
                f"the pattern {_text(pattern)} matches both {path} and {outer or inner}, of which one contains "
                "the other: give a pattern that matches one of them"
            )
        table = table or table_of(call.shape[1])
        if table.channels != call.shape[1]:
            raise ModelError(f"{path} takes {call.shape[1]} channels, and its shift table has {table.channels}")
        found.append(Found(path, ShiftedModule(place_name(path), call.module, current), table))
    if not found:
        convolutions = [path for path, call in survey.calls.items() if isinstance(call.module, nn.Conv2d)]
        raise ModelError(
            f"no module of the network matches {_text(pattern)}, in which * stands for a part between two dots; its "
            f"convolutions are {', '.join(convolutions[:4])}{', ...' if len(convolutions) > 4 else ''}"
        )
    return found


def require_no_mixing(net: nn.Module, survey: Survey, size: int) -> None:
    """Check that the network's own forward mixes no frames either, after no module inside of it was found to.

    Raises:
        ModelError: the network's own forward mixes frames.
    """
    call = Call(net, (survey.frames, 3, size, size), (survey.frames, survey.classes))
    if _mixes_frames(call, survey.frames):
        raise ModelError(f"the forward of {type(net).__name__} mixes frames itself. {INLINE}")


def place_name(path: str) -> str:
    """Return the name of the place at a module: letters, digits and ``_``, as names of tensors and modules must have.

    A name that ``nn.ModuleDict`` has as an attribute gets the prefix ``at_``.
    """
    name = "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in path)
    return f"at_{name}" if hasattr(nn.ModuleDict(), name) else name


def _text(pattern: str | Mapping[str, ShiftTable]) -> str:
    return repr(pattern) if isinstance(pattern, str) else ", ".join(pattern)


def _matches(path: str, pattern: str) -> bool:
    names, patterns = path.split("."), pattern.split(".")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def _require_called_once(path: str, call: Call) -> None:
    if call.calls > 1:
        raise ModelError(
            f"{path} shifts and is called {call.calls} times for each frame, but a state belongs to one call: make "
            "a module of its own for each call (they may share their weights)"
        )


def _mixes_frames(call: Call, frames: int) -> bool:
    """Return True if a change of the first or last frame changes the module's result for another frame."""
    module = call.module
    leaf = type(module).__module__.startswith("torch.nn.modules")
    if call.shape is None or call.shape[0] != frames or call.result is None or call.result[0] != frames or leaf:
        return False
    x = _noise(call.shape)
    with torch.no_grad():
        try:
            y = module(x.clone())
            for frame in (0, frames - 1):
                changed = x.clone()
                changed[frame] += 1
                others = [other for other in range(frames) if other != frame]
                if not torch.allclose(module(changed)[others], y[others], rtol=1e-4, atol=1e-6):
                    return True
        except Exception:  # it needs further arguments; ``proof.require_equal`` detects a shift that is missed here
            return False
    return False


def _wrapper(path: str, survey: Survey, current: CurrentShift) -> Found:
    call = survey.calls[path]
    _require_called_once(path, call)
    assert call.shape is not None and call.result is not None
    reasons = []
    for after in (False, True):
        shape = call.result if after else call.shape
        if len(shape) != 4:
            reasons.append(f"it takes {list(call.shape)} and not features [N, C, H, W]")
            continue
        try:
            table = find_table(call.module, shape[1], (shape[2], shape[3]), survey.frames)
        except NotAShiftError as error:
            reasons.append(str(error))
            continue
        place = ShiftedModule(place_name(path), _inner(call.module), current, after=after)
        if _equals(call, place, table, current):
            return Found(path, place, table)
        reasons.append("it does more than a shift before or after its modules")
    raise ModelError(
        f"{path} ({type(call.module).__name__}) mixes frames, but not by a plain shift around the modules in it: "
        f"{reasons[0]}. {INLINE}"
    )


def _inner(wrapper: nn.Module) -> nn.Module:
    children = OrderedDict(wrapper.named_children())
    if not children:
        return nn.Identity()
    return next(iter(children.values())) if len(children) == 1 else nn.Sequential(children)


def _equals(call: Call, place: ShiftedModule, table: ShiftTable, current: CurrentShift) -> bool:
    assert call.shape is not None
    x = _noise(call.shape)
    current.shift = ShiftFunction(lambda _place, features: shift_clip(features[None], table)[0])
    try:
        with torch.no_grad():
            expected, actual = call.module(x.clone()), place(x.clone())
    except Exception:  # the inner modules cannot run in the order in which they are registered
        return False
    finally:
        current.shift = None
    return isinstance(actual, Tensor) and actual.shape == expected.shape and close(actual, expected)


def close(actual: Tensor, expected: Tensor) -> bool:
    """Return True if two tensors are equal up to ``TOLERANCE`` of the range of the second one."""
    return relative(actual, expected) <= TOLERANCE


def relative(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the range of the second tensor."""
    span = float(expected.max() - expected.min())
    return float((actual - expected).abs().max()) / max(span, 1e-6)


def logit_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference of logits [T, classes] as a share of how much a logit varies from frame to frame.

    If the logits hardly vary, a hundredth of their range over all classes is used instead, because rounding errors may
    be as large as the variation.
    """
    varies = float((expected.amax(0) - expected.amin(0)).max())
    span = max(varies, 0.01 * float(expected.max() - expected.min()), 1e-6)
    return float((actual - expected).abs().max()) / span


def _noise(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))
