"""The window of the demo: OpenCV's if OpenCV was built with one, otherwise tkinter's, which comes with Python."""

from __future__ import annotations

import importlib.metadata
import os
import re
import socket
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from edgeshift.errors import EdgeshiftError, install_command, one_line, unknown
from edgeshift.video.fit import Frame, opencv

TITLE = "edgeshift"
#: Longest time to wait for a connection to a display, seconds.
DISPLAY_TIMEOUT = 2.0
#: How to run without a window.
INSTEAD = "use --headless, and --record out.mp4 to see the picture later"
#: The packages that contain OpenCV, and whether OpenCV then has a window. All of them are the same folder, cv2.
OPENCV_PACKAGES = {
    "opencv-python": True,
    "opencv-contrib-python": True,
    "opencv-python-headless": False,
    "opencv-contrib-python-headless": False,
}


class Window(Protocol):
    """Shows pictures and returns pressed keys. Use it from the main thread.

    Attributes:
        screen_size: width and height of the screen, pixels; None: unknown, or the window scales pictures itself.
    """

    screen_size: tuple[int, int] | None

    def show(self, picture: Frame) -> None:
        """Show a picture: uint8 [H, W, 3] RGB."""
        ...

    def key(self) -> str | None:
        """Return the next pressed key in lower case; "q" also if the window was closed; None: no key was pressed."""
        ...

    def close(self) -> None:
        """Close the window."""
        ...


def open_window(kind: str = "auto", *, fullscreen: bool = False) -> Window:
    """Open a window.

    Args:
        kind: a name in ``KINDS``, or "auto" for the first one that works.
        fullscreen: fill the screen.

    Raises:
        EdgeshiftError: the kind is unknown, or no window works; the message names what to install or to use instead.
    """
    if kind != "auto" and kind not in KINDS:
        raise EdgeshiftError(unknown("window", kind, ("auto", *KINDS)))
    if reason := why_no_screen():
        raise EdgeshiftError(f"no window can be opened: {reason}; {INSTEAD}")
    reasons = []
    for name in KINDS if kind == "auto" else (kind,):
        try:
            return KINDS[name](fullscreen)
        except _NoWindowError as error:
            reasons.append(str(error))
    raise EdgeshiftError(f"no window can be opened: {'; '.join(reasons)}; {how_to_install()}{INSTEAD}")


def how_to_install() -> str:
    """Return the commands that replace OpenCV by one with a window, or "" if an OpenCV with a window is installed."""
    installed = [package for package in OPENCV_PACKAGES if _is_installed(package)]
    if installed and all(OPENCV_PACKAGES[package] for package in installed):
        return ""
    uninstall = f"pip uninstall -y {' '.join(installed)} && " if installed else ""
    return f"run {uninstall}{install_command('window')}, or "


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def why_no_screen(environ: Mapping[str, str] | None = None) -> str | None:
    """Return why no window can be opened here; None: a display accepts connections, or this is not Linux.

    Call this before a window is opened, because Qt ends the whole process if there is no screen.
    """
    environ = os.environ if environ is None else environ
    if sys.platform != "linux":
        return None
    wayland = environ.get("WAYLAND_DISPLAY")
    if wayland and (Path(environ.get("XDG_RUNTIME_DIR", "/run")) / wayland).exists():
        return None
    display = environ.get("DISPLAY")
    if not display:
        return "there is no display here (DISPLAY is not set)"
    if not _accepts_connections(display):
        return f"the display {display!r} does not answer"
    return None


class _NoWindowError(Exception):
    """This kind of window cannot be opened on this machine."""


