"""Sources, windows and sessions without a camera, a screen or a runtime. The label of a frame is its colour."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from doubles import LeakyExecutor, model, stream_spec

from edgeshift.apps.camera.app import App, Settings
from edgeshift.apps.camera.engine.session import ArtifactStream, Session
from edgeshift.apps.camera.journal import Journal
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


def session(
    count: int = 1, smoothing: str | None = "none", mask: Sequence[str] = (), seconds: float = 0.0, **changes: Any
) -> Session:
    """A session of artifacts called 0.double, 1.double ..., whose steps take ``seconds``."""
    executor = type("TimedExecutor", (ColourExecutor,), {"seconds": seconds})
    loaded = model(stream_spec(**changes), executor)
    return Session([ArtifactStream(Path(f"{index}.double"), loaded, smoothing, mask) for index in range(count)])


class FakeFeed:
    """Frames of the given colours, one every ``interval`` seconds."""

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
    """Opens one list of colours after the other; None in place of a list: opening fails. Afterwards opening fails.

    ``change`` may replace methods of each feed when it is opened.
    """

    def __init__(
        self,
        *takes: Sequence[str] | None,
        interval: float = 0.01,
        live: bool = True,
        name: str = "fake",
        change: Callable[[FakeFeed], None] = lambda _: None,
    ) -> None:
        self.takes, self.interval, self.live, self.name, self.change = deque(takes), interval, live, name, change
        self.opened: list[FakeFeed] = []
        self.attempts = 0

    def open(self) -> FakeFeed:
        self.attempts += 1
        take = self.takes.popleft() if self.takes else None
        if take is None:
            raise VideoError("the fake camera cannot be opened; cameras here: none")
        self.opened.append(FakeFeed(take, self.interval, self.live))
        self.change(self.opened[-1])
        return self.opened[-1]


def clip(*colours: str, interval: float = 0.02) -> FakeSource:
    """A source that ends, with a frame every ``interval`` seconds of its own clock."""
    return FakeSource(list(colours), interval=interval, live=False)


class FakeWindow:
    """Keeps the shown pictures, and returns each key after the given number of pictures."""

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
    """Collects (name, facts) of emitted events."""

    def __call__(self, event: str, **facts: Any) -> None:
        self.append((event, facts))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


def app(
    source: Any,
    *,
    form: str = "lines",
    of: Session | None = None,
    window: Any = None,
    actions: Any = None,
    **settings: Any,
) -> App:
    journal = Journal(form, source.name)  # type: ignore[arg-type]
    made = App(of or session(), source, journal, actions=actions, settings=Settings(**settings))
    made.window = window
    return made


def run_until(made: App, condition: Callable[[], object]) -> Summary:
    """Run an app until a condition is true."""

    def wait() -> None:
        until(condition)
        made.stop()

    threading.Thread(target=wait, daemon=True).start()
    return made.run()


def raise_error(error: Exception) -> Callable[..., Any]:
    """A function that raises an error."""

    def fail(*_: object) -> Any:
        raise error

    return fail


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until another thread has made a condition true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def running_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"grabber", "model", "recorder", "actions"}
