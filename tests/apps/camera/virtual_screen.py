"""A virtual X display whose pixels tests read, and a program that shows one picture in a window."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

#: Shows a picture with an orange half until a key is pressed, and prints the size of the screen and the key.
SHOW = """
import sys, time
import numpy as np
from edgeshift.apps.camera.display.window import open_window
window = open_window(sys.argv[1], fullscreen=sys.argv[2] == "full")
picture = np.zeros((240, 400, 3), np.uint8)
picture[:, :200] = 250, 120, 10
end = time.monotonic() + 120
print(window.screen_size, flush=True)
while time.monotonic() < end:
    window.show(picture)
    if (key := window.key()) is not None:
        print(key, flush=True)
        break
    time.sleep(0.02)
window.close()
"""


@contextmanager
def virtual_screen(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of a virtual display of 800x480, and the file that holds its pixels. Skip without Xvfb."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed: no screen to draw on")
    read, write = os.pipe()
    size = ["-screen", "0", "800x480x24"]
    options = ["-displayfd", str(write), *size, "-fbdir", str(folder), "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(["Xvfb", *options], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    if not number:
        server.wait()
        pytest.skip("Xvfb does not start here")
    try:
        yield f":{number}", folder / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait()


def pixels(path: Path) -> Any:
    """Return the pixels of the screen, uint8 [480, 800, 3] RGB, from an X window dump."""
    data = path.read_bytes()
    header = int.from_bytes(data[:4], "big")
    colours = int.from_bytes(data[76:80], "big")
    bytes_per_line = int.from_bytes(data[48:52], "big")
    rows = np.frombuffer(data, np.uint8, 480 * bytes_per_line, header + 12 * colours).reshape(480, bytes_per_line)
    return rows[:, : 800 * 4].reshape(480, 800, 4)[..., 2::-1]


def orange_pixels(path: Path) -> int:
    """Return how many pixels of the screen have the colour of the program ``SHOW``; 48,000 when it is shown."""
    return int((pixels(path) == (250, 120, 10)).all(2).sum())
