"""The page in headless Chromium, with the shipped weights and a drawn clip in place of a camera."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from chromium import FPS, GESTURES, HIDE, LANDSCAPE, PORTRAIT, SHOW, UPRIGHT, expect_status, new_page, screenshot

from edgeshift.apps.phone import ServerOptions
from edgeshift.apps.phone.messages import (
    ErrorReported,
    GestureDetected,
    PageOpened,
    RepeatMeasured,
    SelfCheckResult,
    ServerStopped,
)
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.cli import main
from edgeshift.cli.phone_visit import measure_in_browser
from edgeshift.cli.settings import mode_settings
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import check_frames

pytestmark = pytest.mark.slow


def run_self_check(visit: Any) -> SelfCheckResult:
    visit.page.locator("#tab-check").click()
    visit.page.locator("#check-button").click()
    expect_status(visit.page, "self-check")
    (result,) = visit.events(SelfCheckResult, 1)
    return result


def python_logits(path: Path) -> Any:
    """Return the logits of the Python runtime for the frames of the self-check."""
    model = load(path)
    stream, frame, check = model.stream(), model.spec.frame, model.spec.check
    frames = check_frames(check.seed, len(check.logits), frame.height, frame.width)
    return np.array([stream.step(pixels).logits for pixels in frames])


def python_detections(frames: Sequence[Any], path: Path) -> list[str]:
    """Return the labels that are announced for the clip in Python."""
    stream = load(path).stream()
    spotter, labels = stream.spotter(), []
    for index, frame in enumerate(frames):
        prediction = stream.step(frame, index / FPS)
        event = spotter.feed(prediction.logits, index / FPS) if prediction.fresh else None
        labels += [event.label] if event else []
    return labels


# The bounds are shares of the range of the logits: the limit of parity for fp32, and of the self-check for int8.
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-4), ("int8", 0.1)])
def test_the_browser_computes_the_logits_of_the_python_runtime(open_page, precision, bound):
    with open_page(precision) as visit:
        result = run_self_check(visit)
        assert result.ok and result.repeatable
        expected = python_logits(visit.path)
        assert np.abs(np.array(result.logits) - expected).max() <= bound * np.ptp(expected)
        (opened,) = visit.events(PageOpened, 1)
        assert opened.isolated and "Chrome" in opened.agent


def test_a_clip_artifact_is_checked_timed_and_shown_by_answers(open_page, clip_artifact, clip, tmp_path):
    """The artifact takes 4 frames and answers every 3 frames."""
    artifact = read_artifact(clip_artifact)
    trained = msgspec.structs.replace(artifact.spec.weights, trained=True)  # else the page begins with a warning
    write_artifact(tmp_path / "a.tflite", artifact.body, msgspec.structs.replace(artifact.spec, weights=trained))
    with open_page(tmp_path / "a.tflite", clip[0], settings={"permissions": ["camera"]}) as visit:
        page = visit.page
        result = run_self_check(visit)
        expected = np.array(artifact.spec.check.logits)
        assert result.ok and result.state_error is None and len(result.logits) == len(expected) == 4
        assert np.abs(np.array(result.logits) - expected).max() <= 1e-4 * np.ptp(expected)
        page.locator("#tab-camera").click()
        page.locator("#camera-button").click()
        page.wait_for_function("() => document.querySelector('#times')?.textContent.includes('per frame')")
        assert page.locator("#current-label").inner_text().startswith("now: ")
        page.locator("#camera-button").click()
        page.locator("#tab-timing").click()
        page.locator("#mode").select_option("rapid")
        assert "at least 64 answers" in page.locator("#plan").inner_text()
        page.locator("#timing-button").click()
        expect_status(page, "done, 1 of 1 repeats")
        results = page.locator("#results").inner_text()
        assert "per frame p50" in results and "answers, each for 3 frames" in results
        (repeat,) = visit.events(RepeatMeasured, 1)
        assert repeat.checked and repeat.steps >= 64
        parts = np.add(np.add(repeat.pre, repeat.infer), repeat.post)
        # Most steps have the frames that are only kept in their time to prepare the input.
        assert np.median(repeat.end_to_end) == pytest.approx(np.median(parts), rel=0.1)


def test_the_notes_of_a_model_stay_on_the_page(open_page, shipped, tmp_path):
    artifact = read_artifact(shipped("int8"))
    notes = ("sound segment not converted: only the video is used", "<b>another note</b>")
    write_artifact(tmp_path / "a.tflite", artifact.body, msgspec.structs.replace(artifact.spec, notes=notes))
    with open_page(tmp_path / "a.tflite") as visit:
        assert visit.page.locator("#notes").inner_text() == "; ".join(notes)
        assert run_self_check(visit).ok
        assert visit.page.locator("#notes").is_visible()
    with open_page("int8") as visit:
        assert run_self_check(visit).ok and visit.page.locator("#notes").is_hidden()


def test_an_artifact_that_fails_its_self_check_is_not_timed(open_page, shipped, tmp_path):
    artifact = read_artifact(shipped("int8"))
    logits = tuple(tuple(value + 2 for value in row) for row in artifact.spec.check.logits)
    check = msgspec.structs.replace(artifact.spec.check, logits=logits)
    write_artifact(tmp_path / "other.tflite", artifact.body, msgspec.structs.replace(artifact.spec, check=check))
    with open_page(tmp_path / "other.tflite", job={"mode": "rapid"}) as visit:
        expect_status(visit.page, "self-check FAILED")
        visit.server.thread.join(20)
        (result,) = visit.events(SelfCheckResult, 1)
        assert not result.ok and result.error == pytest.approx(2, abs=1.0)
        assert visit.events(RepeatMeasured) == [] and visit.server.events[-1] == ServerStopped("finished")


def test_the_camera_tab_detects_the_gestures_of_the_clip_in_order(open_page, clip):
    flag, frames = clip
    with open_page("int8", flag) as visit:
        page = visit.page
        page.locator("#camera-button").click()
        expect_status(page, "Running on")
        page.locator("#detections li").nth(len(GESTURES) - 1).wait_for(timeout=60_000)
        screenshot(page, UPRIGHT)
        page.locator("#camera-button").click()
        expect_status(page, "The camera is off")
        labels = [event.label for event in visit.events(GestureDetected, len(GESTURES))]
        assert labels == GESTURES == python_detections(frames, visit.path)
        assert [text.split()[0] for text in page.locator("#detections li").all_inner_texts()] == GESTURES[::-1]
        assert page.locator("#detected").inner_text() == GESTURES[-1]


def test_a_measurement_becomes_a_report_that_compare_accepts(browser_with, shipped, tmp_path, capsys):
    """The test requests the measurement as `edgeshift bench --device browser` does."""
    pytest.importorskip("cv2")
    urls: queue.Queue[str] = queue.Queue()
    reports: list[Any] = []
    path = shipped("int8")

    def find_url(text: str) -> None:
        for word in text.split():
            if word.startswith("http://"):
                urls.put(word)

    def measure() -> None:
        options = ServerOptions(localhost=True, idle=200.0)
        reports.append(measure_in_browser(path, mode_settings("rapid"), "cpu", options, find_url))

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    with new_page(browser_with()) as page:
        page.goto(urls.get(timeout=20))
        expect_status(page, "The server has stopped")
        screenshot(page, "timing_light_portrait.png")
    thread.join(10)
    (report,) = reports
    out = tmp_path / "browser.json"
    out.write_bytes(msgspec.json.encode(report))
    (subject,) = report.subjects
    assert report.device == "browser" and len(subject.repeats) == 3 and subject.lost is None
    for repeat in subject.repeats:
        assert repeat.checked and len(repeat.end_to_end) >= 64 and repeat.seconds >= 6
        assert min(repeat.infer) > 0 and repeat.runtime.startswith("LiteRT.js")
        phases = np.array([repeat.pre, repeat.infer, repeat.post]).sum(0)
        assert np.allclose(phases, repeat.end_to_end, atol=1.0)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--allow-invalid", str(out), str(out)])
    errors = capsys.readouterr().err
    if all(repeat.warm for repeat in subject.repeats):
        assert not ended.value.code, errors
    else:  # only on a machine that is busy with other work
        assert ended.value.code == 3 and "settle" in errors


def test_two_threads_work_over_https(open_page):
    pytest.importorskip("cryptography")
    with open_page("fp32", localhost=False, host="127.0.0.1") as visit:
        visit.page.locator("#backend").select_option("CPU, 2 threads")
        expect_status(visit.page, "2 threads")
        result = run_self_check(visit)
        assert result.threads == 2 and result.ok


def test_webgpu_passes_the_self_check(open_page):
    """Chromium's software GPU shows whether the results are correct. It cannot show how fast a real GPU is."""
    flags = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
    with open_page("fp32", *flags) as visit:
        if visit.events(PageOpened, 1)[0].gpu is None:
            pytest.skip("this Chromium has no WebGPU, not even in software")
        visit.page.locator("#backend").select_option("WebGPU")
        expect_status(visit.page, "Ready: LiteRT.js 2.5.3 (WebGPU fp32)")
        result = run_self_check(visit)
        assert result.accelerator == "webgpu" and result.ok


