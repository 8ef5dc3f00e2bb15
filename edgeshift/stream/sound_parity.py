"""Parity of a network with a sound segment: its answers to sounds alone, and to frames and sound together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import ParitySpec, SoundParitySpec, StreamSpec
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn import QUIET, SOUNDS, draw_picture, draw_soundtrack, rate_for
from edgeshift.sound.picture import Picture
from edgeshift.sound.settings import SoundSettings
from edgeshift.stream.listening import Listening
from edgeshift.stream.model import Model
from edgeshift.stream.parity import TIE, agreement, compare_each, cosine
from edgeshift.stream.stream import Array, Prediction, Stream

#: Number of sounds that are compared, and seed of the first one. Calibration and training use other seeds.
COUNT, SEED = 32, 1_100_000_000


def compare_with_sounds(
    candidate: Model,
    reference: Model,
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
    original: Model | None = None,
) -> ParitySpec:
    """Compare as ``compare`` does, and if the network has a sound segment, its answers to sounds as well.

    ``advance`` is called ``comparisons`` times.
    """
    return compare_each_with_sounds(candidate, (reference,), frames, advance, original)[0]


def compare_each_with_sounds(
    candidate: Model,
    references: Sequence[Model],
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
    original: Model | None = None,
) -> list[ParitySpec]:
    """Compare a candidate with several references. Its answers to sounds are compared with the first one only.

    ``advance`` is called ``comparisons`` times.
    """
    parity, *others = compare_each(candidate, references, frames, advance, original)
    if candidate.spec.model.sound is not None:
        parity = msgspec.structs.replace(parity, sound=compare_sounds(candidate, references[0], frames, advance))
    return [parity, *others]


def comparisons(spec: StreamSpec, frames: int) -> int:
    """Return the number of frames or windows that both runs take together, and of sounds, for a number of frames."""
    return 2 * (frames - spec.frames + 1) + (0 if spec.model.sound is None else COUNT)


def compare_sounds(
    candidate: Model,
    reference: Model,
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
) -> SoundParitySpec:
    """Compare the answers of two models to drawn sounds, and to frames with a drawn soundtrack.

    Args:
        candidate: the artifact.
        reference: the network that it must equal.
        frames: frames of the stream, uint8 [H, W, 3] RGB each.
        advance: called after every sound.
    """
    settings = candidate.spec.model.sound
    assert settings is not None, "the network has a sound segment"
    own, other = _listening(candidate.stream()), _listening(reference.stream())
    pairs: list[tuple[Array, Array]] = []
    for index in range(COUNT):
        picture = drawn_picture(SEED + index, settings, candidate.spec.frame.width)
        pairs.append((own.answer_to(picture).logits, other.answer_to(picture).logits))
        advance()
    of_sounds = _compared(*(np.stack(side).astype(np.float64) for side in zip(*pairs, strict=True)))
    spacing = candidate.spec.frame_spacing or settings.every
    seconds = settings.seconds + 1 + len(frames) * spacing
    rate = rate_for(settings)
    samples = draw_soundtrack(SEED, seconds=seconds, rate=rate).samples
    fused = _compared(*(_fused(model.stream(), frames, samples, rate, spacing) for model in (candidate, reference)))
    return SoundParitySpec(
        sounds=COUNT,
        max_error=of_sounds[0],
        cosine=of_sounds[1],
        top1=of_sounds[2],
        fused_error=fused[0],
        fused_cosine=fused[1],
        fused_top1=fused[2],
    )


def drawn_picture(seed: int, settings: SoundSettings, size: int) -> Picture:
    """Return the picture of a drawn sound. The seed also chooses which sound it is; one of ten is a quiet room."""
    names = (QUIET, *SOUNDS)
    return draw_picture(seed, names[seed % len(names)], settings, size)


def _listening(stream: Stream) -> Listening:
    assert isinstance(stream, Listening), "the network has a sound segment"
    return stream


def _fused(
    stream: Stream, frames: Sequence[npt.NDArray[np.uint8]], samples: Samples, rate: int, spacing: float
) -> npt.NDArray[np.float64]:
    """Return the answers of a new stream to frames and a soundtrack, [answers, classes].

    From the first frame on there is a sound. A stream of a clip artifact has fewer answers than frames.
    """
    listening = _listening(stream)
    first = round((len(samples) / rate - len(frames) * spacing) * rate)
    listening.hear(samples[:first], -first / rate, rate)
    logits = []
    for index, frame in enumerate(frames):
        prediction: Prediction | None = stream.step(frame, index * spacing)  # None before the first clip is complete
        if prediction is not None and prediction.fresh:
            logits.append(prediction.logits)
        begin = first + round(index * spacing * rate)
        listening.hear(samples[begin : first + round((index + 1) * spacing * rate)], (begin - first) / rate, rate)
    return np.stack(logits).astype(np.float64)


def _compared(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the largest error as a share of the range, the cosine, and the share of answers with the same label."""
    span = float(np.ptp(other)) or 1.0
    error = float(np.abs(own - other).max()) / span
    return error, cosine(own, other), agreement(own, other, tie=TIE * span)
