"""Fake sources, windows and sessions, which need no camera, screen or runtime. The label of a frame is its colour."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from doubles import LeakyExecutor, model, stream_spec

from edgeshift.apps.camera.app import App, AppSettings
from edgeshift.apps.camera.engine.session import ArtifactStream, Session
from edgeshift.apps.camera.event_printer import EventPrinter
from edgeshift.apps.camera.summary import Summary
from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import VideoError

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "none": (0, 0, 0)}
RULE = RuleSpec(window=2, threshold=0.6, hold_off=0.0)


def frame(colour: str, height: int = 48, width: int = 64) -> Any:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


class ColourExecutor(LeakyExecutor):
    """The label of a frame is its colour, "none" for a dark frame. Each step takes ``seconds``."""

    seconds = 0.0

    def logits(self, level: Any, colour: Any) -> Any:
        time.sleep(self.seconds)
        return np.concatenate([colour / 32, np.full((1, 1), 2.0)], axis=1)


def make_session(
    count: int = 1, smoothing: str | None = "none", mask: Sequence[str] = (), seconds: float = 0.0, **changes: Any
) -> Session:
    """Return a session of ``count`` artifacts (0.double, 1.double, ...) whose steps take ``seconds`` each."""
    executor = type("TimedExecutor", (ColourExecutor,), {"seconds": seconds})
    loaded = model(stream_spec(**changes), executor)
    return Session([ArtifactStream(Path(f"{index}.double"), loaded, smoothing, mask) for index in range(count)])


class FakeFeed:
    """An open source with frames of the given colours, one every ``interval`` seconds."""

    def __init__(self, colours: Sequence[str], interval: float, live: bool) -> None:
        self.colours, self.interval, self.live = colours, interval, live
        self.index, self.closed = -1, 0

    def grab(self) -> float | None:
        self.index += 1
        if self.index >= len(self.colours):
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
    """A source whose first opening gives frames of the first list of colours, the second those of the second list...

    For None in place of a list, and after the last list, opening fails. ``change`` is called with each opened feed.
    """

    def __init__(
        self,
        *colours: Sequence[str] | None,
        interval: float = 0.01,
        live: bool = True,
        name: str = "fake",
        change: Callable[[FakeFeed], None] = lambda _: None,
    ) -> None:
        self.colours, self.interval, self.live, self.name, self.change = deque(colours), interval, live, name, change
        self.opened: list[FakeFeed] = []
        self.attempts = 0

    def open(self) -> FakeFeed:
        self.attempts += 1
        colours = self.colours.popleft() if self.colours else None
        if colours is None:
            raise VideoError("the fake camera cannot be opened; cameras here: none")
        self.opened.append(FakeFeed(colours, self.interval, self.live))
        self.change(self.opened[-1])
        return self.opened[-1]


def fake_clip(*colours: str, interval: float = 0.02) -> FakeSource:
    """Return a clip with frames of the given colours, ``interval`` seconds apart by their timestamps."""
    return FakeSource(list(colours), interval=interval, live=False)


class FakeWindow:
    """Keeps the pictures that it is shown. ``keys``: {number of shown pictures: the key that is pressed then}."""

    screen_size = None

    def __init__(self, keys: dict[int, str] | None = None) -> None:
        self.keys, self.shown, self.closed = dict(keys or {}), list[Any](), False

    def show(self, picture: Any) -> None:
        self.shown.append(picture.copy())

    def key(self) -> str | None:
        return self.keys.pop(min(self.keys)) if self.keys and len(self.shown) >= min(self.keys) else None

    def close(self) -> None:
        self.closed = True


class EmittedEvents(list):  # type: ignore[type-arg]
    """Collects emitted events as (name, details)."""

    def __call__(self, event: str, **facts: Any) -> None:
        self.append((event, facts))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


def make_app(
    source: Any,
    *,
    form: str = "lines",
    session: Session | None = None,
    window: Any = None,
    actions: Any = None,
    **settings: Any,
) -> App:
    printer = EventPrinter(form, source.name)  # type: ignore[arg-type]
    camera_app = App(session or make_session(), source, printer, actions=actions, settings=AppSettings(**settings))
    camera_app.window = window
    return camera_app


def run_until(camera_app: App, condition: Callable[[], object]) -> Summary:
    """Run the demo until a condition is true."""

    def wait() -> None:
        wait_until(condition)
        camera_app.stop()

    threading.Thread(target=wait, daemon=True).start()
    return camera_app.run()


def raise_error(error: Exception) -> Callable[..., Any]:
    """Return a function that raises an error."""

    def fail(*_: object) -> Any:
        raise error

    return fail


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until another thread has made a condition true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.002)


def running_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"grabber", "model", "recorder", "actions"}
