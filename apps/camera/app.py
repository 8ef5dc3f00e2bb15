"""The live demo's main thread: starts the others, shows, records, hears keys, prints what happened."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic, perf_counter

import msgspec

from edgeshift._system.signals import call_on_stop
from edgeshift.apps.camera.actions import Actions
from edgeshift.apps.camera.display.painter import Painter
from edgeshift.apps.camera.display.recorder import RECORD_FPS, Recorder
from edgeshift.apps.camera.display.window import Window
from edgeshift.apps.camera.engine.grabber import Grabber
from edgeshift.apps.camera.engine.session import Answer, Session
from edgeshift.apps.camera.engine.slot import CapturedFrame, NewestFrame
from edgeshift.apps.camera.engine.worker import Worker
from edgeshift.apps.camera.journal import Journal
from edgeshift.apps.camera.sources.base import Orientation, Source
from edgeshift.apps.camera.sources.v4l import cameras_in_words
from edgeshift.apps.camera.summary import Summary, summarize
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.video.picture import write_picture

#: Seconds between looks at keys.
GLANCE = 0.02
#: Seconds between pictures that say that there is none yet.
WAITING = 0.5
#: Seconds that the model's thread has with a frame before it is drawn.
FIRST = 0.004
#: A slow window rests as long as it took to show, seconds at most.
REST = 0.1


@dataclass(frozen=True)
class Settings:
    """How the demo runs.

    Attributes:
        size: of the picture; None: by the source. record: a video to write from the start. seconds: to run; None: until
            the source ends or somebody ends it. orientation: of the camera. mirror_view: show mirrored, feed as it is.
            repeat: clips begin anew. folder: where snapshots and videos of the keys go.
    """

    size: tuple[int, int] | None = None
    record: Path | None = None
    seconds: float | None = None
    orientation: Orientation = field(default_factory=Orientation)
    mirror_view: bool = False
    repeat: bool = False
    folder: Path = field(default_factory=Path)


class App:
    """One run of the live demo.

    Args:
        session: to feed. source: to read. journal: is told what happens. actions: are given the
            events. settings: the rest.

    Attributes:
        window: to show in; None: headless.

    Raises:
        EdgeshiftError: the source cannot be opened.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        journal: Journal,
        *,
        actions: Actions | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._session, self._source, self._journal = session, source, journal
        self.window: Window | None = None
        self._actions = actions
        self._slot = NewestFrame()
        self._reader = self._slot.reader()
        self._worker = Worker(session, self._slot, self._said)
        self._grabber = Grabber(
            source,
            source.open(),
            self._slot,
            orientation=self.settings.orientation,
            fit=session.fit,
            tell=self._tell,
            repeat=self.settings.repeat,
        )
        self._painter = Painter(
            session, self._worker, self._grabber, size=self.settings.size, mirror=self.settings.mirror_view
        )
        self._recorder: Recorder | None = None
        self._recorded: list[Path] = []
        self._last: CapturedFrame | None = None
        self._origin: float | None = None
        self._quit = False
        self._started = monotonic()
        self._waited = 0.0

    def run(self) -> Summary:
        """Run until the source ends, the time is over, "q" or Ctrl-C.

        Raises:
            EdgeshiftError: something that was asked for does not work (any more).
        """
        with ExitStack() as ending, call_on_stop(self._end):
            if self.window is not None:
                self._painter.room = self.window.room
                ending.callback(self.window.close)
            ending.callback(self._stop_recording)
            if self._actions is not None:
                ending.callback(self._actions.close)
            ending.callback(self._worker.stop)
            ending.callback(self._grabber.stop)
            self._started = monotonic()
            self._worker.start()
            self._grabber.start()
            if self.settings.record is not None:
                self._record(self.settings.record)
            try:
                while not self._over():
                    self._turn()
            except KeyboardInterrupt:
                self._quit = True
        self._journal.flush()
        if (error := self._worker.error or self._slot.error) is not None:
            raise error
        if self._worker.begun is None and not self._quit:
            raise VideoError(
                f"{self._source.name} gave no picture in {self.settings.seconds or 0:g} s; {cameras_in_words()}"
            )
        return summarize(
            self._source, self._session, self._worker, self._grabber, self._painter, self._journal, self._recorded
        )

    def _end(self) -> None:
        self._quit = True

    def _over(self) -> bool:
        # A source that opens and gives nothing is not waited for without end.
        begun, seconds = self._worker.begun or self._started, self.settings.seconds
        return self._quit or not self._worker.is_alive() or (seconds is not None and monotonic() - begun >= seconds)

    def _turn(self) -> None:
        """Once around: show what is new, if anybody looks, then news and keys."""
        if self.window is None and self._recorder is None:
            self._journal.flush(GLANCE)
            return
        shot = None if self._painter.paused else self._reader.take(GLANCE)
        self._last = shot or self._last
        if shot is not None:
            self._worker.wait_for(shot.number, FIRST)
        if self._painter.paused:
            self._worker.join(GLANCE)
        if self._last is None and self.window is not None:
            self._show_waiting(self.window)
        if self._last is not None:
            self._show(self._last, fresh=shot is not None)
        self._journal.flush()
        while self.window is not None and (key := self.window.key()) is not None:
            self._press(key)

    def _show(self, shot: CapturedFrame, *, fresh: bool) -> None:
        begin = perf_counter()
        painted = self._painter.paint(shot, fresh=fresh)
        if self.window is not None and painted.new:
            self.window.show(painted.canvas)
        if self._recorder is not None:
            try:
                self._recorder.add(painted.canvas, monotonic())
            except EdgeshiftError as error:
                self._not_recorded(self._recorder.path, error)
        # Half of this thread's time at most: where cores are few, the rest is the model's.
        cost = perf_counter() - begin
        if cost > GLANCE / 4:
            self._worker.join(min(cost, REST))

    def _show_waiting(self, window: Window) -> None:
        now = monotonic()
        if now - self._waited >= WAITING:
            self._waited = now
            window.show(self._painter.waiting(now - self._started))

    def _press(self, key: str) -> None:
        if key == "q":
            self._quit = True
        elif key == "r":
            self._worker.ask("reset")
            self._painter.forget()
        elif key in ("p", " "):
            paused = self._painter.paused = not self._painter.paused
            self._grabber.pause(paused)
            self._worker.ask("pause" if paused else "go on")
        elif key == "s" and self._painter.view is not None:
            path = self._named(".png")
            try:
                write_picture(path, self._painter.view.canvas)
            except (EdgeshiftError, OSError) as error:  # the demo goes on
                self._tell("unsaved", reason=str(error))
            else:
                self._tell("saved", path=str(path))
        elif key == "v":
            try:
                if self._recorder is None:
                    self._record(self._named(".mp4"))
                else:
                    self._stop_recording()
            except EdgeshiftError as error:
                self._not_recorded(None, error)
        elif key in ("m", "tab") and len(self._session.runners) > 1:
            self._tell("switched", artifact=str(self._session.following.path))
            self._worker.ask("switch")
            self._painter.forget()

    def _record(self, path: Path) -> None:
        self._recorder = Recorder(path, RECORD_FPS)
        self._painter.recording = self.window is not None

    def _not_recorded(self, path: Path | None, error: EdgeshiftError) -> None:
        """A video that a key asked for ends with a line; one that the run is for ends the run."""
        if path == self.settings.record and path is not None:
            raise error
        self._recorder, self._painter.recording = None, False
        self._tell("unsaved", reason=str(error))

    def _stop_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        self._painter.recording = False
        if recorder is not None and recorder.close():
            self._recorded.append(recorder.path)
            self._tell("saved", path=str(recorder.path))

    def _named(self, suffix: str) -> Path:
        stem = f"edgeshift-{datetime.now():%Y%m%d-%H%M%S}"
        names = (f"{stem}{f'-{count}' if count else ''}{suffix}" for count in range(1000))
        return next(path for name in names if not (path := self.settings.folder / name).exists())

    def _tell(self, event: str, **facts: object) -> None:
        """From any thread. Its time counts from the first frame."""
        begun = self._worker.begun
        self._journal.tell(event, time=0.0 if begun is None else round(monotonic() - begun, 3), **facts)

    def _said(self, answer: Answer) -> None:
        """From the worker's thread. Events count their time from the first frame."""
        if self._origin is None:
            self._origin = answer.timestamp if self._source.live else 0.0
        if answer.said.event is not None:
            timestamp = answer.said.event.timestamp - self._origin
            event = msgspec.structs.replace(answer.said.event, timestamp=timestamp)
            self._journal.gesture(event)
            if self._actions is not None:
                self._actions.on(event)
