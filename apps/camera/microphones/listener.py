"""``Listener``: the thread that reads a microphone. It opens the microphone again when it was lost."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic

from edgeshift.apps.camera.microphones.base import Emit, Microphone, Piece
from edgeshift.apps.camera.microphones.clock import SoundClock
from edgeshift.errors import SoundError, one_line

#: Most seconds of sound that wait for the model. Older pieces are dropped, which the model sees as a gap.
KEPT = 10.0
#: Shortest and longest wait before an attempt to open a lost microphone, seconds. Each wait is twice the one before.
FIRST_WAIT, LAST_WAIT = 0.5, 8.0
#: Longest time that ``stop`` waits for the thread, seconds, because a driver may hang.
STOP_TIMEOUT = 1.0


class Listener:
    """Reads a microphone until it ends or is stopped, and keeps the newest pieces. Its times are ``time.monotonic``.

    Args:
        microphone: the microphone. It is opened here, and opened again when it is lost.

    Raises:
        SoundError: the microphone cannot be opened.
    """

    follows_clip = False

    def __init__(self, microphone: Microphone) -> None:
        self.name, self.through = microphone.name, microphone.through
        self.lost, self.losses = False, 0
        self._microphone, self._open = microphone, microphone.open()
        self.rate = self._open.rate
        self._emit: Emit = _ignore
        self._pieces: deque[Piece] = deque()
        self._seconds, self._gap = 0.0, False  # of all pieces; whether samples before the oldest piece were dropped
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)

    def start(self, emit: Emit) -> None:
        """Start the thread.

        Args:
            emit: called from the thread with "microphone_lost" (name=, reason=), "microphone_back" (name=) and
                "microphone_ended" (name=).
        """
        self._emit = emit
        self._thread.start()

    def take(self, until: float) -> list[Piece]:
        """Return the pieces up to this time that were not taken yet, the oldest first. Never waits for samples."""
        taken = []
        with self._lock:
            while self._pieces and self._pieces[0].timestamp < until:
                piece = self._pieces.popleft()
                if self._gap:
                    piece, self._gap = Piece(piece.samples, piece.timestamp, piece.rate, gap=True), False
                count = round(min(until - piece.timestamp, KEPT) * piece.rate)
                if count < len(piece.samples):  # the rest is for the next frame
                    rest = Piece(piece.samples[count:], piece.timestamp + count / piece.rate, piece.rate)
                    self._pieces.appendleft(rest)
                    piece = Piece(piece.samples[:count], piece.timestamp, piece.rate, piece.gap)
                    if not count:
                        self._gap = piece.gap
                        break
                self._seconds -= len(piece.samples) / piece.rate
                taken.append(piece)
        return taken

    def stop(self) -> None:
        """End the thread. If the driver hangs, the thread is left running; it does not keep the process alive."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)
        else:
            self._open.close()

    def _listen(self) -> None:
        try:
            while self._read_all():
                if not self._reopen():
                    return
        finally:
            self._open.close()

    def _read_all(self) -> bool:
        """Read until the end, until ``stop`` or until the microphone is lost. Returns whether it is lost."""
        clock, lost = SoundClock(self._open.rate), self.losses > 0
        while not self._stopping.is_set():
            try:
                block = self._open.read()
            except SoundError as error:
                self.lost = True
                self.losses += 1
                self._emit("microphone_lost", name=self.name, reason=one_line(error))
                return not self._stopping.is_set()
            if block is None:
                self._emit("microphone_ended", name=self.name)
                return False
            arrival = monotonic()
            if block.lost:
                clock.restart()
            if len(block.samples):
                timestamp, unreported = clock.stamp(len(block.samples), arrival)
                self._put(Piece(block.samples, timestamp, clock.rate, gap=lost or block.lost or unreported))
                lost = False
            else:
                lost = lost or block.lost
        return False

    def _put(self, piece: Piece) -> None:
        with self._lock:
            self._pieces.append(piece)
            self._seconds += len(piece.samples) / piece.rate
            while self._seconds > KEPT:
                dropped = self._pieces.popleft()
                self._seconds -= len(dropped.samples) / dropped.rate
                self._gap = True

    def _reopen(self) -> bool:
        """Try to open the microphone until it opens. Returns False if ``stop`` was called before that."""
        self._open.close()
        wait = FIRST_WAIT
        while not self._stopping.wait(wait):
            try:
                self._open = self._microphone.open()
            except SoundError:
                wait = min(2 * wait, LAST_WAIT)
                continue
            self.lost = False
            self._emit("microphone_back", name=self.name)
            return True
        return False


def _ignore(event: str, **facts: object) -> None:
    """Report nothing: the run has not started."""