def test_a_hidden_page_stops_timing_and_can_start_again(open_page):
    with open_page("int8") as visit:
        page = visit.page
        page.locator("#tab-timing").click()
        page.locator("#mode").select_option("rapid")
        page.locator("#timing-button").click()
        expect_status(page, "Rapid: repeat 1 of 1")
        page.evaluate(HIDE)
        page.evaluate(SHOW)
        page.locator("#timing-button", has_text="Start timing").wait_for()
        assert any("the page was hidden" in error.message for error in visit.events(ErrorReported, 1))
        assert visit.events(RepeatMeasured) == []
        page.locator("#timing-button").click()
        expect_status(page, "Rapid: done")
        assert len(visit.events(RepeatMeasured, 1)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [PORTRAIT, LANDSCAPE, {"width": 320, "height": 568}], ids=["portrait", "landscape", "small"]
)
def test_every_tab_fits_the_screen_and_every_control_has_a_name(open_page, clip, scheme, size):
    with open_page("int8", clip[0], settings={"color_scheme": scheme, "viewport": size}) as visit:
        page = visit.page
        page.locator("#camera-button").click()
        page.locator("#detections li").first.wait_for(timeout=60_000)
        assert page.get_by_role("button", name="Switch camera").count() == 1
        for tab in ("camera", "timing", "check"):
            page.locator(f"#tab-{tab}").click()
            screenshot(page, f"{tab}_{scheme}_{size['width']}x{size['height']}.png")
            used = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert used[0] <= size["width"] and used[1] <= size["height"]
            for control in page.locator("button:visible, select:visible").all():
                box = control.bounding_box()
                assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"], control.inner_text()
                assert box["y"] + box["height"] <= size["height"] and box["height"] >= 40, control.inner_text()
                assert control.evaluate("(item) => item.ariaLabel || item.labels?.[0]?.innerText || item.innerText")
        assert page.locator("#detected").get_attribute("aria-live") == "assertive"
        expect_status(page, "The camera is off")  # another tab was opened
