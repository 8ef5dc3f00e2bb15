"""The slot between the threads: it keeps the newest frame, and counts frames that are not used."""

from __future__ import annotations

import threading
import time

from scene import frame, make_session

from edgeshift.apps.camera.engine.slot import FrameSlot


def make_slot():
    session = make_session()
    return FrameSlot(session.counters), session


def put(slot, session, timestamp):
    slot.put(captured := session.capture(frame("red"), timestamp, replaces=slot.waiting is not None))
    return captured


def test_the_model_gets_the_newest_frame_and_dropped_frames_are_counted():
    slot, session = make_slot()
    for index in range(5):
        put(slot, session, index / 30)
    assert slot.take(1.0).timestamp == 4 / 30
    assert (session.counters.dropped, session.counters.not_due) == (4, 0)
    assert slot.take(0.0) is None  # no frame is taken twice


def test_a_due_frame_that_waits_is_replaced_by_newer_frames_that_are_not_due():
    session = make_session(frame_spacing=1.0)
    slot = FrameSlot(session.counters)
    for timestamp in (0.0, 0.1, 0.2):
        put(slot, session, timestamp)
    captured = slot.take(1.0)
    assert captured.timestamp == 0.2 and not captured.due and captured.fitted is not None
    put(slot, session, 0.3)  # nothing waits any more: the next frame for the model is due at 1 s
    assert slot.take(0.0) is None
    put(slot, session, 1.0)
    assert slot.take(1.0).due
    assert (session.counters.dropped, session.counters.not_due) == (2, 1)


def test_a_frame_that_came_too_late_to_replace_another_is_not_fed():
    session = make_session(frame_spacing=1.0)
    slot = FrameSlot(session.counters)
    put(slot, session, 0.0)
    late = session.capture(frame("red"), 0.1, replaces=True)
    assert slot.take(1.0).timestamp == 0.0  # the model takes the first frame before the second one is put
    slot.put(late)
    assert slot.take(0.0) is None and session.counters.not_due == 1


def test_the_display_gets_each_frame_once_and_leaves_it_in_the_slot_for_the_model():
    slot, session = make_slot()
    captured = put(slot, session, 0.0)
    assert slot.newer(0) is captured and slot.newer(captured.number) is None
    assert slot.take(1.0) is captured


def test_newer_waits_until_a_frame_comes_or_the_timeout_has_passed():
    slot, session = make_slot()
    threading.Timer(0.05, put, (slot, session, 1.0)).start()
    assert slot.newer(0, 30.0) is not None
    begin = time.monotonic()
    assert slot.newer(1, 0.02) is None and time.monotonic() - begin >= 0.015


def test_wait_idle_waits_until_no_frame_waits_and_the_model_asks_for_the_next():
    slot, session = make_slot()
    put(slot, session, 0.0)

    def seconds_until_idle(timeout):
        begin = time.monotonic()
        slot.wait_idle(timeout)
        return time.monotonic() - begin

    assert seconds_until_idle(0.05) >= 0.045  # a frame waits
    slot.take(1.0)
    assert seconds_until_idle(0.05) >= 0.045  # the model works on it
    slot.take(0.0)
    assert seconds_until_idle(60.0) < 50


def test_the_last_frame_can_be_taken_after_the_source_has_ended():
    slot, session = make_slot()
    put(slot, session, 1.0)
    slot.close(ValueError("first"))
    slot.close(ValueError("second"))
    assert slot.closed and slot.take(30.0) is not None and slot.take(30.0) is None
    assert slot.newer(1, 30.0) is None
    assert str(slot.error) == "first"


def test_a_slow_reader_never_gets_an_old_frame():
    """One thread puts a frame every millisecond. Each frame that is taken is the newest one at that time."""
    slot, session = make_slot()
    stop, count = threading.Event(), [0]

    def camera() -> None:
        while not stop.wait(0.001):
            count[0] += 1
            put(slot, session, float(count[0]))

    thread = threading.Thread(target=camera)
    thread.start()
    taken = 0
    try:
        for _ in range(10):
            time.sleep(0.02)
            before = count[0]
            captured = slot.take(30.0)
            assert captured is not None and captured.timestamp >= before - 1  # the last one may not have been put yet
            taken += 1
    finally:
        stop.set()
        thread.join()
    assert 0 < session.counters.dropped <= count[0] - taken
