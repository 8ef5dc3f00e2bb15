"""An object that shows whether a file was unpickled by an unsafe reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class Marker:
    """An object that creates a file if it is unpickled by an unsafe reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.path}",)
