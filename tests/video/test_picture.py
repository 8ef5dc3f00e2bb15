"""RGB pictures are written in the format of the file's suffix, completely or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.errors import EdgeshiftError
from edgeshift.video.picture import write_picture


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "deep/a.jpeg"])
def test_a_picture_reads_back_with_the_same_colours(tmp_path: Path, name: str) -> None:
    picture = np.full((16, 16, 3), (200, 100, 20), np.uint8)
    write_picture(tmp_path / name, picture)
    read = cv2.imread(str(tmp_path / name))[..., ::-1]
    assert np.abs(read.astype(int) - picture).max() <= 4


@pytest.mark.parametrize("name", ["a", "a.gif", "a.tflite"])
def test_another_suffix_is_refused_and_no_file_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(EdgeshiftError, match="ends in"):
        write_picture(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_encoded_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(EdgeshiftError, match="could not be encoded"):
        write_picture(tmp_path / "a.png", np.zeros((0, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())
