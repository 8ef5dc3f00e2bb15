"""The artifacts of a run: which one is active, which frames are due for it, and its answers to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.apps.camera.engine.counters import Counters, StepCounter
from edgeshift.apps.camera.engine.smoothing import DisplayState, make_smoother
from edgeshift.apps.camera.microphones.base import Piece, Sound
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.runtimes import load
from edgeshift.sound.picture import Picture
from edgeshift.stream import Fitted, Model, Prediction, Stream
from edgeshift.stream.listening import Listening
from edgeshift.targets import accelerator_options
from edgeshift.video.fit import Frame
from edgeshift.video.pace import Pacer


class CapturedFrame(msgspec.Struct, frozen=True):
    """A frame of the source, and the decision whether the model gets it.

    Attributes:
        frame: uint8 [H, W, 3] RGB.
        timestamp: seconds on the source's clock.
        arrived: time of arrival on ``time.monotonic``, seconds; if a clip runs as fast as possible, its ``timestamp``.
        number: number of the frame in the run, from 1.
        artifact: index of the artifact that was active.
        epoch: number of resets of the stream before this frame. Frames of different epochs are not one sequence.
        due: whether the frame spacing has passed, so that the model should get this frame.
        fitted: the frame in the size of the network; None: the model does not get this frame.
    """

    frame: Frame
    timestamp: float
    arrived: float
    number: int
    artifact: int
    epoch: int
    due: bool
    fitted: Fitted | None


class Answer(msgspec.Struct, frozen=True):
    """The answer to one frame.

    Attributes:
        prediction: the model's answer to this frame.
        shown: the label and the event after smoothing.
        timestamp: time of the frame, seconds on the source's clock.
        epoch: the frame's epoch.
        picture: picture of the sound that the prediction contains, uint8 or float32 [H, W, 3]; None: it contains none.
    """

    prediction: Prediction
    shown: DisplayState
    timestamp: float
    epoch: int = 0
    picture: Picture | None = None


class ArtifactStream:
    """One loaded artifact with its stream and its smoothing, ready for the first frame.

    Args:
        path: the artifact's file.
        model: the loaded artifact.
        smoothing: name of the smoothing; None: the artifact's own rule.
        mask: labels that are never shown.
    """

    def __init__(self, path: Path, model: Model, smoothing: str | None, mask: Collection[str]) -> None:
        self.path, self.model = path, model
        self.stream: Stream = model.stream(paced=False)  # ``Session.capture`` decides which frames the model gets
        self._smoothing, self._mask = smoothing, mask
        # Runtimes do some preparation in the first call, which makes it slow. So the first call gets black frames.
        black = np.zeros((model.spec.frame.height, model.spec.frame.width, 3), np.uint8)
        with quiet():
            for _ in range(model.spec.frames):
                self.stream.step(black)
            if isinstance(self.stream, Listening):
                self.stream.answer_to(black)
        self.reset()

    @property
    def hears(self) -> bool:
        """Whether the stream takes sound."""
        return isinstance(self.stream, Listening)

    def reset(self) -> None:
        """Reset the stream and the smoothing."""
        self.stream.reset()
        self.smoother = make_smoother(self._smoothing, self.model.spec, self._mask)


class Session:
    """The artifacts of a run, one of which is active.

    ``capture`` decides whether the model gets a frame, and ``step`` runs the model on it. Each captured frame records
    its artifact and epoch, so ``capture``, ``step`` and ``reset`` or ``switch`` may run in three different threads.

    Args:
        artifacts: the artifacts; the first one is active at the start.
        paced: whether frames are due at the artifact's frame spacing; False: every frame is due.

    Attributes:
        artifacts: all artifacts.
        counters: the counters of the run.
        sound: the sound of the run; None: the artifacts get frames only.
        record: called from the model's thread with each piece of the sound; None: the sound is not recorded.
    """

    def __init__(self, artifacts: Sequence[ArtifactStream], *, paced: bool = True) -> None:
        self.artifacts = list(artifacts)
        self.counters = Counters(len(self.artifacts))
        self.sound: Sound | None = None
        self.record: Callable[[Piece], None] | None = None
        self._paced = paced
        self._lock = threading.Lock()
        self._index = self._epoch = self._epoch_fed = self._number = 0
        self._pacer = self._new_pacer()

    @property
    def artifact(self) -> ArtifactStream:
        """The active artifact."""
        return self.artifacts[self._index]

    @property
    def steps(self) -> StepCounter:
        """The steps of the active artifact."""
        return self.counters.steps[self._index]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all artifacts, each once."""
        return tuple(dict.fromkeys(label for artifact in self.artifacts for label in artifact.model.spec.labels))

    def capture(
        self, frame: Frame, timestamp: float, arrived: float | None = None, *, replaces: bool = False
    ) -> CapturedFrame:
        """Decide whether the model gets a frame, and fit the frame if so.

        Call this from the thread that read the frame: its caches hold the frame, so fitting is about twice as fast.

        Args:
            frame: uint8 [H, W, 3] RGB.
            timestamp: seconds on the source's clock.
            arrived: time at which the frame arrived, seconds; None: now.
            replaces: whether an earlier frame still waits for the model. Then this frame is fitted even if it is not
                due, so that the model gets it instead of the earlier one.

        Raises:
            VideoError: ``frame`` has another dtype or shape than uint8 [H, W, 3].
        """
        arrived = monotonic() if arrived is None else arrived
        if self.counters.started is None:
            self.counters.started = monotonic()
        with self._lock:
            due = self._pacer is None or self._pacer.takes(timestamp)
            index, epoch = self._index, self._epoch
        fitted = self.artifacts[index].stream.fit(frame) if due or replaces else None
        self._number += 1
        return CapturedFrame(frame, timestamp, arrived, self._number, index, epoch, due, fitted)

    def step(self, captured: CapturedFrame) -> Answer | None:
        """Run the model on a fitted frame. The first frame of a new epoch resets the stream.

        Returns:
            The answer; None: the artifact takes clips, and this frame does not complete one.
        """
        assert captured.fitted is not None
        artifact, steps = self.artifacts[captured.artifact], self.counters.steps[captured.artifact]
        if captured.epoch != self._epoch_fed:
            self._epoch_fed = captured.epoch
            artifact.reset()
            steps.rate.reset()
            steps.collected = 0
        now = self._hear(artifact.stream, captured)
        prediction: Prediction | None = artifact.stream.step_fitted(captured.fitted, now)
        if prediction is None:
            steps.collected += 1
            return None
        steps.collected = 0
        if not prediction.fresh:
            return None
        shown = artifact.smoother.feed(prediction.logits, captured.timestamp)
        steps.add(prediction.timings, captured.arrived)
        if self.sound is None or not isinstance(artifact.stream, Listening):
            return Answer(prediction, shown, captured.timestamp, captured.epoch)
        if prediction.heard is not None:
            self.counters.heard[prediction.heard] += 1
        return Answer(prediction, shown, captured.timestamp, captured.epoch, artifact.stream.picture)

    def sound_time(self, captured: CapturedFrame) -> float:
        """Return the time of a frame on the clock of the sound, seconds."""
        return captured.timestamp if self.sound is not None and self.sound.follows_clip else captured.arrived

    def _hear(self, stream: Stream, captured: CapturedFrame) -> float | None:
        """Give the stream the sound up to the time of the frame.

        Returns:
            The time of the frame on the clock of the sound, seconds; None: there is no sound.
        """
        if self.sound is None:
            return None
        now = self.sound_time(captured)
        for piece in self.sound.take(now):
            if self.record is not None:
                self.record(piece)
            if isinstance(stream, Listening):
                if piece.gap:
                    stream.deafen()
                stream.hear(piece.samples, piece.timestamp, piece.rate)
        return now if isinstance(stream, Listening) else None

    def reset(self) -> None:
        """Reset the stream before the next frame, which is due at once."""
        self._start_epoch(0)

    def switch(self) -> ArtifactStream:
        """Make the next artifact the active one, with a stream that is reset, and return it."""
        self._start_epoch(1)
        return self.artifact

    def _start_epoch(self, artifacts_ahead: int) -> None:
        with self._lock:
            self._index = (self._index + artifacts_ahead) % len(self.artifacts)
            self._epoch += 1
            self._pacer = self._new_pacer()

    def _new_pacer(self) -> Pacer | None:
        spacing = self.artifact.model.spec.frame_spacing
        return Pacer(spacing) if self._paced and spacing else None


