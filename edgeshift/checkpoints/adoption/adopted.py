"""``adopt_network``: the steps from the user's network to a checkpoint."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import torch
from torch import Tensor, nn

from edgeshift._system.files import sha256
from edgeshift._system.threads import one_thread
from edgeshift.artifact.description import (
    ModelDescription,
    WeightsSpec,
    check_labels,
    describe_network,
    numbered_labels,
)
from edgeshift.checkpoints.adoption import AdoptOptions
from edgeshift.checkpoints.adoption.adapter import AdoptedBackbone, CurrentShift
from edgeshift.checkpoints.adoption.failure import users_code
from edgeshift.checkpoints.adoption.memory import WARM_UP, MemoryBackbone, MemoryNetwork, find_memories
from edgeshift.checkpoints.adoption.memory_proof import growing_states, require_same_stream
from edgeshift.checkpoints.adoption.places import Found, find_named, find_wrappers, require_no_mixing
from edgeshift.checkpoints.adoption.proof import mark_changed_in_place, moving_clip, require_equal
from edgeshift.checkpoints.adoption.survey import Survey, examine
from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.errors import ModelError, unknown
from edgeshift.models.config import ADOPTED, DIVIDED, IMAGENET_MEAN, IMAGENET_STD, SMALLEST_SIZE, ModelConfig, Rgb
from edgeshift.models.network import Normalise, ShiftNetwork
from edgeshift.models.shift_layers import shift_clip
from edgeshift.shift import TABLES, ShiftTable
from edgeshift.video.fit import FrameSpec


class NoShiftError(ModelError):
    """The network does not shift, and no place was named."""


#: The layout of a checkpoint that is a network of the user's own code.
LAYOUT = "own network"
DEFAULT_SIZE = 224


def adopt_network(net: object, options: AdoptOptions) -> Checkpoint:
    """See ``edgeshift.adopt``."""
    with one_thread():  # many short runs, which gain little from more threads
        return _adopt(net, options)


def _adopt(net: object, options: AdoptOptions) -> Checkpoint:
    own, notes = _copy(net)
    size = options.get("size") or DEFAULT_SIZE
    if size < SMALLEST_SIZE:
        raise ModelError(f"frames of {size}x{size} are too small; the smallest size is {SMALLEST_SIZE}")
    if options.get("state") == "attributes":
        return _adopt_attributes(own, size, notes, options)
    current = CurrentShift()
    adopted = copy.deepcopy(own)
    survey = examine(adopted, size)
    found = _find(adopted, survey, size, current, options)
    for one in found:
        _replace(adopted, one)
    tables = {one.place.name: one.table for one in found}
    config = _config(own, size, survey.classes, tables, options)
    network = ShiftNetwork(config, AdoptedBackbone(adopted, current), tables).eval()
    assert isinstance(network.backbone, AdoptedBackbone)
    with users_code("the network fails on a single frame, and a stream gives it one frame at a time"):
        mark_changed_in_place(network.backbone, size)
    with users_code("the network fails"), _shifted(own, found, named=options.get("place") is not None):
        require_equal(own, network, survey.frames)
    if options.get("stream_bidirectional"):
        network, unused = _streamed(network)
    else:
        unused = {}
    return Checkpoint(network, _describe(own, config, survey.clip_frames, options), LAYOUT, notes, unused=unused)


def _copy(net: object) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a copy of the network in float32 and in evaluation mode, and notes about it."""
    if not isinstance(net, nn.Module):
        raise ModelError(f"a torch.nn.Module can be adopted, not a {type(net).__name__}")
    try:
        own = copy.deepcopy(net).to("cpu", torch.float32)
    except Exception as error:
        raise ModelError(f"the network cannot be copied: {type(error).__name__}: {error}") from error
    training = own.training
    own.eval()
    for parameter in own.parameters():
        parameter.requires_grad_(False)
    return own, ("the network was in training mode, and is taken in evaluation mode",) if training else ()


