"""The fields of the recipe of a network with a sound segment: what the user gives, and defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edgeshift.errors import TrainingError
from edgeshift.gestures import SPACING, STROKES
from edgeshift.sound import SoundSettings
from edgeshift.sound.drawn import QUIET
from edgeshift.sound.settings import Norms

#: The network, and the past frames that it uses, if no model is given.
MODEL, DEPTH = "tsam_mobilenet_v2", 1
#: T, and sequences in a batch, in which each gesture is paired with each sound.
FRAMES, BATCH = 8, 16
#: Weight of the sound and its batch norms. ``edgeshift.benchmarks.studies.sound_norms`` compares them. Networks whose
#: sounds have their own batch norms cannot be converted yet.
WEIGHT: float = 8.0
NORMS: Norms = "shared"
#: Drawn sounds.
SOUNDS = ("clap", "whistle-up")
#: Largest number of mel bands. A picture with more rows is enlarged.
MAX_BANDS = 512
#: Shortest and longest sound of a picture, seconds.
SECONDS = (0.1, 60.0)


def sound_fields(
    fields: Mapping[str, Any],
    earlier: SoundSettings | None = None,
    *,
    weight: float | None = None,
    norms: Norms | None = None,
    gestures: tuple[str, ...] | None = None,
    sounds: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Return the fields of ``Recipe`` for a network with a sound segment.

    The answer is made from the newest ``frames`` frames, and the sound lasts as long as they do.

    Args:
        fields: fields that are given, or that an earlier run or the starting weights record.
        earlier: the sound segment of an earlier run or of the starting weights, which is kept except for what is given;
            None: there is none. If the number of frames changes, so do the seconds of sound.
        weight, norms: of the sound segment; None: as ``earlier``, or the defaults.
        gestures, sounds: names of drawn gestures and of drawn sounds; None: as in ``fields``, or the defaults.

    Raises:
        TrainingError: the frames are too short or too long for a picture of a sound.
    """
    result = {"batch": BATCH, "motion": 0.0, "gestures": tuple(STROKES), "sounds": SOUNDS, **fields}
    if "model" not in result:
        result |= {"model": MODEL, "depth": result.get("depth", DEPTH)}
    frames = result.setdefault("frames", earlier.frames if earlier else FRAMES)
    seconds = frames * result.get("spacing", SPACING)
    lasts = earlier is not None and earlier.frames == frames
    if not (lasts or SECONDS[0] <= seconds <= SECONDS[1]):
        raise TrainingError(
            f"{frames} frames last {seconds:g} s, and so does the sound beside them, which needs {SECONDS[0]:g} to "
            f"{SECONDS[1]:g} s: give other --frames or another --spacing"
        )
    if earlier is None:
        bands = min(result.get("size", 128), MAX_BANDS)
        earlier = SoundSettings(seconds=seconds, frames=frames, weight=WEIGHT, norms=NORMS, bands=bands)
    elif earlier.frames != frames:
        earlier = msgspec.structs.replace(earlier, frames=frames, seconds=seconds)
    changed = {"frames": frames, "weight": weight or earlier.weight, "norms": norms or earlier.norms}
    result["sound"] = msgspec.structs.replace(earlier, **changed)
    for name, value in (("gestures", gestures), ("sounds", sounds)):
        if value is not None:
            result[name] = tuple(each for each in value if each != QUIET)  # a quiet room is always one of the sounds
    return result
