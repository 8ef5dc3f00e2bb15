"""Starts a command, without a shell, when an event with a given label is announced: ``--on LABEL=COMMAND``."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from edgeshift.errors import EdgeshiftError, one_line, unknown
from edgeshift.events.spotter import Detection


@dataclass(frozen=True)
class Action:
    """A command for a label.

    Attributes:
        label: label of the event that starts the command.
        command: the program and its arguments.
    """

    label: str
    command: tuple[str, ...]


def parse_action(text: str, labels: Collection[str]) -> Action:
    """Read an action such as "swipe left=playerctl next".

    Args:
        text: the action. Quotes group words as in a shell; no other character is special.
        labels: the known labels.

    Raises:
        EdgeshiftError: the label is unknown, the command is missing, or its program does not exist.
    """
    # A label may contain "=", so several labels may match. The longest of them is taken.
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
        raise EdgeshiftError(f"--on {text!r}: there is no program {command[0]!r} on this machine")
    return Action(label, command)


class Actions:
    """Starts the commands of announced events. Each command has a thread that waits for it, so the caller never waits.

    A command is not started within ``every`` seconds of its last start, nor while it still runs. Only the first failure
    of each label is reported. Running commands continue after the demo has ended. A command finds the event in the
    environment variables ``EDGESHIFT_LABEL``, ``EDGESHIFT_SCORE`` and ``EDGESHIFT_TIME``. Its output goes to stderr,
    because stdout is for results.

    Args:
        actions: the commands; a label may have several.
        every: shortest time between two starts of the same command, seconds.
        emit: called as ``emit("failed", label=..., command=..., reason=...)`` when a command fails, from any thread.
    """

    def __init__(self, actions: Sequence[Action], every: float, emit: Callable[..., None]) -> None:
        self._actions, self._every, self._emit = list(actions), every, emit
        self._started: dict[Action, float] = {}
        self._threads: dict[Action, threading.Thread] = {}
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def start(self, event: Detection) -> None:
        """Start the commands of an event's label, without waiting for their end."""
        for action in self._actions:
            # Not the event's time, because a clip may run faster than it was filmed, and may be repeated.
            now = monotonic()
            if action.label != event.label or now - self._started.get(action, -inf) < self._every:
                continue
            self._started[action] = now
            if action in self._threads and self._threads[action].is_alive():
                self._fail(action, "its previous run has not ended, so it was not started again")
                continue
            thread = threading.Thread(target=self._run, args=(action, event), name="actions", daemon=True)
            self._threads[action] = thread
            thread.start()

    def close(self, timeout: float = 0.5) -> None:
        """Wait up to ``timeout`` seconds for running commands to end, so that their failures are still reported."""
        end = monotonic() + timeout
        for thread in self._threads.values():
            thread.join(max(0.0, end - monotonic()))

    def _run(self, action: Action, event: Detection) -> None:
        variables = {
            "EDGESHIFT_LABEL": event.label,
            "EDGESHIFT_SCORE": f"{event.score:.4f}",
            "EDGESHIFT_TIME": f"{event.timestamp:.3f}",
        }
        try:
            result = subprocess.run(  # noqa: S603
                action.command,
                stdin=subprocess.DEVNULL,
                stdout=2,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._fail(action, one_line(error))
        else:
            if result.returncode:
                self._fail(action, f"it ended with status {result.returncode}")

    def _fail(self, action: Action, reason: str) -> None:
        with self._lock:
            if action.label in self._failed:
                return
            self._failed.add(action.label)
        self._emit("failed", label=action.label, command=shlex.join(action.command), reason=reason)
