"""Commands that labels start: an argument list each, no shell, never waited for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic, sleep

from edgeshift.errors import EdgeshiftError, one_line, unknown
from edgeshift.events.spotter import Detection

#: Seconds between two looks at commands that run.
GLANCE = 0.2
#: Short looks at what still runs when the demo ends.
FAREWELL = 25


@dataclass(frozen=True)
class Action:
    """What a label starts: a program and its arguments."""

    label: str
    command: tuple[str, ...]


def parse_action(text: str, labels: Collection[str]) -> Action:
    """Read "swipe left=playerctl next". Quotes group words as in a shell, and nothing else is special.

    Raises:
        EdgeshiftError: no label of these, no command, or a program that is not there.
    """
    # A label may hold a "=": the longest that fits is meant.
    label = max((label for label in labels if text.startswith(f"{label}=")), key=len, default=None)
    if label is None:
        name, sign, _ = text.partition("=")
        if not sign:
            raise EdgeshiftError(f"--on {text!r}: write it as LABEL=COMMAND")
        raise EdgeshiftError(f"--on: {unknown('label', name, labels)}")
    try:
        command = tuple(shlex.split(text[len(label) + 1 :]))
    except ValueError as error:
        raise EdgeshiftError(f"--on {text!r}: {one_line(error)}") from error
    if not command:
        raise EdgeshiftError(f"--on {text!r}: there is no command after the =")
    if shutil.which(command[0]) is None:
        raise EdgeshiftError(f"--on {text!r}: there is no program {command[0]!r} here that can be run")
    return Action(label, command)


class Actions:
    """Starts the commands of events from a thread of its own.

    A label's command is not started within ``every`` seconds of its last start, nor while that one still runs. What
    fails is told once for each label. Commands go on when the demo ends. They find the event in ``EDGESHIFT_LABEL``,
    ``EDGESHIFT_SCORE`` and ``EDGESHIFT_TIME``; what they print goes to stderr, as stdout is for results.

    Args:
        actions: one or more for a label. every: seconds. tell: is told "failed" (label=, command=, reason=), from the
            thread.
    """

    def __init__(
        self, actions: Sequence[Action], every: float = 1.0, tell: Callable[..., None] = lambda *_, **__: None
    ) -> None:
        self._actions, self._every, self._tell = list(actions), every, tell
        self._started: dict[Action, float] = {}
        self._running: dict[Action, subprocess.Popen[bytes]] = {}
        self._failed: set[str] = set()
        self._queue: SimpleQueue[tuple[Action, Detection] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        #: How many were started.
        self.count = 0

    def on(self, event: Detection) -> None:
        """Start what belongs to an event. Returns at once."""
        for action in self._actions:
            # By the clock on the wall: clips run faster than they were filmed, and begin anew.
            now = monotonic()
            if action.label != event.label or now - self._started.get(action, -inf) < self._every:
                continue
            self._started[action] = now
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="actions", daemon=True)
                self._thread.start()
            self._queue.put((action, event))

    def close(self, timeout: float = 2.0) -> None:
        """Start what was still asked for, and look once more at what has ended.

        Args:
            timeout: seconds to wait for that, not for the commands.
        """
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            try:
                asked = self._queue.get(timeout=GLANCE if self._running else None)
            except Empty:
                self._look()
                continue
            if asked is None:
                self._leave()
                return
            self._start(*asked)

    def _start(self, action: Action, event: Detection) -> None:
        self._look()
        if action in self._running:
            self._fail(action, "its last run has not ended, so it was not started again")
            return
        told = {
            "EDGESHIFT_LABEL": event.label,
            "EDGESHIFT_SCORE": f"{event.score:.4f}",
            "EDGESHIFT_TIME": f"{event.timestamp:.3f}",
        }
        try:
            self._running[action] = subprocess.Popen(  # noqa: S603
                action.command, stdin=subprocess.DEVNULL, stdout=2, env={**os.environ, **told}, start_new_session=True
            )
            self.count += 1
        except (OSError, ValueError) as error:
            self._fail(action, one_line(error))

    def _look(self) -> None:
        for action, process in list(self._running.items()):
            status = process.poll()
            if status is None:
                continue
            del self._running[action]
            if status:
                self._fail(action, f"it ended with status {status}")

    def _leave(self) -> None:
        """Give what was just started a moment to fail; what still runs then goes on alone."""
        for _ in range(FAREWELL):
            self._look()
            if not self._running:
                return
            sleep(GLANCE / 10)
        for process in self._running.values():
            process.returncode = 0  # else Python complains that nobody waited for it
        self._running.clear()

    def _fail(self, action: Action, reason: str) -> None:
        if action.label not in self._failed:
            self._failed.add(action.label)
            self._tell("failed", label=action.label, command=shlex.join(action.command), reason=reason)
