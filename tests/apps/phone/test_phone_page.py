"""The page in a real browser: Chromium without a head, a drawn clip for its camera, the trained network."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from browsing import FPS, LANDSCAPE, PORTRAIT, SHOWN, UPRIGHT, browser, looks, montage, says

from edgeshift.apps.phone import (
    ErrorReported,
    GestureDetected,
    PageOpened,
    RepeatMeasured,
    SelfCheckResult,
    ServerOptions,
    ServerStopped,
)
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.cli import main
from edgeshift.cli.phone_report import browser_settings
from edgeshift.cli.phone_visit import measure_in_browser
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import check_frames

pytestmark = pytest.mark.slow


def check(visit: Any, count: int = 1) -> SelfCheckResult:
    visit.page.locator("#tab-proof").click()
    visit.page.locator("#check").click()
    says(visit.page, "self-check")
    found = visit.of(SelfCheckResult, count)
    assert len(found) == count
    return found[-1]


def answers(path: Path) -> Any:
    """What the Python runtime says to the frames of the self-check."""
    model = load(path)
    stream, frame, expected = model.stream(), model.spec.frame, model.spec.check
    return np.array(
        [stream.step(f).logits for f in check_frames(expected.seed, len(expected.logits), frame.height, frame.width)]
    )


def announced(frames: Sequence[Any], path: Path) -> list[str]:
    """What Python's stream announces on the clip."""
    stream = load(path).stream()
    spotter, labels = stream.spotter(), []
    for index, frame in enumerate(frames):
        answer = stream.step(frame, index / FPS)
        event = spotter.feed(answer.logits, index / FPS) if answer.fresh else None
        labels += [event.label] if event else []
    return labels


#: Of the logits' range: the bounds of parity and of the self-check.
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-4), ("int8", 0.1)])
def test_the_browser_computes_what_python_computes(opened, precision, bound):
    with opened(precision) as visit:
        found = check(visit)
        assert found.ok and found.repeatable
        expected = answers(visit.path)
        assert np.abs(np.array(found.logits) - expected).max() <= bound * np.ptp(expected)
        (hello,) = visit.of(PageOpened, 1)
        assert hello.isolated and "Chrome" in hello.agent


def test_a_browser_that_computes_something_else_is_found_out_and_not_timed(opened, trained, tmp_path):
    whole = read_artifact(trained("int8"))
    logits = tuple(tuple(value + 2 for value in row) for row in whole.spec.check.logits)
    other = msgspec.structs.replace(whole.spec, check=msgspec.structs.replace(whole.spec.check, logits=logits))
    write_artifact(tmp_path / "other.tflite", whole.body, other)
    with opened(tmp_path / "other.tflite", job={"mode": "rapid"}) as visit:
        says(visit.page, "self-check FAILED")
        visit.thread.join(20)
        (found,) = visit.of(SelfCheckResult, 1)
        assert not found.ok and found.error == pytest.approx(2, abs=1.0)
        assert visit.of(RepeatMeasured) == [] and visit.posted[-1] == ServerStopped("finished")


def test_the_camera_shows_the_right_labels_in_order(opened, clip):
    path, frames = clip
    with opened("int8", f"--use-file-for-fake-video-capture={path}") as visit:
        page = visit.page
        page.locator("#watch").click()
        says(page, "Running on")
        page.locator("#history li").nth(len(SHOWN) - 1).wait_for(timeout=60_000)
        page.screenshot(path=looks(UPRIGHT))
        montage()
        page.locator("#watch").click()
        says(page, "The camera is off")
        labels = [event.label for event in visit.of(GestureDetected, len(SHOWN))]
        assert labels == SHOWN == announced(frames, visit.path)
        assert [text.split()[0] for text in page.locator("#history li").all_inner_texts()] == SHOWN[::-1]
        assert page.locator("#label").inner_text() == SHOWN[-1]


