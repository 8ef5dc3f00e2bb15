"""What goes wrong on a phone, in Chromium: the server stops, the camera goes, a button is tapped too early."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from browsing import says

from edgeshift.apps.phone import ErrorReported, RepeatMeasured, SelfCheckResult, ServerStopped

pytestmark = pytest.mark.slow

#: Counts cameras that are given, and gives them late.
SLOW_CAMERA = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.cameras = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    await new Promise((resolve) => setTimeout(resolve, 500));
    window.cameras.push(...stream.getTracks());
    return stream;
  };
}"""
#: Answers of the worker come late.
SLOW_ANSWERS = """
const handler = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage").set;
Object.defineProperty(Worker.prototype, "onmessage", {
  set(hear) {
    handler.call(this, (event) => setTimeout(() => hear.call(this, event), event.data.kind === "answered" ? 400 : 0));
  },
});
"""
#: "Stop timing" is tapped when the worker is told to do this.
STOP_AT = """(kind) => {
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (order, ...others) {
    post.call(this, order, ...others);
    if (order.kind === kind) document.getElementById("bench").click();
  };
}"""
HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
SHOW = """() => {
  delete document.visibilityState;
  document.dispatchEvent(new Event("visibilitychange"));
}"""
MUTE = """(muted) => {
  const [track] = document.getElementById("video").srcObject.getVideoTracks();
  Object.defineProperty(track, "muted", { value: muted, configurable: true });
  track.dispatchEvent(new Event(muted ? "mute" : "unmute"));
}"""


def tap(page: Any, *names: str) -> None:
    for name in names:
        page.locator(f"#{name}").click()


def unlocked(page: Any) -> bool:
    return all(page.locator(f"#{name}").is_enabled() for name in ("watch", "bench", "check", "choice", "mode"))


def start_camera(page: Any) -> None:
    tap(page, "tab-camera", "watch")
    says(page, "Running on")
    page.locator("#now-label", has_text="now:").wait_for()


def test_what_has_run_still_runs_when_the_server_has_stopped(opened):
    with opened("int8") as visit:
        page = visit.page
        tap(page, "tab-proof", "finished")
        says(page, "What has run on this page still runs")
        visit.thread.join(10)
        page.locator("#choice").select_option("CPU, 2 threads")  # its runtime was not fetched
        says(page, "CPU, 2 threads: the server is gone")
        assert page.locator("#choice").input_value() == "CPU, 1 thread" and unlocked(page)
        if page.locator("#choice option[value=WebGPU]").count():
            page.locator("#choice").select_option("WebGPU")
            says(page, "it runs on CPU, 1 thread again")
            assert page.locator("#choice").input_value() == "CPU, 1 thread" and unlocked(page)
        tap(page, "check")
        says(page, "The self-check passed")
        start_camera(page)
        tap(page, "watch")
        tap(page, "tab-timing", "bench")
        says(page, "the server is gone")  # the frames were never asked for
        assert unlocked(page)


def test_where_no_worker_starts_the_page_says_so_and_goes_on(opened):
    with opened("int8") as visit:
        page = visit.page
        page.evaluate(
            "() => { window.Whole = Worker; window.Worker = class { constructor() { throw Error('none'); } } }"
        )
        page.locator("#choice").select_option("CPU, 2 threads")
        says(page, "CPU, 2 threads: none; none")
        assert unlocked(page)
        tap(page, "tab-proof", "check")
        page.locator("#status", has_text="none").wait_for()
        tap(page, "tab-camera", "watch")
        page.locator("#watch", has_text="Start camera").wait_for()
        assert unlocked(page)
        page.evaluate("() => { window.Worker = window.Whole; }")
        tap(page, "tab-proof", "check")
        says(page, "The self-check passed")
        assert len(visit.of(SelfCheckResult, 1)) == 1


def test_a_runtime_that_does_not_come_is_told_and_the_controls_are_free(opened):
    def cut(page: Any) -> None:
        page.route("**/litert/*.wasm", lambda route: route.abort())

    with opened("int8", job={"mode": "rapid"}, before=cut) as visit:
        says(visit.page, "the server is gone")
        visit.thread.join(10)
        assert len(visit.of(ErrorReported, 1)) == 1 and visit.posted[-1] == ServerStopped("finished")
        assert unlocked(visit.page)


def test_threads_that_do_not_start_are_one_thread_in_the_list(opened):
    def cut(page: Any) -> None:
        page.route("**/*threaded*", lambda route: route.abort())

    with opened("int8", before=cut) as visit:
        visit.page.locator("#choice").select_option("CPU, 2 threads")
        says(visit.page, "it runs on LiteRT.js 2.5.3 (CPU, 1 thread")
        assert visit.page.locator("#choice").input_value() == "CPU, 1 thread"


