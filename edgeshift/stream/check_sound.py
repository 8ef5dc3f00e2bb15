"""The sound of the self-check: bursts of noise and square waves, made with integers so that it is the same anywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError
from edgeshift.sound.analysis import Samples, analysis
from edgeshift.sound.picture import picture_of
from edgeshift.sound.settings import SoundSettings
from edgeshift.stream.listening import Listening
from edgeshift.stream.model import Model

#: Number of parts of the sound, which have other levels and pitches.
PARTS = 16


def check_sound(seed: int, settings: SoundSettings) -> Samples:
    """Return the test sound, float32 [N], at ``settings.rate``. It is as long as a picture needs."""
    random = np.random.RandomState(seed)
    count = analysis(settings, settings.rate).needed
    noise = random.randint(-32768, 32768, count)
    shifts = random.randint(2, 10, PARTS)  # a level of 2 to the power of -shift
    periods = random.randint(8, 128, PARTS)  # samples of the square wave
    at = np.arange(count)
    part = at * PARTS // count
    square = np.where(at // periods[part] % 2, 16384, -16384)
    samples = (square + noise // 4) >> shifts[part]
    return (samples / 32768).astype(np.float32)


def answer_to_check_sound(model: Model, seed: int) -> npt.NDArray[np.float32]:
    """Return the logits of a model with a sound segment for the test sound alone, [classes]."""
    stream, settings = model.stream(), model.spec.model.sound
    if settings is None or not isinstance(stream, Listening):
        raise EdgeshiftError("the network has no sound segment")
    picture = picture_of(check_sound(seed, settings), settings.rate, settings, model.spec.frame.width)
    return stream.answer_to(picture).logits
