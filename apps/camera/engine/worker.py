"""The thread that runs the model: it takes the newest frame whenever it is free."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic, perf_counter
from typing import Literal

import numpy as np

from edgeshift.apps.camera.engine.session import Answer, Session
from edgeshift.apps.camera.engine.slot import CapturedFrame, NewestFrame

#: Seconds after which a worker without frames looks whether it is asked for something else.
GLANCE = 0.05
#: Answers that wait for whoever draws them.
WAITING = 1024

Asked = Literal["reset", "switch", "pause", "go on"]


class Worker(threading.Thread):
    """Steps a session until the source ends or it is stopped.

    Args:
        session: is this thread's from now on; others ask with ``ask``.
        slot: gives the frames.
        said: is called with each answer, from this thread.

    Attributes:
        answers: what was answered, for who draws; the oldest are lost if nobody takes them.
        error: what ended it; None: nothing went wrong.
        begun: when the first frame came, seconds of ``time.monotonic``.
    """

    def __init__(self, session: Session, slot: NewestFrame, said: Callable[[Answer], None]) -> None:
        super().__init__(name="worker", daemon=True)
        self.session = session
        self.answers: deque[Answer] = deque(maxlen=WAITING)
        self.error: BaseException | None = None
        self.begun: float | None = None
        self._paused = False
        self._reader = slot.reader()
        self._said = said
        self._asked: SimpleQueue[Asked] = SimpleQueue()
        self._ending = threading.Event()
        self._run: int | None = None
        # Of the last steps: seconds beside the runtime, and the runtime's own.
        self._costs: deque[tuple[float, float]] = deque(maxlen=WAITING)
        self._looked = threading.Condition()
        self._number = 0

    @property
    def dropped(self) -> int:
        """Frames that came and went while the model was at work on another."""
        return self._reader.dropped

    @property
    def overhead(self) -> float | None:
        """The median of what a step took from its frame to the answer told, beside the runtime, over the runtime's.

        The fitting counts wherever it was done.
        """
        if not self._costs:
            return None
        beside, infer = np.median(np.array(self._costs), 0)
        return float(beside / infer)

    def wait_for(self, number: int, timeout: float) -> None:
        """Wait until it is done with a frame: who draws at once would take the interpreter from it.

        Args:
            number: the frame's (``CapturedFrame.number``). timeout: seconds at most.
        """
        with self._looked:
            self._looked.wait_for(lambda: self._number >= number, timeout)

    def ask(self, what: Asked) -> None:
        """Have it done before the next frame."""
        self._asked.put(what)

    def stop(self) -> None:
        """End the thread after the step it is at."""
        self._ending.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """The thread."""
        try:
            while not self._ending.is_set() and not self._reader.ended:
                self._answer_requests()
                self._step()
        except Exception as error:
            self.error = error

    def _step(self) -> None:
        shot = self._reader.take(GLANCE)
        if shot is None:
            return
        self._look_at(shot)
        with self._looked:
            self._number = shot.number
            self._looked.notify_all()

    def _look_at(self, shot: CapturedFrame) -> None:
        begin = perf_counter()
        self.begun = shot.arrived if self.begun is None else self.begun
        if self._paused:
            return
        if shot.run != self._run:
            if self._run is not None:
                self.session.reset()
            self._run = shot.run
        answer = self.session.feed(shot.frame, shot.timestamp, monotonic(), shot.ahead)
        if answer is None:
            return
        self.answers.append(answer)
        self._said(answer)
        infer, ahead = answer.prediction.timings.infer, shot.ahead.fitted.seconds if shot.ahead else 0.0
        self._costs.append((perf_counter() - begin - infer + ahead, infer))

    def _answer_requests(self) -> None:
        while True:
            try:
                asked = self._asked.get_nowait()
            except Empty:
                return
            if asked == "switch":
                self.session.switch()
            elif asked == "pause":
                self._paused = True
            else:
                self._paused = False
                self.session.reset()
