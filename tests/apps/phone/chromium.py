"""Opens pages in headless Chromium, and takes screenshots of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeshift.apps.phone import TimingPlan

#: Folder of the screenshots.
SCREENSHOTS = Path(__file__).parents[3] / "build" / "phone" / "screenshots"
#: The script of a drawn clip that Chromium plays in place of a camera, the clip's gestures, and its frame rate.
SCRIPT = "away 1, left 2, pause 1.5, circle 3, away 1.5, up 1.5, pause 1.5, square 4, away 2"
GESTURES = ["left", "circle", "up", "square"]
FPS = 20
MODES = {"rapid": TimingPlan(steps=64, seconds=6.0, repeats=1), "quick": TimingPlan(steps=128, seconds=10.0, repeats=3)}
PORTRAIT, LANDSCAPE = {"width": 390, "height": 780}, {"width": 780, "height": 390}
#: Screenshots of the tab "Camera" from which the picture in the documentation is made.
UPRIGHT, SIDEWAYS = "camera_light_portrait.png", "camera_dark_780x390.png"
#: Flags of Chromium: simulate a camera, do not ask the user for it, and ignore wrong certificates.
FLAGS = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--ignore-certificate-errors"]
#: Scripts that make the page believe that it is hidden, or shown again.
HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
SHOW = """() => {
  delete document.visibilityState;
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@contextmanager
def new_page(browser: Any, **settings: Any) -> Iterator[Any]:
    """Open a page in a browser context with the given settings. Fails if a script of the page raises an error."""
    context = browser.new_context(**{"viewport": PORTRAIT, "device_scale_factor": 2, **settings})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def expect_status(page: Any, text: str, seconds: float = 150) -> None:
    """Wait until the status line of the page contains a text."""
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_contain_text(text, timeout=seconds * 1e3)


def screenshot(page: Any, name: str) -> None:
    """Take a screenshot. When both screenshots of the tab "Camera" exist, put them side by side in phone.jpg."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / name)
    if name in (UPRIGHT, SIDEWAYS) and all((SCREENSHOTS / file).is_file() for file in (UPRIGHT, SIDEWAYS)):
        import cv2
        import numpy as np

        canvas = np.full((580, 1160, 3), 236, np.uint8)
        for file, left, width, height in ((UPRIGHT, 30, 260, 520), (SIDEWAYS, 320, 810, 405)):
            top = (580 - height) // 2
            small = cv2.resize(cv2.imread(str(SCREENSHOTS / file)), (width, height), interpolation=cv2.INTER_AREA)
            canvas[top : top + height, left : left + width] = small
        cv2.imwrite(str(SCREENSHOTS / "phone.jpg"), canvas, [cv2.IMWRITE_JPEG_QUALITY, 92])