def test_a_measurement_arrives_as_a_report_that_compares(chromium, trained, tmp_path, capsys):
    """By the way that `edgeshift bench --device browser` goes."""
    pytest.importorskip("cv2")
    settings = browser_settings("rapid")
    urls: queue.Queue[str] = queue.Queue()
    reports: list[Any] = []

    def say(text: str) -> None:
        for word in text.split():
            if word.startswith("http://"):
                urls.put(word)

    def work() -> None:
        reports.append(
            measure_in_browser(trained("int8"), settings, "cpu", ServerOptions(localhost=True, idle=200.0), say)
        )

    trained("int8")
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with browser(chromium) as page:
        page.goto(urls.get(timeout=20))
        says(page, "The server has stopped")
        page.screenshot(path=looks("timing_light_portrait.png"))
    thread.join(10)
    (report,) = reports
    out = tmp_path / "browser.json"
    out.write_bytes(msgspec.json.encode(report))
    (subject,) = report.subjects
    assert report.device == "browser" and len(subject.repeats) == 3 and subject.lost is None
    for repeat in subject.repeats:
        assert repeat.checked and len(repeat.end_to_end) >= 64 and repeat.seconds >= 6
        assert min(repeat.infer) > 0 and repeat.runtime.startswith("LiteRT.js")
        parts = np.array([repeat.pre, repeat.infer, repeat.post]).sum(0)
        assert np.allclose(parts, repeat.end_to_end, atol=1.0)
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(out), str(out)])
    said = capsys.readouterr().err
    if all(repeat.warm for repeat in subject.repeats):
        assert not ended.value.code, said
    else:  # on a machine that is busy with other work, and only then
        assert ended.value.code == 3 and "had not settled" in said


def test_threads_share_memory_over_https(opened):
    pytest.importorskip("cryptography")
    with opened("fp32", localhost=False, host="127.0.0.1") as visit:
        visit.page.locator("#choice").select_option("CPU, 2 threads")
        says(visit.page, "2 threads")
        assert check(visit).threads == 2 and visit.of(SelfCheckResult)[-1].ok


def test_webgpu_computes_the_same_where_there_is_one(opened):
    """Here a software stand-in for a graphics unit: what is right, not how fast."""
    flags = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
    with opened("fp32", *flags) as visit:
        if visit.of(PageOpened, 1)[0].gpu is None:
            pytest.skip("this Chromium has no WebGPU, not even in software")
        visit.page.locator("#choice").select_option("WebGPU")
        says(visit.page, "Ready: LiteRT.js 2.5.3 (WebGPU fp32)")
        found = check(visit)
        assert found.accelerator == "webgpu" and found.ok


def test_a_page_that_is_left_stops_timing_and_can_begin_again(opened):
    leave = """() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
      delete document.visibilityState;
    }"""
    with opened("int8") as visit:
        page = visit.page
        page.locator("#tab-timing").click()
        page.locator("#mode").select_option("rapid")
        page.locator("#bench").click()
        says(page, "Rapid: 1 of 1")
        page.evaluate(leave)
        page.locator("#bench", has_text="Start timing").wait_for()
        assert any("the page was left" in trouble.message for trouble in visit.of(ErrorReported, 1))
        assert visit.of(RepeatMeasured) == []
        page.locator("#bench").click()
        says(page, "Rapid: done")
        assert len(visit.of(RepeatMeasured, 1)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [PORTRAIT, LANDSCAPE, {"width": 320, "height": 568}], ids=["portrait", "landscape", "small"]
)
def test_it_fits_the_screen_and_is_named_for_readers(opened, clip, scheme, size):
    path, _ = clip
    how = {"color_scheme": scheme, "viewport": size}
    with opened("int8", f"--use-file-for-fake-video-capture={path}", looks=how) as visit:
        page = visit.page
        page.locator("#watch").click()
        page.locator("#history li").first.wait_for(timeout=60_000)
        assert page.get_by_role("button", name="The other camera").count() == 1
        for part in ("camera", "timing", "proof"):
            page.locator(f"#tab-{part}").click()
            page.screenshot(path=looks(f"{part}_{scheme}_{size['width']}x{size['height']}.png"))
            montage()
            wide = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert wide[0] <= size["width"] and wide[1] <= size["height"]
            for button in page.locator("button:visible, select:visible").all():
                box = button.bounding_box()
                assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"], button.inner_text()
                assert box["y"] + box["height"] <= size["height"] and box["height"] >= 40, button.inner_text()
                assert button.evaluate("(one) => one.ariaLabel || one.labels?.[0]?.innerText || one.innerText")
        assert page.locator("#label").get_attribute("aria-live") == "assertive"
        says(page, "The camera is off")  # nobody looks at it any more
