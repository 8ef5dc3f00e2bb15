"""Record the logits of a model on labelled streams, from which its event rule is tuned.

There are two kinds of data:

- Videos with several gestures, listed in a CSV file with the columns ``file,start,end,label`` (seconds in the video).
  Each video is one stream.
- Clips with one gesture each. A rule cannot be tuned on single clips, because they do not show what happens before and
  after a gesture. Therefore clips in a random order are joined to streams: the states and the times go on from one clip
  to the next, and successive clips have different labels where possible. A clip counts as one gesture from its first to
  its last frame, unless its label means no gesture or is not a label of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.accuracy.intervals import LabelledVideo
from edgeshift.errors import EdgeshiftError, VideoError, one_line
from edgeshift.gestures import Event
from edgeshift.stream import Prediction, Stream
from edgeshift.video.clips import TimedFrame, paced
from edgeshift.video.dataset import LabelledClip

#: Clips in one joined stream, and the smallest and largest number of streams.
CLIPS_PER_STREAM, MIN_STREAMS, MAX_STREAMS = 12, 4, 40


@dataclass(frozen=True, eq=False)
class RecordedStream:
    """The logits of one stream, and the gestures in it.

    Attributes:
        times: times of the frames that the model answered to, seconds from the start of the stream, [T].
        logits: logits of these answers, [T, classes].
        events: the gestures.
        unreadable: name and reason of every clip that could not be read and is not part of the stream.
    """

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]
    events: tuple[Event, ...]
    unreadable: tuple[tuple[str, str], ...] = ()


def frame_spacing(spec: StreamSpec, where: object) -> float:
    """Return the frame spacing of a model. Raise EdgeshiftError if its description has none."""
    if spec.frame_spacing is None:
        raise EdgeshiftError(
            f"{where} does not know its frame spacing, so a number of frames is no time: convert the model again with "
            "--frame-spacing"
        )
    return spec.frame_spacing


def join_clips(clips: Sequence[LabelledClip], seed: int = 0) -> list[list[LabelledClip]]:
    """Divide clips into streams, in a random order in which successive clips have different labels where possible."""
    shuffled = [clips[index] for index in np.random.default_rng(seed).permutation(len(clips))]
    ordered: list[LabelledClip] = []
    while shuffled:
        last = ordered[-1].label if ordered else None
        index = next((index for index, clip in enumerate(shuffled) if clip.label != last), 0)
        ordered.append(shuffled.pop(index))
    count = max(1, min(MAX_STREAMS, max(MIN_STREAMS, len(ordered) // CLIPS_PER_STREAM), len(ordered) // 2))
    return [[ordered[index] for index in part] for part in np.array_split(np.arange(len(ordered)), count)]


def record_clips(
    stream: Stream, clips: Iterable[LabelledClip], gestures: Sequence[str], advance: Callable[[], None]
) -> RecordedStream:
    """Record one stream that is joined from clips. A clip that cannot be read is left out.

    Args:
        stream: the stream, which is reset.
        clips: the clips in their order.
        gestures: labels of the model that are announced.
        advance: called after each clip.
    """
    spacing, start = frame_spacing(stream.spec, "the model"), 0.0
    events: list[Event] = []
    unreadable: list[tuple[str, str]] = []
    frames: list[tuple[float, npt.NDArray[np.float32]]] = []
    stream.reset()
    for clip in clips:
        end: float | None = None  # time of the clip's last frame
        try:
            for frame in paced(clip.path, spacing, fps=clip.fps):
                end = start + frame.timestamp
                frames += _answered(stream, frame, end)
        except VideoError as error:
            unreadable.append((clip.name, one_line(error, 300)))
        if end is not None:
            if clip.label in gestures:
                events.append(Event(clip.label, start, end))
            start = end + spacing
        advance()
    return _recorded(frames, events, unreadable)


def record_video(
    stream: Stream,
    video: LabelledVideo,
    gestures: Sequence[str],
    advance: Callable[[], None],
    fps: float | None = None,
) -> RecordedStream:
    """Record one video with labelled intervals. Arguments as for ``record_clips``; ``fps`` as for ``paced``."""
    spacing = frame_spacing(stream.spec, "the model")
    frames: list[tuple[float, npt.NDArray[np.float32]]] = []
    unreadable: list[tuple[str, str]] = []
    stream.reset()
    try:
        for frame in paced(video.path, spacing, fps=fps):
            frames += _answered(stream, frame, frame.timestamp)
    except VideoError as error:
        unreadable.append((video.name, one_line(error, 300)))
    advance()
    return _recorded(frames, [event for event in video.events if event.label in gestures], unreadable)


def require_frames(streams: Iterable[RecordedStream]) -> Iterator[RecordedStream]:
    """Yield the streams that have frames. Raise VideoError if none has."""
    streams = list(streams)
    if not any(len(stream.times) for stream in streams):
        problems = [f"{name}: {reason}" for stream in streams for name, reason in stream.unreadable]
        raise VideoError(f"no video can be read; the first problem is {problems[0] if problems else 'no frames'}")
    return (stream for stream in streams if len(stream.times))


def _answered(stream: Stream, frame: TimedFrame, time: float) -> list[tuple[float, npt.NDArray[np.float32]]]:
    """Return the time and the logits of the answer to a frame; nothing if a clip artifact does not answer to it."""
    # Without a timestamp, the stream processes every frame. All frames of ``paced`` are due.
    prediction: Prediction | None = stream.step(frame.frame)
    if prediction is None or not prediction.fresh:
        return []
    return [(time, np.array(prediction.logits, np.float32))]


def _recorded(
    frames: list[tuple[float, npt.NDArray[np.float32]]], events: list[Event], unreadable: list[tuple[str, str]]
) -> RecordedStream:
    times = np.array([time for time, _ in frames], np.float64)
    logits = np.stack([row for _, row in frames]) if frames else np.zeros((0, 0), np.float32)
    return RecordedStream(times, logits, tuple(events), tuple(unreadable))
