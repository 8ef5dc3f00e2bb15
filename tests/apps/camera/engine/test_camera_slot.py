"""The newest frame: who is slow misses frames, and knows how many."""

from __future__ import annotations

import threading
import time

from scene import frame

from edgeshift.apps.camera.engine.slot import NewestFrame


def test_only_the_newest_is_there_and_the_rest_are_counted():
    slot = NewestFrame()
    reader = slot.reader()
    slot.put(frame("red"), 0.0)
    assert (shot := reader.take()) and shot.timestamp == 0.0 and reader.dropped == 0
    for index in range(1, 5):
        slot.put(frame("red"), index / 30)
    assert (shot := reader.take()) and shot.timestamp == 4 / 30 and shot.number == 5
    assert reader.dropped == 3
    assert reader.take() is None  # never the same one twice


def test_readers_do_not_take_frames_from_each_other():
    slot = NewestFrame()
    quick, slow = slot.reader(), slot.reader()
    for index in range(3):
        slot.put(frame("red"), float(index))
        assert quick.take() is not None
    assert (shot := slow.take()) and shot.timestamp == 2.0
    # A reader begins with what is there: what was before it is nobody's loss.
    assert quick.dropped == slow.dropped == 0


def test_a_reader_wakes_when_a_frame_comes_and_gives_up_in_time():
    slot = NewestFrame()
    reader = slot.reader()
    threading.Timer(0.05, slot.put, (frame("red"), 1.0)).start()
    shot = reader.take(5.0)
    assert shot is not None and time.monotonic() - shot.arrived < 2
    begin = time.monotonic()
    assert reader.take(0.02) is None and time.monotonic() - begin >= 0.015


def test_the_last_frame_outlives_the_source():
    slot = NewestFrame()
    reader = slot.reader()
    slot.put(frame("red"), 1.0)
    slot.close(ValueError("first"))
    slot.close(ValueError("second"))
    assert slot.closed and not reader.ended
    assert reader.take(5.0) is not None
    assert reader.ended and reader.take(5.0) is None  # at once
    assert str(slot.error) == "first"


def test_a_slow_reader_never_gets_an_old_frame():
    """One thread puts a frame every millisecond; whatever is taken is the newest there is."""
    slot, stop = NewestFrame(), threading.Event()
    reader = slot.reader()
    count = [0]

    def camera() -> None:
        while not stop.wait(0.001):
            count[0] += 1
            slot.put(frame("red"), float(count[0]))

    thread = threading.Thread(target=camera)
    thread.start()
    taken = 0
    try:
        for _ in range(10):
            time.sleep(0.02)
            before = count[0]
            shot = reader.take(1.0)
            assert shot is not None and shot.timestamp >= before - 1  # which may just not have been put yet
            taken += 1
    finally:
        stop.set()
        thread.join()
    assert 0 < reader.dropped <= count[0] - taken
