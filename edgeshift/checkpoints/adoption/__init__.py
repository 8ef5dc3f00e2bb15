"""Networks of the user's own code. ``adopt`` makes a ``Checkpoint`` of such a network, which can then be converted.

    adopted     the steps of ``adopt``
    survey      runs the network once, and records which modules are called
    places      finds the modules that shift (``probe`` finds out how), or shifts the input of named modules
    proof       compares the result with the network's own forward
    memory      networks that keep their state in attributes (``adopt(..., state="attributes")``)
    user_code   runs the user's file and loads the weights, for ``edgeshift convert --network``

This package may import what ``edgeshift.checkpoints`` may import. Importing it needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.errors import missing

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Unpack

    from edgeshift.artifact.description import WeightsSpec
    from edgeshift.shift import ShiftTable

__all__ = ["AdoptOptions", "adopt"]


class AdoptOptions(TypedDict, total=False):
    """Options of ``edgeshift.adopt``.

    Attributes:
        size: height and width of the frames, pixels; 224 by default.
        classes: number of logits; None: found by running the network.
        labels: one label per output; None: the outputs are numbered.
        mean: mean of each channel of a frame, which is subtracted; ImageNet's by default. If a value of ``mean`` or
            ``std`` is above 1, both are for pixels from 0 to 255, as in mmaction2; otherwise for pixels from 0 to 1,
            as in torchvision.
        std: standard deviation of each channel, by which the difference is divided, in the same unit as ``mean``. Give
            both or neither.
        place: pattern for the paths of the modules whose input is shifted, such as ``"blocks.*.conv1"``. ``*`` stands
            for a part of a name between two dots. A dictionary {path of a module: its shift table} gives each module a
            table of its own. None: the network has modules that shift, which edgeshift finds.
        table: the shift at ``place``: a name of ``edgeshift.shift.TABLES``, or a function that returns the table for a
            number of channels; "tsm" by default.
        shift_div: divisor of TSM or TSAM at ``place``: 1/div of the channels is shifted each way; 8 by default.
        depth: TSAM's K at ``place``, the number of past frames that it reads. The table "tsam" needs it.
        bidirectional: whether the shift at ``place`` also reads the next frame; False by default.
        stream_bidirectional: whether to stream a network that reads later frames, with the fill of the shift in place
            of later frames; False by default.
        fit: how frames are fitted to ``size``; "crop" by default.
        order: order of the channels of a frame; "rgb" by default.
        frame_spacing: seconds between two frames of a training clip; None: not known.
        name: name of the network, for files and reports; None: the name of its class.
        weights: where the weights come from; None: the name of the network's class and a hash of its weights.
        state: "shifts": the network shifts features; the default. "attributes": the network takes one frame per call,
            and keeps what it needs of earlier frames in attributes of its modules.
        clip: for ``state="attributes"``: a function that maps a whole normalised clip [T, 3, H, W] to the logits of
            each frame [T, classes] or of the last frame [1, classes]. The stream is then compared with it.
    """

    size: int | None
    classes: int | None
    labels: Sequence[str] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    place: str | Mapping[str, ShiftTable] | None
    table: str | Callable[[int], ShiftTable] | None
    shift_div: int | None
    depth: int | None
    bidirectional: bool
    stream_bidirectional: bool
    fit: Literal["squash", "crop"] | None
    order: Literal["rgb", "bgr"] | None
    frame_spacing: float | None
    name: str | None
    weights: WeightsSpec | None
    state: Literal["shifts", "attributes"]
    clip: Callable[[Tensor], Tensor] | None


def adopt(net: Any, **options: Unpack[AdoptOptions]) -> Checkpoint:
    """Make a checkpoint of a network of your own code, which can then be converted.

    The network takes normalised frames [N, 3, H, W] and returns logits [N, classes]. It is copied and not changed. The
    logits of the adopted network are compared with those of the network's own forward over a clip::

        source = edgeshift.adopt(net, size=112, labels=["left", "right", "none"])
        edgeshift.converters.convert(source, "tflite", Path("net.tflite"), Options(precision="fp32"))

    Args:
        net: a ``torch.nn.Module``.
        options: see ``AdoptOptions``.

    Raises:
        ModelError: the network cannot be adopted. The message names the module and what to change.
        RuntimeMissingError: torch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise missing("torch", "convert", "adopting a network") from error
    from edgeshift.checkpoints.adoption.adopted import adopt_network

    return adopt_network(net, options)
