"""Chromium without a head, driven from here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeshift.apps.phone import TimingPlan

ROOT = Path(__file__).parents[3]
#: Where pictures of the page are left, to look at.
LOOKS = ROOT / "build" / "phone" / "looks"
#: A clip, and what is shown in it. TimingFrames a second; the network takes four of them.
SCRIPT = "away 1, left 2, pause 1.5, circle 3, away 1.5, up 1.5, pause 1.5, square 4, away 2"
SHOWN = ["left", "circle", "up", "square"]
FPS = 20
MODES = {"rapid": TimingPlan(steps=64, seconds=6.0, repeats=1), "quick": TimingPlan(steps=128, seconds=10.0, repeats=3)}
#: Pictures of the camera's part that are put together for the documents: upright, and sideways.
UPRIGHT, SIDEWAYS = "camera_light_portrait.png", "camera_dark_780x390.png"
PORTRAIT, LANDSCAPE = {"width": 390, "height": 780}, {"width": 780, "height": 390}


@contextmanager
def browser(chromium: str, *arguments: str, **looks: Any) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--ignore-certificate-errors"]
    # The sandbox needs what a container or root may not have; what is opened here is our own.
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=chromium, args=[*flags, *arguments], chromium_sandbox=False)
        page = made.new_context(**{"viewport": PORTRAIT, "device_scale_factor": 2, **looks}).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        made.close()
    assert errors == []


def says(page: Any, text: str, seconds: float = 150) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_contain_text(text, timeout=seconds * 1e3)


def looks(name: str) -> Path:
    LOOKS.mkdir(parents=True, exist_ok=True)
    return LOOKS / name


def montage() -> None:
    """Put the two pictures side by side, if both are there: what docs/phone.jpg is a copy of."""
    import cv2
    import numpy as np

    if not all((LOOKS / name).is_file() for name in (UPRIGHT, SIDEWAYS)):
        return
    whole = np.full((580, 1160, 3), 236, np.uint8)
    for name, left, width, height in ((UPRIGHT, 30, 260, 520), (SIDEWAYS, 320, 810, 405)):
        top = (580 - height) // 2
        small = cv2.resize(cv2.imread(str(LOOKS / name)), (width, height), interpolation=cv2.INTER_AREA)
        whole[top : top + height, left : left + width] = small
    cv2.imwrite(str(LOOKS / "phone.jpg"), whole, [cv2.IMWRITE_JPEG_QUALITY, 92])
