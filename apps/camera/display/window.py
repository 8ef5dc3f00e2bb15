"""A window for the picture: OpenCV's own where it has one, else tkinter's, which comes with Python."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Protocol

from edgeshift.apps.camera.display.screen import why_no_screen
from edgeshift.errors import EdgeshiftError, one_line, unknown
from edgeshift.video.fit import Frame, opencv

TITLE = "edgeshift"
#: What to do without a window, and how to get one.
INSTEAD = "use --headless, with --record out.mp4 to see it later"
INSTALL = "pip uninstall opencv-python-headless, then pip install opencv-python"


class Window(Protocol):
    """Shows pictures and hears keys. For the main thread.

    Attributes:
        room: (width, height) of the screen; None: not known, or the window shrinks its pictures itself.
    """

    room: tuple[int, int] | None

    def show(self, picture: Frame) -> None:
        """Show a picture: uint8 [H, W, 3] RGB."""
        ...

    def key(self) -> str | None:
        """The next key that was pressed, lower case; "q" too if the window was closed; None: none."""
        ...

    def close(self) -> None:
        """Take it away."""
        ...


def open_window(kind: str = "auto", *, fullscreen: bool = False) -> Window:
    """Open a window.

    Args:
        kind: of ``KINDS``, or "auto" for the first that works.

    Raises:
        EdgeshiftError: none works; one line with what to install, or what to use instead.
    """
    if kind != "auto" and kind not in KINDS:
        raise EdgeshiftError(unknown("window", kind, ("auto", *KINDS)))
    if why := why_no_screen():
        raise EdgeshiftError(f"no window can be opened: {why}; {INSTEAD}")
    reasons = []
    for name in KINDS if kind == "auto" else (kind,):
        try:
            return KINDS[name](fullscreen)
        except _NoWindowError as error:
            reasons.append(str(error))
    raise EdgeshiftError(f"no window can be opened: {'; '.join(reasons)}; {INSTALL}, or {INSTEAD}")


class _NoWindowError(Exception):
    """This kind cannot be had here."""


class OpenCvWindow:
    """The window of an OpenCV that is built with one."""

    room: tuple[int, int] | None = None

    def __init__(self, fullscreen: bool) -> None:
        self._cv2: Any = opencv("showing pictures")
        found = re.search(r"^\s*GUI:\s*(\S+)", self._cv2.getBuildInformation(), re.MULTILINE)
        if found is None or found[1] == "NONE":
            raise _NoWindowError("this OpenCV has no window (opencv-python-headless)")
        try:
            # GUI_NORMAL: no tool bar, where OpenCV's window is Qt's.
            flags = self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO | self._cv2.WINDOW_GUI_NORMAL
            self._cv2.namedWindow(TITLE, flags)
            if fullscreen:
                self._cv2.setWindowProperty(TITLE, self._cv2.WND_PROP_FULLSCREEN, self._cv2.WINDOW_FULLSCREEN)
        except self._cv2.error as error:
            raise _NoWindowError(f"OpenCV's window does not open ({one_line(error, 80)})") from error
        self._sized = fullscreen
        self._shown = False

    def show(self, picture: Frame) -> None:
        """Show a picture."""
        if not self._sized:
            self._cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._sized = True
        self._cv2.imshow(TITLE, self._cv2.cvtColor(picture, self._cv2.COLOR_RGB2BGR))
        self._shown = True

    def key(self) -> str | None:
        """The next key."""
        code = self._cv2.pollKey() if hasattr(self._cv2, "pollKey") else self._cv2.waitKey(1)
        if code >= 0:
            return _letter(code)
        if self._shown and self._cv2.getWindowProperty(TITLE, self._cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return None

    def close(self) -> None:
        """Take it away."""
        self._cv2.destroyAllWindows()
        self._cv2.waitKey(1)


class TkWindow:
    """A window of tkinter. Slower than OpenCV's: a picture is handed over as a string of bytes."""

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
        self.room: tuple[int, int] | None = (self._root.winfo_screenwidth(), self._root.winfo_screenheight())
        self._photo = tkinter.PhotoImage(master=self._root)
        self._place = tkinter.Label(self._root, image=self._photo, borderwidth=0, background="black")
        self._place.pack(expand=True)
        self._root.bind("<Key>", self._pressed)
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append("q"))

    def show(self, picture: Frame) -> None:
        """Show a picture."""
        height, width = picture.shape[:2]
        try:
            self._photo.configure(data=b"P6 %d %d 255\n" % (width, height) + picture.tobytes(), format="PPM")
            self._root.update()
        except self._error:  # the window went while it was drawn
            self._keys.append("q")

    def key(self) -> str | None:
        """The next key."""
        try:
            self._root.update()
        except self._error:
            return "q"
        return self._keys.popleft() if self._keys else None

    def close(self) -> None:
        """Take it away."""
        try:
            self._root.destroy()
        except self._error:
            return

    def _pressed(self, event: Any) -> None:
        name = {"Escape": "q", "Tab": "tab", "space": " "}.get(event.keysym, event.char.lower())
        if name:
            self._keys.append(name)


def _letter(code: int) -> str | None:
    """The key of an OpenCV's code.

    Above the character there may be bits for keys that are held (GTK: 0x100000 for Num Lock and the like, 0x10000 for
    Shift). Arrows and such are no characters: GTK gives 0xFF51 for the left one, whose last byte is a "Q".
    """
    character = code & 0xFFFF
    if character > 0xFF or character == 0:
        return None
    return {27: "q", 9: "tab"}.get(character, chr(character).lower())


KINDS: dict[str, type[OpenCvWindow] | type[TkWindow]] = {"opencv": OpenCvWindow, "tk": TkWindow}
