"""Real windows on a virtual screen, and what is said where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgeshift.apps.camera.screen import why_no_screen
from edgeshift.apps.camera.window import KINDS, OpenCvWindow, TkWindow, open_window
from edgeshift.errors import EdgeshiftError


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """A virtual screen of 800x480 and the folder that its pixels are in."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed: no screen to draw on")
    folder = tmp_path_factory.mktemp("screen")
    read, write = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        "800x480x24",
        "-fbdir",
        str(folder),
        "-nolisten",
        "tcp",
    ]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    if not number:
        server.wait()
        pytest.skip("Xvfb does not start here")
    yield f":{number}", folder / "Xvfb_screen0"
    server.terminate()
    server.wait()


def pixels(path: Path):
    """What is on the screen: uint8 [480, 800, 3] RGB, out of an X window dump."""
    data = path.read_bytes()
    header = int.from_bytes(data[:4], "big")
    colours = int.from_bytes(data[76:80], "big")
    bytes_per_line = int.from_bytes(data[48:52], "big")
    rows = np.frombuffer(data, np.uint8, 480 * bytes_per_line, header + 12 * colours).reshape(480, bytes_per_line)
    return rows[:, : 800 * 4].reshape(480, 800, 4)[..., 2::-1]


#: Shows one colour, waits to be looked at, then reports a key that is "pressed" through Tk.
SHOW = """
import sys, time
import numpy as np
from edgeshift.apps.camera.window import open_window
window = open_window(sys.argv[1], fullscreen=sys.argv[2] == "full")
picture = np.zeros((240, 400, 3), np.uint8)
picture[:, :200] = 250, 120, 10
end = time.monotonic() + 30
print(window.room, flush=True)
while time.monotonic() < end:
    window.show(picture)
    if (key := window.key()) is not None:
        print(key, flush=True)
        break
    time.sleep(0.02)
window.close()
"""


def has_tk() -> bool:
    try:
        import tkinter  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_really_on_the_screen(screen, kind):
    display, path = screen
    if kind == "tk" and not has_tk():
        pytest.skip("tkinter is not installed")
    environ = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
    shower = subprocess.Popen(
        [sys.executable, "-c", SHOW, kind, "plain"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if shower.poll() is not None:
                error = shower.stderr.read()
                if kind == "opencv" and "has no window" in error:
                    pytest.skip("this OpenCV has no window")
                pytest.fail(error)
            orange = (pixels(path) == (250, 120, 10)).all(2)
            if orange.sum() > 0.9 * 200 * 240:
                break
            time.sleep(0.1)
        assert orange.sum() == pytest.approx(200 * 240, rel=0.1)
        assert shower.stdout.readline().strip() == ("(800, 480)" if kind == "tk" else "None")
        if shutil.which("xdotool"):
            subprocess.run(["xdotool", "mousemove", "100", "100", "key", "m"], env=environ, check=True)
            assert shower.stdout.readline().strip() == "m"
    finally:
        shower.kill()
        shower.communicate()


def test_a_plain_install_has_a_window(screen, monkeypatch):
    """OpenCV without a window: tkinter's is taken."""
    if not has_tk():
        pytest.skip("tkinter is not installed")
    monkeypatch.setenv("DISPLAY", screen[0])
    try:
        OpenCvWindow(False).close()
        wanted: type = OpenCvWindow
    except Exception as error:
        assert "has no window" in str(error)
        wanted = TkWindow
    window = open_window()
    assert type(window) is wanted
    window.show(np.zeros((48, 64, 3), np.uint8))
    assert window.key() is None
    window.close()


def test_without_a_screen_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(EdgeshiftError, match=r"DISPLAY is not set.*--headless, with --record out\.mp4") as caught:
        open_window()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("display", [":4321", "127.0.0.1:99", "nonsense", ":1;rm", "localhost:"])
def test_a_screen_that_does_not_answer(display):
    assert why_no_screen({"DISPLAY": display}) == f"the display {display!r} does not answer"


def test_a_screen_that_answers(screen, tmp_path):
    assert why_no_screen({"DISPLAY": screen[0]}) is None
    assert why_no_screen({"DISPLAY": f"{screen[0]}.0"}) is None
    (tmp_path / "wayland-0").touch()
    assert why_no_screen({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}) is None


def test_where_no_kind_works_it_says_what_to_install(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen[0])
    monkeypatch.setitem(sys.modules, "tkinter", None)
    try:
        open_window("opencv").close()
        pytest.skip("this OpenCV has a window")
    except EdgeshiftError as error:
        assert "pip install opencv-python" in str(error) and "\n" not in str(error)
    with pytest.raises(EdgeshiftError, match=r"no window.*tkinter is not installed.*pip install opencv-python"):
        open_window()
    with pytest.raises(EdgeshiftError, match="unknown window 'opencw'; did you mean opencv"):
        open_window("opencw")
