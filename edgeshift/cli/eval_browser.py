"""Measure accuracy for `edgeshift eval` in a phone's browser: this machine sends frames, and the page answers them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from edgeshift.cli.phone_report import browser_placement
from edgeshift.cli.phone_visit import GONE, NO_PHONE, invite
from edgeshift.errors import CheckFailedError, DeviceError, DeviceLostError, EdgeshiftError, VideoError, one_line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgeshift.apps.phone import ServerOptions
    from edgeshift.apps.phone.job import PhoneArtifact
    from edgeshift.apps.phone.messages import ClipAnswered, PhoneEvent
    from edgeshift.benchmarks.accuracy.candidate import Candidate
    from edgeshift.benchmarks.accuracy.clip import FrameLogits
    from edgeshift.stream.placement import Placement
    from edgeshift.video.dataset import LabelledClip


@contextmanager
def open_in_browser(
    file: Path, accelerator: str, count: int, write: Callable[[str], None], server: ServerOptions | None = None
) -> Iterator[BrowserClips]:
    """Serve an artifact, and wait until a phone has opened the page and passed the self-check.

    Args:
        file: the artifact.
        accelerator: "cpu" or "webgpu".
        count: number of clips of the data set.
        write: prints a message.
        server: how the phone reaches this machine; None: over the local network.

    Raises:
        ArtifactError: browsers cannot run the artifact.
        CheckFailedError: the artifact fails its self-check in the browser.
        DeviceError: the page cannot be served, or no phone opened it.
    """
    import numpy as np

    from edgeshift.apps.phone import (
        ClipFeed,
        PageJob,
        ServerOptions,
        TimingFrames,
        TimingPlan,
        read_phone_artifact,
        serve,
    )
    from edgeshift.artifact.file import read_artifact

    server = server or ServerOptions()
    # First, because the command that other errors name would not help.
    if read_artifact(file).spec.model.sound is not None:
        raise EdgeshiftError(
            f"{file}: it has a sound segment, and the page runs clips without sound: leave out --device, to measure it "
            "on this machine"
        )
    artifact = read_phone_artifact(file)
    if artifact.spec.check is None:
        raise EdgeshiftError(f"{file}: it has no self-check, which the page runs first: convert the model again")
    plan = TimingPlan(steps=128, seconds=10.0, repeats=3)  # the page shows a mode, although nothing is timed
    job = PageJob(
        file=artifact.path.name,
        modes={"quick": plan},
        accelerator=cast("Any", accelerator),
        clips=count,
    )
    frames = TimingFrames("black", np.zeros((1, 8, 8, 3), np.uint8))
    feed = ClipFeed()
    with closing(serve(artifact, job, frames, server, lambda page: invite(page, server, write), clips=feed)) as events:
        clips = BrowserClips(artifact, events, feed, write)
        clips.wait_for_phone()
        yield clips


class BrowserClips:
    """The page of one phone, which runs clips. Made by ``open_in_browser``."""

    def __init__(
        self,
        artifact: PhoneArtifact,
        events: Generator[PhoneEvent, None, None],
        feed: Any,
        write: Callable[[str], None],
    ) -> None:
        self._artifact, self._events, self._feed, self._write = artifact, events, feed, write
        self._phone = ""
        self._runtime: str | None = None
        self._ran_on: Placement | None = None
        self._error = GONE

    def wait_for_phone(self) -> None:
        """Wait until the page was opened and has passed the self-check."""
        for event in self._events:
            self._receive(event)
            if self._runtime is not None:
                return
        raise DeviceError(
            f"{self._artifact.path.name}: {self._error}: run the command again" if self._phone else NO_PHONE
        )

    def candidate(self) -> Candidate:
        """Return the artifact to measure. It is not loaded on this machine."""
        from edgeshift._system.files import sha256
        from edgeshift.benchmarks.accuracy.candidate import Candidate
        from edgeshift.stream import Model

        model = Model(self._artifact.spec, f"{self._runtime} in a browser on {self._phone}", _not_loaded)
        return Candidate(self._artifact.path, sha256(self._artifact.data), model)

    def stream(
        self, candidate: Candidate, clips: Sequence[LabelledClip]
    ) -> Iterator[tuple[LabelledClip, FrameLogits | str]]:
        """Let the page run clips.

        Yields:
            A clip, and its logits or the reason why it cannot be read.

        Raises:
            DeviceLostError: the page was closed before it had run all clips.
            DeviceError: the page sent logits of a wrong shape, or another phone opened it.
        """
        from edgeshift.apps.phone.clips import MAX_CLIP
        from edgeshift.apps.phone.messages import ClipAnswered
        from edgeshift.benchmarks.accuracy.clip import fitted_clip
        from edgeshift.video.segments import segment_middles

        spec = candidate.model.spec
        times: dict[int, list[float]] = {}
        unreadable: queue.Queue[tuple[int, str]] = queue.Queue()

        def read(index: int) -> npt.NDArray[np.uint8] | None:
            try:
                times[index], frames = fitted_clip(spec, clips[index])
            except VideoError as error:
                unreadable.put((index, one_line(error, 300)))
                return None
            if frames.nbytes > MAX_CLIP:
                reason = f"its {len(frames)} frames have {frames.nbytes:,} bytes; a browser takes at most {MAX_CLIP:,}"
                unreadable.put((index, reason))
                return None
            if len(frames) < spec.frames:  # as ``edgeshift.stream.sequence.answers`` does, for one answer
                frames = frames[segment_middles(len(frames), spec.frames)]
            return frames

        self._feed.open(len(clips), read)
        left = set(range(len(clips)))
        for event in self._events if clips else ():
            if isinstance(event, ClipAnswered):
                if self._feed.answered(event.index) and event.index in times:
                    left.discard(event.index)
                    yield clips[event.index], self._logits(candidate, clips[event.index], times.pop(event.index), event)
            else:
                self._receive(event)
            while not unreadable.empty():
                index, reason = unreadable.get()
                left.discard(index)
                yield clips[index], reason
            if self._feed.error is not None:
                raise self._feed.error
        if left:
            raise DeviceLostError(f"{self._phone}: {self._error}")

    def _logits(self, candidate: Candidate, clip: LabelledClip, times: list[float], event: ClipAnswered) -> FrameLogits:
        import numpy as np

        from edgeshift.benchmarks.accuracy.clip import FrameLogits
        from edgeshift.stream.sequence import answered_frames

        spec = candidate.model.spec
        indices = answered_frames(spec, len(times))
        expected = len(indices) * len(spec.labels)
        if len(event.logits) != 4 * expected:
            sent = f"{len(event.logits)} bytes of logits, and {4 * expected} were expected"
            raise DeviceError(f"{self._phone}: {clip.name}: the page sent {sent}")
        logits = np.frombuffer(event.logits, "<f4").astype(np.float32).reshape(len(indices), len(spec.labels))
        return FrameLogits(np.array(times, np.float64)[indices], logits, self._ran_on)

    def _receive(self, event: PhoneEvent) -> None:
        """Print and keep an event that is not the logits of a clip."""
        from edgeshift.apps.phone import messages

        if isinstance(event, messages.PageOpened):
            phone = event.model or event.platform or "an unnamed phone"
            self._write(f"Phone: {phone}, {event.cores} cores")
            self._require_same("phone", self._phone, phone)
            self._phone = phone
        elif isinstance(event, messages.SelfCheckResult):
            verdict = "passed" if event.ok else "FAILED"
            self._write(f"self-check {verdict}: {event.errors}; {event.runtime}")
            if not event.ok:
                raise CheckFailedError(
                    f"{self._artifact.path.name}: its self-check fails in the browser ({event.runtime}): {event.errors}"
                )
            self._require_same("runtime", self._runtime or "", event.runtime)
            self._runtime, self._ran_on = event.runtime, browser_placement(event.accelerator)
        elif isinstance(event, messages.ErrorReported):
            self._error = event.message
            self._write(f"error on the phone: {event.message}")
        elif isinstance(event, messages.ServerStopped) and event.reason == "idle":
            self._write("stopped, because no message came from the phone")

    def _require_same(self, what: str, before: str, now: str) -> None:
        """Raise an error if the page was opened again elsewhere, because one report is about one phone."""
        if before and before != now:
            raise DeviceLostError(f"the page was opened again with another {what}: {now}, before it was {before}")


def _not_loaded() -> NoReturn:
    raise DeviceError("this artifact is measured in a browser; it is not loaded on this machine")
