"""How a program that runs until it is stopped is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM, which ends services, call ``end``, which must take no lock; the second one interrupts.

    An interrupt that is raised where it happens to come can leave a lock taken for ever: between a lock's acquisition
    and the ``with`` that would release it there is room for it. So the loop is told, and looks at its next turn.
    """

    def told(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        end()

    numbers = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What a shell in the background has ignored stays so.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP, by which services and closed terminals end a run, unwind it as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What is ignored, as nohup does, stays ignored.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
