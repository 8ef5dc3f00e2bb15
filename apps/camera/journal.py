"""What happens, as lines: JSON for programs, or words. Threads tell it, the main thread prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Literal

from edgeshift.events.spotter import Detection

#: Events that are kept for the document at the end.
KEPT = 100_000

Form = Literal["words", "lines", "silent"]


class Journal:
    """Collects what happens.

    Args:
        form: "lines": each event is a JSON object on a line of stdout. "words": gestures on stdout, the rest on stderr.
            "silent": only what must be said at once, on stderr.
        source: its name, for the words.

    Attributes:
        events: the gestures, the first ``KEPT`` of them.
        lost: how often the camera was.
    """

    def __init__(self, form: Form, source: str) -> None:
        self.events: list[Detection] = []
        self.lost = 0
        self._form, self._source = form, source
        self._told: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()

    def gesture(self, event: Detection) -> None:
        """An event was announced. From any thread; its time counts from the first frame."""
        self.tell("gesture", time=round(event.timestamp, 3), label=event.label, score=round(event.score, 4))
        if len(self.events) < KEPT:
            self.events.append(event)

    def tell(self, event: str, **facts: Any) -> None:
        """Something happened. From any thread."""
        self._told.put((event, facts))

    def flush(self, timeout: float = 0.0) -> None:
        """Print what was told. For the main thread.

        Args:
            timeout: seconds to wait for the first.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        try:
            event, facts = self._told.get(timeout=timeout) if timeout else self._told.get_nowait()
            while True:
                self._print(event, facts)
                event, facts = self._told.get_nowait()
        except Empty:
            return

    def _print(self, event: str, facts: dict[str, Any]) -> None:
        self.lost += event == "lost"
        if self._form == "lines":
            print(json.dumps({"event": event, **facts}), flush=True)
        elif event == "gesture":
            if self._form == "words":
                print(f"{facts['time']:8.2f} s  >>> {facts['label']}", flush=True)
        elif event in WORDS:
            print(f"edgeshift: {WORDS[event](self._source, facts)}", file=sys.stderr, flush=True)


WORDS: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "lost": lambda source, facts: f"{source} is lost ({facts['reason']}): looking for it",
    "back": lambda source, facts: f"{source} is back; the stream begins anew",
    "failed": lambda source, facts: f"the command of {facts['label']!r} failed: {facts['reason']} ({facts['command']})",
    "switched": lambda source, facts: f"now running {facts['artifact']}; the stream begins anew",
    "unsaved": lambda source, facts: f"nothing was written: {facts['reason']}",
    "saved": lambda source, facts: f"written: {facts['path']}",
}
