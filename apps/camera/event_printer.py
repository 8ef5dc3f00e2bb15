"""Prints the events of a run, as JSON lines or in words. Any thread may report an event; the main thread prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Literal

from edgeshift.events.spotter import Detection

Form = Literal["words", "lines", "silent"]


class EventPrinter:
    """Prints the events of a run.

    Args:
        form: "lines": print each event as a JSON object on a line of stdout. "words": print detections and labels on
            stdout and the other events on stderr, as text. "silent": print no detections and labels, because one JSON
            document follows on stdout; print the other events on stderr, as text.
        source: name of the source, for messages in words.
    """

    def __init__(self, form: Form, source: str) -> None:
        self._form, self._source = form, source
        self._queue: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()

    def emit(self, event: str, **facts: Any) -> None:
        """Report an event with its details. Any thread may call this."""
        self._queue.put((event, facts))

    def emit_detection(self, detection: Detection) -> None:
        """Report a detection, whose time is in seconds from the first frame. Any thread may call this."""
        facts = {"label": detection.label, "score": round(detection.score, 4)}
        self.emit("gesture", time=round(detection.timestamp, 3), **facts)

    def flush(self, timeout: float = 0.0) -> None:
        """Print the events that were reported. Call this from the main thread.

        Args:
            timeout: seconds to wait for the first event.

        Raises:
            BrokenPipeError: the reader of stdout has closed it.
        """
        try:
            event, facts = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
            while True:
                self._print(event, facts)
                event, facts = self._queue.get_nowait()
        except Empty:
            return

    def _print(self, event: str, facts: dict[str, Any]) -> None:
        if self._form == "lines" and event != "label":  # changes of a clip's label are printed in words only
            print(json.dumps({"event": event, **facts}), flush=True)
        elif event in ("label", "gesture"):
            if self._form == "words":
                print(f"{facts['time']:8.2f} s  {'>>> ' if event == 'gesture' else ''}{facts['label']}", flush=True)
        elif event in WORDS:
            print(f"edgeshift: {WORDS[event](self._source, facts)}", file=sys.stderr, flush=True)


WORDS: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "lost": lambda source, facts: f"source {source} is lost ({facts['reason']}); trying to open it again",
    "back": lambda source, facts: f"source {source} is back; the stream was reset",
    "microphone_lost": lambda _, facts: (
        f"microphone {facts['name']} is lost ({facts['reason']}); the frames are answered without it, and it is opened "
        "again as soon as possible"
    ),
    "microphone_back": lambda _, facts: f"microphone {facts['name']} is back",
    "microphone_ended": lambda _, facts: f"{facts['name']} has ended; the frames are answered without sound",
    "recording_sound": lambda _, facts: f"the sound is recorded as well: {facts['path']}",
    "failed": lambda source, facts: f"the command of {facts['label']!r} failed: {facts['reason']} ({facts['command']})",
    "switched": lambda source, facts: f"now running {facts['artifact']}; the stream was reset",
    "unsaved": lambda source, facts: f"not written: {facts['reason']}",
    "saved": lambda source, facts: f"written: {facts['path']}",
}
