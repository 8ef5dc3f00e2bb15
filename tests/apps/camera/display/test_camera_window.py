"""Real windows on a virtual screen, and the error messages without a screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from virtual_screen import SHOW, pixels, virtual_screen

from edgeshift.apps.camera.display import window as display_window
from edgeshift.apps.camera.display.window import KINDS, OpenCvWindow, TkWindow, _key_name, open_window, why_no_screen
from edgeshift.errors import EdgeshiftError, install_command
from edgeshift.video.clips import write_video


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """The name of a virtual X display of 800x480, and the file that holds its pixels."""
    with virtual_screen(tmp_path_factory.mktemp("screen")) as display:
        yield display


#: Starts the demo as a user does, but with a test double as the artifact, so that no runtime is needed.
DEMO = """
import sys
sys.path.insert(0, sys.argv[1])
from doubles import model, stream_spec
from edgeshift.apps.camera.engine import session
from edgeshift.cli import main
session.load = lambda *_, **__: model(stream_spec(frame_spacing=0.1))
main(sys.argv[2:])
"""


def test_the_screen_shows_the_demo(screen, tmp_path):
    """The screen shows the clip, which has a blue and a red half, and white letters beside or below it."""
    display, path = screen
    half = np.zeros((240, 320, 3), np.uint8)
    half[:, :160], half[:, 160:] = (0, 0, 200), (200, 0, 0)
    write_video(tmp_path / "clip.mp4", [half] * 100, 10)
    source = str(tmp_path / "clip.mp4")
    command = ["demo", "a.tflite", "--source", source, "--repeat", "--seconds", "120", "--size", "800x480"]
    demo = subprocess.Popen(
        [sys.executable, "-c", DEMO, str(Path(__file__).parents[3]), *command],
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        end = time.monotonic() + 60
        counts = (0, 0, 0)
        while time.monotonic() < end and min(counts) < 1000:
            if demo.poll() is not None:
                error = demo.stderr.read()
                if "no window can be opened" in error:
                    pytest.skip(error.strip())
                pytest.fail(error)
            shown = pixels(path).astype(int)
            blue = (shown[..., 2] > 150) & (shown[..., 0] < 60) & (shown[..., 1] < 60)
            red = (shown[..., 0] > 150) & (shown[..., 2] < 60) & (shown[..., 1] < 60)
            letters = (shown > 200).all(2)
            counts = (int(blue.sum()) // 20, int(red.sum()) // 20, int(letters.sum()))
            time.sleep(0.2)
        assert min(counts) >= 1000, counts
        # The clip is not mirrored: blue is to the left of red.
        assert np.nonzero(blue)[1].mean() < np.nonzero(red)[1].mean()
    finally:
        demo.terminate()
        _, err = demo.communicate(timeout=30)
    assert demo.returncode == 0 and "Traceback" not in err, err


def has_tk() -> bool:
    try:
        import tkinter  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_the_screen_shows_the_picture_of_each_kind_of_window(screen, kind):
    display, path = screen
    if kind == "tk" and not has_tk():
        pytest.skip("tkinter is not installed")
    environ = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW, kind, "plain"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if process.poll() is not None:
                error = process.stderr.read()
                if kind == "opencv" and "has no window" in error:
                    pytest.skip("this OpenCV has no window")
                pytest.fail(error)
            orange = (pixels(path) == (250, 120, 10)).all(2)
            if orange.sum() > 0.9 * 200 * 240:
                break
            time.sleep(0.1)
        assert orange.sum() == pytest.approx(200 * 240, rel=0.1)
        assert process.stdout.readline().strip() == ("(800, 480)" if kind == "tk" else "None")
        if shutil.which("xdotool"):
            subprocess.run(["xdotool", "mousemove", "100", "100", "key", "m"], env=environ, check=True)
            assert process.stdout.readline().strip() == "m"
    finally:
        process.kill()
        process.communicate()


def test_the_default_window_is_opencvs_or_if_there_is_none_tkinters(screen, monkeypatch):
    if not has_tk():
        pytest.skip("tkinter is not installed")
    monkeypatch.setenv("DISPLAY", screen[0])
    try:
        OpenCvWindow(False).close()
        expected: type = OpenCvWindow
    except Exception as error:
        assert "has no window" in str(error)
        expected = TkWindow
    window = open_window()
    assert type(window) is expected
    window.show(np.zeros((48, 64, 3), np.uint8))
    assert window.key() is None
    window.close()


def test_without_a_screen_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(EdgeshiftError, match=r"DISPLAY is not set.*--headless, and --record out\.mp4") as caught:
        open_window()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("display", [":4321", "127.0.0.1:99", "nonsense", ":1;rm", "localhost:"])
def test_a_display_that_does_not_answer_is_the_reason_for_no_window(display):
    assert why_no_screen({"DISPLAY": display}) == f"the display {display!r} does not answer"


def test_a_display_that_answers_can_have_a_window(screen, tmp_path):
    assert why_no_screen({"DISPLAY": screen[0]}) is None
    assert why_no_screen({"DISPLAY": f"{screen[0]}.0"}) is None
    (tmp_path / "wayland-0").touch()
    assert why_no_screen({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("installed", "commands"),
    [
        (["opencv-python-headless"], "run pip uninstall -y opencv-python-headless && "),
        (
            ["opencv-python", "opencv-python-headless"],
            "run pip uninstall -y opencv-python opencv-python-headless && ",
        ),
        ([], "run "),
        (["opencv-python"], None),
    ],
)
def test_the_remedy_leaves_one_opencv_behind(installed, commands, monkeypatch):
    monkeypatch.setattr(display_window, "_is_installed", lambda package: package in installed)
    expected = "" if commands is None else f"{commands}{install_command('window')}, or "
    assert display_window.how_to_install() == expected


def test_if_no_window_works_the_error_says_what_to_install(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen[0])
    monkeypatch.setitem(sys.modules, "tkinter", None)
    try:
        open_window("opencv").close()
        pytest.skip("this OpenCV has a window")
    except EdgeshiftError as error:
        assert install_command("window") in str(error) and "\n" not in str(error)
    pattern = "no window.*no window.*tkinter is not installed.*" + re.escape(install_command("window"))
    with pytest.raises(EdgeshiftError, match=pattern):
        open_window()
    with pytest.raises(EdgeshiftError, match="unknown window 'opencw'; did you mean opencv"):
        open_window("opencw")


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (ord("q"), "q"),
        (ord("Q") | 0x10000, "q"),  # Shift
        (ord("s") | 0x100000, "s"),  # Num Lock
        (27, "q"),
        (9 | 0x100000, "tab"),
        (0xFF51, None),  # left arrow; its lowest byte is the code of "Q"
        (0xFF52 | 0x100000, None),
        (0xFFE1, None),  # Shift alone
    ],
)
def test_key_codes_of_opencv_become_keys(code, key):
    assert _key_name(code) == key
