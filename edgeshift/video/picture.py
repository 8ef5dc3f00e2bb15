"""Write a title into a picture, and a picture to a file."""

from __future__ import annotations

from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.errors import EdgeshiftError, one_line
from edgeshift.video.clip_files import IMAGES
from edgeshift.video.fit import Frame, opencv


def write_title(picture: Frame, title: str) -> None:
    """Write a title into the upper left corner of a picture, uint8 [H, W, 3], which is changed."""
    cv2 = opencv("writing a title")
    for thickness, ink in ((3, (0, 0, 0)), (1, (255, 255, 0))):
        cv2.putText(picture, title, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, thickness, cv2.LINE_AA)


def write_picture(path: Path, picture: Frame) -> None:
    """Write a picture. No file has this name until it is complete.

    Args:
        path: file name, whose suffix decides the format.
        picture: uint8 [H, W, 3] RGB.

    Raises:
        EdgeshiftError: the suffix is not in ``edgeshift.video.clip_files.IMAGES``, or the picture cannot be encoded.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGES:
        raise EdgeshiftError(f"{path}: the name of a picture ends in {', '.join(IMAGES)}")
    cv2 = opencv("writing a picture")
    try:
        _, data = cv2.imencode(suffix, picture[..., ::-1])
    except cv2.error as error:
        raise EdgeshiftError(f"{path}: the picture could not be encoded: {one_line(error)}") from error
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())