class OpenCvWindow:
    """A window of OpenCV, which some builds of OpenCV lack."""

    screen_size: tuple[int, int] | None = None

    def __init__(self, fullscreen: bool) -> None:
        self._cv2: Any = opencv("showing pictures")
        match = re.search(r"^\s*GUI:\s*(\S+)", self._cv2.getBuildInformation(), re.MULTILINE)
        if match is None or match[1] == "NONE":
            raise _NoWindowError("this build of OpenCV has no window (opencv-python-headless)")
        try:
            # GUI_NORMAL: without the tool bar of OpenCV's Qt window.
            flags = self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO | self._cv2.WINDOW_GUI_NORMAL
            self._cv2.namedWindow(TITLE, flags)
            if fullscreen:
                self._cv2.setWindowProperty(TITLE, self._cv2.WND_PROP_FULLSCREEN, self._cv2.WINDOW_FULLSCREEN)
        except self._cv2.error as error:
            raise _NoWindowError(f"OpenCV's window does not open ({one_line(error, 80)})") from error
        self._sized, self._shown = fullscreen, False

    def show(self, picture: Frame) -> None:
        """Show a picture."""
        if not self._sized:
            self._cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._sized = True
        self._cv2.imshow(TITLE, self._cv2.cvtColor(picture, self._cv2.COLOR_RGB2BGR))
        self._shown = True

    def key(self) -> str | None:
        """Return the next pressed key."""
        code = self._cv2.pollKey() if hasattr(self._cv2, "pollKey") else self._cv2.waitKey(1)
        if code >= 0:
            return _key_name(code)
        if self._shown and self._cv2.getWindowProperty(TITLE, self._cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return None

    def close(self) -> None:
        """Close the window."""
        self._cv2.destroyAllWindows()
        self._cv2.waitKey(1)


class TkWindow:
    """A window of tkinter. It is slower than OpenCV's, because each picture is passed as the bytes of a PPM file."""

    def __init__(self, fullscreen: bool) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise _NoWindowError("tkinter is not installed (apt install python3-tk)") from error
        try:
            self._root = tkinter.Tk(className=TITLE)
        except tkinter.TclError as error:
            raise _NoWindowError(f"tkinter's window does not open ({one_line(error, 80)})") from error
        self._error = tkinter.TclError
        self._keys: deque[str] = deque()
        self._root.title(TITLE)
        self._root.configure(background="black")
        self._root.attributes("-fullscreen", fullscreen)
        self.screen_size: tuple[int, int] | None = (self._root.winfo_screenwidth(), self._root.winfo_screenheight())
        self._photo = tkinter.PhotoImage(master=self._root)
        self._image = tkinter.Label(self._root, image=self._photo, borderwidth=0, background="black")
        self._image.pack(expand=True)
        self._root.bind("<Key>", self._pressed)
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append("q"))

    def show(self, picture: Frame) -> None:
        """Show a picture."""
        height, width = picture.shape[:2]
        try:
            self._photo.configure(data=b"P6 %d %d 255\n" % (width, height) + picture.tobytes(), format="PPM")
            self._root.update()
        except self._error:  # the window was closed in the meantime
            self._keys.append("q")

    def key(self) -> str | None:
        """Return the next pressed key."""
        try:
            self._root.update()
        except self._error:
            return "q"
        return self._keys.popleft() if self._keys else None

    def close(self) -> None:
        """Close the window."""
        with suppress(self._error):
            self._root.destroy()

    def _pressed(self, event: Any) -> None:
        name = {"Escape": "q", "Tab": "tab", "space": " "}.get(event.keysym, event.char.lower())
        if name:
            self._keys.append(name)


def _accepts_connections(display: str) -> bool:
    match = re.fullmatch(r"(?:unix/)?([^:]*):(\d{1,4})(?:\.\d+)?", display)
    if not match:
        return False
    host, number = match[1], int(match[2])
    addresses: list[tuple[socket.AddressFamily, Any]] = [(socket.AF_INET, (host, 6000 + number))]
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"  # noqa: S108
        addresses = [(socket.AF_UNIX, f"\0{path}"), (socket.AF_UNIX, path)]
    for family, address in addresses:
        with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(DISPLAY_TIMEOUT)
            client.connect(address)
            return True
    return False


def _key_name(code: int) -> str | None:
    """Return the key for a key code of OpenCV; None: a key without a character.

    The upper bits are modifiers (GTK: 0x100000 for Num Lock and others, 0x10000 for Shift). The code must not
    be cut to its lowest byte: GTK's code of the left arrow is 0xFF51, and 0x51 is "Q".
    """
    character = code & 0xFFFF
    return {27: "q", 9: "tab"}.get(character, chr(character).lower()) if 0 < character <= 0xFF else None


KINDS: dict[str, type[OpenCvWindow] | type[TkWindow]] = {"opencv": OpenCvWindow, "tk": TkWindow}