def open_session(
    files: Sequence[Path],
    *,
    runtime: str | None = None,
    threads: int = 1,
    smoothing: str | None = None,
    mask: Sequence[str] = (),
    accelerator: str | None = None,
) -> Session:
    """Load artifacts and return a session of them, ready for the first frame.

    Args:
        files: the artifacts.
        runtime: name of the runtime; None: chosen by the file's name.
        threads: threads of each runtime.
        smoothing: a name in ``SMOOTHINGS``; None: each artifact's own rule.
        mask: labels that are never shown.
        accelerator: "cpu" or "gpu"; None: the default of each runtime.

    Raises:
        AcceleratorError: edgeshift cannot run an artifact on the accelerator, no GPU can be used, or the GPU refuses an
            operator.
        EdgeshiftError: an artifact cannot be loaded, the smoothing is unknown, or no artifact has a label of ``mask``.
    """
    chosen = [accelerator_options(path, accelerator, runtime) for path in files]
    models = [
        (path, load(path, runtime=runtime, threads=threads, isolate=True, **options))
        for path, options in zip(files, chosen, strict=True)
    ]
    known = {label for _, model in models for label in model.spec.labels}
    for label in mask:
        if label not in known:
            raise EdgeshiftError(f"--mask: {unknown('label', label, known)}")
    return Session([ArtifactStream(path, model, smoothing, mask) for path, model in models])