def _adopt_attributes(own: nn.Module, size: int, notes: tuple[str, ...], options: AdoptOptions) -> Checkpoint:
    """Adopt a network that keeps its state in attributes."""
    if options.get("place") is not None:
        raise ModelError('place is for networks that shift, not for state="attributes": leave one of the two out')
    mean, std = _normalisation(options.get("mean"), options.get("std"))
    frames = Normalise(mean, std)(moving_clip(WARM_UP + 2, size, seed=0))
    with users_code(f"the network fails on single frames {[1, *frames.shape[1:]]}, one after the other"):
        net, memories = find_memories(own, frames)
        with torch.no_grad():
            logits = copy.deepcopy(own)(frames[:1])
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != 1:
        what = list(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ModelError(f"the network returns {what} for one frame, not logits [1, classes]")
    config = _config(own, size, logits.shape[1], {}, options)
    network = MemoryNetwork(config, MemoryBackbone(net, memories)).eval()
    with users_code("the network fails"):
        require_same_stream(own, network, options.get("clip"))
        network.growing = growing_states(network)
    return Checkpoint(network, _describe(own, config, None, options), LAYOUT, notes)


def _find(adopted: nn.Module, survey: Survey, size: int, current: CurrentShift, options: AdoptOptions) -> list[Found]:
    """Return the modules of ``adopted``, a copy of the user's network, that are to be replaced by places."""
    wrappers = find_wrappers(survey, current)
    pattern = options.get("place")
    if wrappers and pattern is not None:
        raise ModelError(
            f"the network shifts already, in {wrappers[0].path}: leave place out, or take the shifts out of the network"
        )
    if not wrappers:
        require_no_mixing(adopted, survey, size)
    if pattern is not None:
        return find_named(survey, current, pattern, _table_of(options))
    if not wrappers:
        raise NoShiftError(
            "no module of the network mixes frames, so there is no shift: name the modules whose input is shifted with "
            'place, such as place="blocks.*.conv1"'
        )
    return wrappers


def _table_of(options: AdoptOptions) -> Callable[[int], ShiftTable]:
    table, div, depth = options.get("table") or "tsm", options.get("shift_div"), options.get("depth")
    if callable(table):
        return table
    if table not in TABLES or table == "tsn":
        raise ModelError(unknown("shift table", table, [name for name in TABLES if name != "tsn"]))
    if div is not None and table not in DIVIDED:
        raise ModelError(f"the shift table {table} has no divisor; leave shift_div out")
    if table == "tsam" and depth is None:
        raise ModelError(
            "the shift table tsam has several depths K: give depth, the number of past frames that it reads"
        )
    if table != "tsam" and depth is not None:
        raise ModelError(f"the shift table {table} has no depth; leave depth out")
    more = {name: value for name, value in (("div", div), ("depth", depth)) if value is not None}
    return lambda channels: TABLES[table](channels, bidirectional=bool(options.get("bidirectional")), **more)


def _replace(net: nn.Module, found: Found) -> None:
    parent, _, name = found.path.rpartition(".")
    net.get_submodule(parent)._modules[name] = found.place


def _config(own: nn.Module, size: int, found: int, tables: dict[str, ShiftTable], options: AdoptOptions) -> ModelConfig:
    labels, classes = options.get("labels"), options.get("classes")
    if classes is not None and classes != found:
        raise ModelError(f"the network returns {found} logits, not {classes}")
    if labels is not None:
        try:
            check_labels(labels, found)
        except ValueError as error:
            raise ModelError(f"the labels do not fit the network: {error}; give one name per output") from error
    if found < 2:
        raise ModelError("the network returns one logit; edgeshift needs two or more classes")
    mean, std = _normalisation(options.get("mean"), options.get("std"))
    return ModelConfig(
        ADOPTED,
        _name(options.get("name") or type(own).__name__),
        found,
        size=size,
        bidirectional=any(table.future for table in tables.values()),
        mean=mean,
        std=std,
    )


def _name(name: str) -> str:
    """Return a name of letters, digits and _: "MyNet-V2" becomes "my_net_v2"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:48] or "network"


def _normalisation(mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Rgb, Rgb]:
    """Return mean and std for pixels from 0 to 255."""
    if mean is None and std is None:
        return IMAGENET_MEAN, IMAGENET_STD
    if mean is None or std is None:
        raise ModelError("give mean and std together: their values must be in the same unit")
    if len(mean) != 3 or len(std) != 3:
        raise ModelError(f"mean has {len(mean)} values and std {len(std)}; give one value per colour, three each")
    unit = 1.0 if max(*mean, *std) > 1 else 255.0
    (a, b, c), (d, e, f) = ([float(value) * unit for value in values] for values in (mean, std))
    return (a, b, c), (d, e, f)


def _streamed(network: ShiftNetwork) -> tuple[ShiftNetwork, dict[str, str]]:
    """Return the network with the fill in place of later frames, and options that changed nothing."""
    if not network.config.bidirectional:
        return network, {"stream_bidirectional": "the network is past-only"}
    config = msgspec.structs.replace(network.config, streamed_bidirectional=True)
    tables = {place: table.past_only() for place, table in network.tables.items()}
    return ShiftNetwork(config, network.backbone, tables).eval(), {}


@contextmanager
def _shifted(own: nn.Module, found: Sequence[Found], *, named: bool) -> Iterator[None]:
    """In the ``with`` block, shift the input of the named modules of the user's network.

    If ``named`` is False, the network has its own shifts, and nothing is changed.
    """

    def hook(table: ShiftTable) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        return lambda _module, inputs: (shift_clip(inputs[0][None], table)[0],)

    handles = [own.get_submodule(one.path).register_forward_pre_hook(hook(one.table)) for one in found if named]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _describe(own: nn.Module, config: ModelConfig, frames: int | None, options: AdoptOptions) -> ModelDescription:
    labels = options.get("labels")
    return describe_network(
        config,
        labels=numbered_labels(config.classes) if labels is None else tuple(labels),
        frame=FrameSpec(
            config.size, config.size, fit=options.get("fit") or "crop", order=options.get("order") or "rgb"
        ),
        weights=options.get("weights") or WeightsSpec(source=f"own network {type(own).__name__}", sha256=digest(own)),
        frame_spacing=options.get("frame_spacing"),
        clip_frames=frames,
    )


def digest(net: nn.Module) -> str:
    """Return a hash of the names and values of all weights."""
    tensors = ((name, tensor.detach().cpu().reshape(-1)) for name, tensor in net.state_dict().items())
    return sha256(b"".join(name.encode() + tensor.view(torch.uint8).numpy().tobytes() for name, tensor in tensors))
