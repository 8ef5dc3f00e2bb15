"""The event rule of a network with a sound segment, tuned on drawn streams of gestures and sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.artifact.pair_label import pair_events
from edgeshift.events.tuning import best_rule, try_rules
from edgeshift.gestures.heard_stream import HeardStream, draw_heard_stream
from edgeshift.models.network import ShiftNetwork
from edgeshift.sound.picture import PictureStream
from edgeshift.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seed of the first stream. Neither training nor ``edgeshift.benchmarks.studies.sound_events`` uses these seeds.
FIRST_SEED = 700_000_000
#: Number of streams of one minute.
STREAMS = 16
#: Sounds that a stream also has, and that are no events.
OTHERS = ("knock", "voice", "music")


def tune_on_heard_streams(
    network: ShiftNetwork,
    recipe: Recipe,
    labels: Sequence[str],
    quiet: Sequence[float],
    count: int = STREAMS,
    advance: Callable[[], None] = lambda: None,
) -> RuleSpec:
    """Return the rule for which the smaller of precision and recall of events is largest.

    The answers are means over T frames and the newest seconds of sound already, so the rules that are tried have no
    memory. They wait up to as long as an answer can still contain the last event.

    Args:
        network: the trained network, in evaluation mode. One of its gestures is ``none``.
        recipe: its hyperparameters.
        labels: its labels.
        quiet: its logits of a quiet room.
        count: number of streams.
        advance: called after each stream.
    """
    assert recipe.sound is not None
    span = recipe.sound.frames * recipe.spacing
    recorded = []
    for index in range(count):
        stream = draw_heard_stream(
            FIRST_SEED + index,
            gestures=[name for name in recipe.gestures if name != NONE],
            sounds=recipe.sounds,
            others=[name for name in OTHERS if name not in recipe.sounds],
            span=span,
            spacing=recipe.spacing,
            size=recipe.size,
        )
        recorded.append((stream.video.times, fused_logits(network, stream, quiet), pair_events(stream.events)))
        advance()
    tried = try_rules(recorded, recipe.spacing, labels, memory=False, hold_offs=(span / 3, 2 * span / 3, span))
    return msgspec.structs.replace(
        best_rule(tried).rule, origin=f"tuned on {count} drawn streams of a minute with sounds"
    )


def fused_logits(network: ShiftNetwork, stream: HeardStream, quiet: Sequence[float]) -> npt.NDArray[np.float32]:
    """Return the answer at each frame of a stream, [frames, classes], as a stream of an artifact gives it.

    The sound is answered at every frame. Before there is enough of it, ``quiet`` takes the place of its logits.
    """
    settings = network.config.sound
    assert settings is not None, "the network has a sound segment"
    video, ear = stream.video, PictureStream(settings, stream.rate, network.config.size)
    with torch.inference_mode():
        frames = network(torch.from_numpy(video.frames).permute(0, 3, 1, 2)[None].float())[0].numpy()
        answers, given = [], 0
        for index, time in enumerate(video.times.tolist()):
            until = max(int(time * stream.rate), given)
            ear.feed(stream.samples[given:until])
            given = until
            picture = ear.picture()
            sound = np.array(quiet, np.float32)
            if picture is not None:
                sound = network.hear(torch.from_numpy(picture).permute(2, 0, 1)[None].float())[0].numpy()
            newest = frames[max(0, index + 1 - settings.frames) : index + 1]
            answers.append(settings.fuse(newest.sum(0), len(newest), sound))
    return np.stack(answers).astype(np.float32)
