"""Sources, windows and sessions without a camera, a screen or a runtime: a colour is a gesture."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from doubles import LABELS, LeakyExecutor, model, stream_spec

from edgeshift.apps.camera.app import App, Settings
from edgeshift.apps.camera.engine.session import Runner, Session
from edgeshift.apps.camera.journal import Journal
from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import VideoError

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "none": (0, 0, 0)}
RULE = RuleSpec(window=2, threshold=0.6, hold_off=0.0)


def frame(colour: str, height: int = 48, width: int = 64) -> Any:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


class ColourExecutor(LeakyExecutor):
    """The label of a frame is its colour, "none" where it is dark."""

    def logits(self, level: Any, colour: Any) -> Any:
        return np.concatenate([colour / 32, np.full((1, 1), 2.0)], axis=1)


def session(count: int = 1, smoothing: str | None = "none", mask: Sequence[str] = (), **changes: Any) -> Session:
    """Each runner's file is called 0.double, 1.double ..."""
    spec = stream_spec(**changes)
    return Session(
        [Runner(Path(f"{index}.double"), model(spec, ColourExecutor), smoothing, mask) for index in range(count)]
    )


class FakeFeed:
    """Frames of some colours, one every ``interval`` seconds; then None, or what ``end`` does."""

    def __init__(self, colours: Sequence[str], interval: float, live: bool, end: Callable[[], None] | None = None):
        self.colours, self.interval, self.live, self.end = colours, interval, live, end
        self.index, self.closed = -1, 0

    def grab(self) -> float | None:
        self.index += 1
        if self.index >= len(self.colours):
            if self.end is not None:
                self.end()
            return None
        if self.live:
            time.sleep(self.interval)
            return time.monotonic()
        return self.index * self.interval

    def retrieve(self) -> Any:
        return frame(self.colours[self.index])

    def close(self) -> None:
        self.closed += 1


class FakeSource:
    """Opens one list of colours after the other; a list that is None cannot be opened."""

    def __init__(self, *takes: Sequence[str] | None, interval: float = 0.01, live: bool = True, name: str = "fake"):
        self.takes, self.interval, self.live, self.name = deque(takes), interval, live, name
        self.opened: list[FakeFeed] = []
        self.attempts = 0

    def open(self) -> FakeFeed:
        self.attempts += 1
        take = self.takes.popleft() if self.takes else None
        if take is None:
            raise VideoError("the fake camera cannot be opened; cameras here: none")
        self.opened.append(FakeFeed(take, self.interval, self.live))
        return self.opened[-1]


class FakeWindow:
    """Keeps the pictures, and has keys pressed when so many were shown."""

    room = None

    def __init__(self, keys: dict[int, str] | None = None) -> None:
        self.keys, self.shown, self.closed = dict(keys or {}), list[Any](), False

    def show(self, picture: Any) -> None:
        self.shown.append(picture.copy())

    def key(self) -> str | None:
        return self.keys.pop(min(self.keys)) if self.keys and len(self.shown) >= min(self.keys) else None

    def close(self) -> None:
        self.closed = True


def app(source: Any, *, form: str = "lines", of: Session | None = None, window: Any = None, **settings: Any) -> App:
    made = App(of or session(), source, Journal(form, source.name), settings=Settings(**settings))  # type: ignore[arg-type]
    made.window = window
    return made


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"grabber", "worker", "recorder", "actions"}


__all__ = ["COLOURS", "LABELS", "RULE", "FakeFeed", "FakeSource", "FakeWindow", "app", "frame", "session", "until"]
