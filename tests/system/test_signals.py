"""Stop signals call a function first, or raise KeyboardInterrupt. The old handlers are restored after the block."""

from __future__ import annotations

import signal
import threading

import pytest

from edgeshift._system.signals import call_on_stop, interrupt_on_stop

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def the_handlers_are_restored():
    before = [signal.getsignal(number) for number in STOP]
    yield
    assert [signal.getsignal(number) for number in STOP] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_calls_the_function_and_the_second_interrupts(number):
    calls = []
    with pytest.raises(KeyboardInterrupt), call_on_stop(lambda: calls.append(1)):
        signal.raise_signal(number)
        assert calls == [1]
        signal.raise_signal(number)
    assert calls == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_run_interrupt_it(number):
    with pytest.raises(KeyboardInterrupt), interrupt_on_stop():
        signal.raise_signal(number)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt_on_stop():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_other_threads_the_handlers_are_unchanged():
    def work():
        with call_on_stop(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
