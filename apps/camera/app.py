"""The run loop of the camera demo. It shows and records the picture, handles keys, prints events and runs commands."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic, perf_counter, sleep

import msgspec

from edgeshift._system.signals import call_on_stop
from edgeshift.apps.camera.actions import Actions
from edgeshift.apps.camera.display.answers import AnswerSheet
from edgeshift.apps.camera.display.painter import Painter
from edgeshift.apps.camera.display.recorder import RECORD_FPS, Recorder
from edgeshift.apps.camera.display.sound_recorder import SoundRecorder
from edgeshift.apps.camera.display.window import Window
from edgeshift.apps.camera.engine.schedule import EveryFrame, NewestFrame
from edgeshift.apps.camera.engine.session import Answer, CapturedFrame, Session
from edgeshift.apps.camera.event_printer import EventPrinter
from edgeshift.apps.camera.sources.base import Orientation, Source
from edgeshift.apps.camera.sources.live import describe_cameras
from edgeshift.apps.camera.summary import LabelSpan, Summary, add_label, summarize
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.stream.ear import Hearing
from edgeshift.video.picture import write_picture

#: Longest time that the loop waits for a new frame before it checks for keys, seconds.
POLL = 0.02
#: Seconds between two updates of the picture that is shown before the first frame.
WAITING_INTERVAL = 0.5
#: After slow drawing, the loop sleeps for as long as the drawing took, but at most for this many seconds.
LONGEST_REST = 0.1


@dataclass(frozen=True)
class AppSettings:
    """How the demo runs.

    Attributes:
        every_frame: run a clip as fast as possible and feed every due frame; False: real time, feed the newest frame.
        size: width and height of the picture, pixels; None: chosen from the size of the frames.
        record: path of a video to record from the start; None: no video. The sound is written beside it as a .wav file.
        seconds: seconds after the first frame, or with ``every_frame`` time in the clip, at which to end; None: never.
        orientation: how frames are rotated and mirrored, for the model and the picture.
        mirror_view: show and record frames mirrored, but do not mirror the frames for the model.
        repeat: start a clip again when it has ended; in real time only.
        folder: folder for the pictures of key "s" and the videos of key "v".
    """

    every_frame: bool = False
    size: tuple[int, int] | None = None
    record: Path | None = None
    seconds: float | None = None
    orientation: Orientation = field(default_factory=Orientation)
    mirror_view: bool = False
    repeat: bool = False
    folder: Path = field(default_factory=Path)


class App:
    """One run of the demo.

    Args:
        session: the artifacts to run.
        source: the source of the frames; it is opened here.
        printer: prints the events.
        actions: starts the commands of detections; None: no commands.
        answers: collects frames and their answers for ``--picture``; None: no such picture.
        settings: how the demo runs.

    Attributes:
        window: shows the picture, in real time only; None: headless.

    Raises:
        EdgeshiftError: the source cannot be opened.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        printer: EventPrinter,
        *,
        actions: Actions | None = None,
        answers: AnswerSheet | None = None,
        settings: AppSettings | None = None,
    ) -> None:
        self.settings = settings = settings or AppSettings()
        self._session, self._source, self._printer = session, source, printer
        self._actions, self._answers = actions, answers
        self._counters = session.counters
        self.window: Window | None = None
        common = (source, session, self._process, settings.orientation)
        self._schedule = (
            EveryFrame(*common, settings.seconds)
            if settings.every_frame
            else NewestFrame(*common, self._emit, settings.repeat)
        )
        self._painter = Painter(session, live=source.live, size=settings.size, mirror=settings.mirror_view)
        self._labels: list[LabelSpan] = []
        self._recorder: Recorder | None = None
        self._sound_recorder: SoundRecorder | None = None
        self._heard: Hearing | None = None
        self._recorded: list[Path] = []
        self._last: CapturedFrame | None = None
        self._origin: float | None = None
        self._quit = False
        self._started = self._waiting_shown = monotonic()

    def run(self) -> Summary:
        """Run until the source ends, the time limit is reached, "q" is pressed, or SIGINT or SIGTERM arrives.

        Raises:
            EdgeshiftError: the source, the model or the video of ``AppSettings.record`` failed.
        """
        live, settings = self._schedule.live, self.settings
        with ExitStack() as ending, call_on_stop(self.stop):
            if self.window is not None:
                self._painter.use_window(self.window.screen_size)
                ending.callback(self.window.close)
            ending.callback(self._stop_recording)
            if self._session.sound is not None:
                ending.callback(self._session.sound.stop)
            if self._actions is not None:
                ending.callback(self._actions.close)
            ending.callback(self._schedule.stop)
            self._started = monotonic()
            if self._session.sound is not None:
                self._session.sound.start(self._emit)
            self._schedule.start()
            if settings.record is not None:
                self._start_recording(settings.record)
            try:
                while not (self._quit or self._schedule.ended or (live and self._time_is_over())):
                    self._run_once()
            except KeyboardInterrupt:
                self._quit = True
        self._printer.flush()
        if self._schedule.error is not None:
            raise self._schedule.error
        if self._counters.started is None and not self._quit:
            raise VideoError(f"{self._source.name} gave no frame in {settings.seconds or 0:g} s; {describe_cameras()}")
        return summarize(self._source.name, self._session, self._recorded, None if live else self._labels)

    def stop(self) -> None:
        """End the run after the current iteration of its loop. Any thread and signal handlers may call this."""
        self._quit = True

    def _time_is_over(self) -> bool:
        # Before the first frame, time counts from the start of the run, so that a run without frames ends too.
        begin, seconds = self._counters.started or self._started, self.settings.seconds
        return seconds is not None and monotonic() - begin >= seconds

    def _run_once(self) -> None:
        """Draw the newest frame for the window or the video, print new events, and handle pressed keys."""
        window, paused = self.window, self._painter.paused
        if self._schedule.live and window is None and self._recorder is None:
            self._printer.flush(POLL)  # nothing to draw and no keys; other threads read frames and run the model
            return
        if paused:
            sleep(POLL)
        captured = None if paused else self._schedule.next(POLL)
        self._last = captured or self._last
        if self._last is not None and (window is not None or self._recorder is not None):
            self._draw(self._last, new=captured is not None)
        elif window is not None and monotonic() - self._waiting_shown >= WAITING_INTERVAL:
            self._waiting_shown = monotonic()
            window.show(self._painter.waiting(monotonic() - self._started))
        self._printer.flush()
        while window is not None and (key := window.key()) is not None:
            self._press(key)

    def _process(self, captured: CapturedFrame) -> None:
        """Run the model on a frame and report the answer. In real time, the model's thread calls this."""
        begin = perf_counter()
        answer = self._session.step(captured)
        if answer is None:
            return
        self._report(captured, answer)
        assert captured.fitted is not None
        infer = answer.prediction.timings.infer
        self._counters.costs.append((perf_counter() - begin - infer + captured.fitted.seconds, infer))

    def _report(self, captured: CapturedFrame, answer: Answer) -> None:
        self._painter.add(answer)
        heard = answer.prediction.heard
        if self._session.sound is not None and heard != self._heard:
            self._heard = heard
            self._printer.emit("sound", time=round(self._run_time(answer.timestamp), 3), heard=heard)
        if not self._schedule.live and add_label(self._labels, answer.timestamp, answer.prediction):
            self._printer.emit("label", time=answer.timestamp, label=answer.prediction.label)
        if self._answers is not None:
            self._answers.add(captured.frame, answer.prediction)
        if answer.shown.event is not None:
            timestamp = self._run_time(answer.shown.event.timestamp)
            detection = msgspec.structs.replace(answer.shown.event, timestamp=timestamp)
            self._printer.emit_detection(detection)
            self._counters.detections.append(detection)
            if self._actions is not None:
                self._actions.start(detection)

    def _run_time(self, timestamp: float) -> float:
        """Return a time on the source's clock in seconds from the first answer, or in a clip from its start."""
        if self._origin is None:
            self._origin = timestamp if self._source.live else 0.0
        return timestamp - self._origin

    def _draw(self, captured: CapturedFrame, *, new: bool) -> None:
        begin = perf_counter()
        now = monotonic() if self._schedule.live else captured.timestamp
        canvas, changed = self._painter.paint(captured, new=new, now=now)
        if self.window is not None and changed:
            self.window.show(canvas)
        if self._recorder is not None:
            self._record_sound(captured, self._recorder)
            try:
                self._recorder.add(canvas, now)
            except EdgeshiftError as error:
                if self._recorder.path == self.settings.record:
                    raise
                self._recorder, self._painter.recording = None, False
                self._emit("unsaved", reason=str(error))
        # Drawing takes at most half of the time. On a machine with few cores, the model needs the other half.
        seconds = perf_counter() - begin
        if self._schedule.live and seconds > POLL / 4:
            sleep(min(seconds, LONGEST_REST))

    def _press(self, key: str) -> None:
        if key == "q":
            self._quit = True
        elif key == "r":
            self._session.reset()
            self._painter.clear()
        elif key in ("p", " "):
            self._painter.paused = not self._painter.paused
            self._schedule.pause(self._painter.paused)
        elif key in ("s", "v") and self._painter.view is not None:
            try:
                if key == "s":
                    write_picture(path := self._new_path(".png"), self._painter.view.canvas)
                    self._emit("saved", path=str(path))
                elif self._recorder is None:
                    self._start_recording(self._new_path(".mp4"))
                else:
                    self._stop_recording()
            except (EdgeshiftError, OSError) as error:  # the run continues
                self._emit("unsaved", reason=str(error))
        elif key in ("m", "tab") and len(self._session.artifacts) > 1:
            self._emit("switched", artifact=str(self._session.switch().path))
            self._painter.clear()

    def _start_recording(self, path: Path) -> None:
        self._recorder = Recorder(path, RECORD_FPS, wait=not self._schedule.live)
        self._painter.recording = self.window is not None

    def _record_sound(self, captured: CapturedFrame, recorder: Recorder) -> None:
        """Begin to record the sound with the first frame of the video of ``AppSettings.record``, and of no other."""
        session = self._session
        if session.sound is None or self._sound_recorder is not None or recorder.path != self.settings.record:
            return
        sound = SoundRecorder(recorder.path.with_suffix(".wav"), session.sound_time(captured))
        self._sound_recorder, session.record = sound, sound.add
        self._emit("recording_sound", path=str(sound.path))

    def _stop_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        sound, self._sound_recorder, self._session.record = self._sound_recorder, None, None
        self._painter.recording = False
        try:
            self._save(recorder)
        finally:  # one file is complete even if the other one cannot be written
            self._save(sound)

    def _save(self, recorder: Recorder | SoundRecorder | None) -> None:
        if recorder is not None and recorder.close():
            self._recorded.append(recorder.path)
            self._emit("saved", path=str(recorder.path))

    def _new_path(self, suffix: str) -> Path:
        stem = f"edgeshift-{datetime.now():%Y%m%d-%H%M%S}"
        names = (f"{stem}{f'-{count}' if count else ''}{suffix}" for count in range(1000))
        return next(path for name in names if not (path := self.settings.folder / name).exists())

    def _emit(self, event: str, **facts: object) -> None:
        """Report an event; in real time, add the seconds since the first frame. Any thread may call this."""
        if self._schedule.live:
            started = self._counters.started
            facts = {"time": 0.0 if started is None else round(monotonic() - started, 3), **facts}
        self._printer.emit(event, **facts)
