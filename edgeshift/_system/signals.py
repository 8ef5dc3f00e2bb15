"""Stop signals (Ctrl-C, SIGTERM, SIGHUP), handled so that a run can end in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def call_on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first Ctrl-C or SIGTERM while the block runs. The second signal raises KeyboardInterrupt.

    A KeyboardInterrupt can be raised between the acquisition of a lock and the ``with`` block that would release it:
    the lock would never be released. So ``stop`` only sets a flag, which the block checks. It must not acquire a lock.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    with _handled_by(handle, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def interrupt_on_stop() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM, which stops services, and at SIGHUP, which is sent by a closed terminal.

    Windows has no SIGHUP.
    """
    signals = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    with _handled_by(signal.default_int_handler, *signals):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], Any], *signals: signal.Signals) -> Iterator[None]:
    """Install a handler for signals while the block runs. Only the main thread can do this; elsewhere, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that is ignored stays ignored: a shell ignores SIGINT for jobs in the background, nohup ignores SIGHUP.
    before = {number: old for number in signals if (old := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