@pytest.mark.parametrize("phase", ["open", "check", "bench"])
def test_timing_stops_at_once_in_every_phase(opened, phase):
    with opened("int8") as visit:
        page = visit.page
        tap(page, "tab-timing")
        page.locator("#mode").select_option("rapid")
        page.evaluate(STOP_AT, phase)
        begin = monotonic()
        tap(page, "bench")
        says(page, "timing was broken off: stopped by hand")
        page.locator("#bench", has_text="Start timing").wait_for()
        assert monotonic() - begin < 6  # as long as a repeat is at least
        assert unlocked(page) and len(visit.of(ErrorReported, 1)) == 1
        tap(page, "tab-proof", "check")
        says(page, "The self-check passed")
        assert visit.of(RepeatMeasured) == []


def test_a_run_that_was_asked_for_and_begun_again_by_hand_ends_the_command(opened):
    with opened("int8", job={"mode": "rapid"}) as visit:
        page = visit.page
        says(page, "Rapid: 1 of 1")
        tap(page, "bench")
        says(page, "broken off")
        tap(page, "bench")
        says(page, "Timed, and sent. The server has stopped")
        visit.thread.join(10)
        assert len(visit.of(RepeatMeasured, 1)) == 1 and visit.posted[-1] == ServerStopped("finished")


def test_signs_of_life_come_while_something_is_timed(opened):
    alive: list[str] = []

    def watch(page: Any) -> None:
        page.clock.install()
        page.on("request", lambda request: alive.append(request.url) if request.url.endswith("/alive") else None)

    with opened("int8", before=watch) as visit:
        page = visit.page
        tap(page, "tab-timing")
        page.locator("#mode").select_option("rapid")
        tap(page, "bench")
        says(page, "Rapid: 1 of 1")
        assert alive == []
        page.clock.fast_forward(61_000)
        page.wait_for_timeout(300)
        assert len(alive) == 1 and page.locator("#bench").inner_text() == "Stop timing"
        tap(page, "bench")


def test_a_second_tap_asks_for_no_second_camera(opened):
    with opened("int8") as visit:
        page = visit.page
        page.evaluate(SLOW_CAMERA)
        page.evaluate("() => { const { watch } = window; watch.click(); watch.click(); watch.click(); }")
        says(page, "Running on")
        tap(page, "watch")
        says(page, "The camera is off")
        assert page.evaluate("() => cameras.map((track) => track.readyState)") == ["ended"]
        tap(page, "watch", "tab-timing")  # nobody waits for it any more
        says(page, "The camera is off")
        page.wait_for_function("() => cameras.length === 2")
        page.wait_for_function("() => cameras.every((track) => track.readyState === 'ended')")
        assert unlocked(page) and page.locator("#watch").text_content() == "Start camera"


def test_a_camera_that_is_lost_is_told(opened):
    with opened("int8") as visit:
        page = visit.page
        start_camera(page)
        page.evaluate("() => video.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
        says(page, "the camera was lost")
        assert page.locator("#now-label").inner_text() == "no camera" and unlocked(page)
        assert "the camera was lost" in visit.of(ErrorReported, 1)[0].message
        start_camera(page)


def test_a_page_that_is_left_pauses_the_camera_and_begins_anew(opened):
    with opened("int8") as visit:
        page = visit.page
        resets = """() => {
          const post = Worker.prototype.postMessage;
          window.resets = 0;
          Worker.prototype.postMessage = function (order, ...others) {
            window.resets += order.kind === "reset" ? 1 : 0;
            post.call(this, order, ...others);
          };
        }"""
        start_camera(page)
        page.evaluate(resets)
        away = [(HIDE, None, "the page is hidden", SHOW, None), (MUTE, True, "gives no picture", MUTE, False)]
        for count, (leave, how, why, back, again) in enumerate(away):
            page.evaluate(leave, how)
            says(page, why)
            page.wait_for_timeout(700)  # the camera's frames are not looked at
            assert page.locator("#now-label").inner_text() == "paused"
            assert page.evaluate("() => window.resets") == count
            page.evaluate(back, again)
            says(page, "begun anew")
            assert page.evaluate("() => window.resets") == count + 1
            page.locator("#now-label", has_text="now:").wait_for()
        tap(page, "watch")


def test_an_answer_that_comes_after_the_camera_was_stopped_is_dropped(opened):
    with opened("int8", before=lambda page: page.add_init_script(SLOW_ANSWERS)) as visit:
        page = visit.page
        for _ in range(2):
            start_camera(page)
            page.wait_for_timeout(450)  # the next one is on its way
            tap(page, "watch")
            says(page, "The camera is off")
            page.wait_for_timeout(800)
            assert page.locator("#now-label").inner_text() == "no camera"
