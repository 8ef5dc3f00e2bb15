"""The confusion matrix as a picture file. ``test_page.py`` tests it as a part of a page."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.reports.confusion import draw_confusion, frequent_errors, write_confusion
from edgeshift.errors import RuntimeMissingError

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
cv2 = pytest.importorskip("cv2", reason="the extra `video` is not installed")


def picture(path: Path, matrix, labels=("a", "b"), title="title"):
    write_confusion(path, matrix, labels, title)
    return cv2.imread(str(path)).astype(int)


def test_cells_with_clips_are_filled_and_the_others_are_not(tmp_path):
    empty, filled = picture(tmp_path / "e.png", [[0, 0], [0, 0]]), picture(tmp_path / "f.png", [[4, 0], [1, 3]])
    assert empty.shape == filled.shape
    changed = (empty != filled).any(2)
    y, x = np.argwhere(changed).min(0), np.argwhere(changed).max(0)
    middle = (y + x) // 2
    quarters = [changed[: middle[0], : middle[1]], changed[: middle[0], middle[1] + 2 :], changed[middle[0] :]]
    assert quarters[0].any() and not quarters[1].any() and quarters[2].any()  # no "a" was predicted as "b"


def test_the_colour_is_the_share_of_the_row(tmp_path):
    """3 of 4 clips are as dark as 6 of 8, and darker than 1 of 4."""
    drawn = picture(tmp_path / "p.png", [[3, 1], [2, 6]])
    blue = drawn[..., 0] - drawn[..., 2]
    shades = [value for value in np.unique(blue) if value > 10 and (blue == value).sum() > 5000]
    assert len(shades) == 2  # a quarter and three quarters; white and the grid are below 10


def test_long_labels_and_titles_in_any_script_are_cut(tmp_path):
    drawn = picture(tmp_path / "p.png", [[1]], ["ярлык, который длиннее клетки" * 5], "t" * 300)
    assert drawn.shape[1] < 1200


def test_the_same_matrix_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        write_confusion(tmp_path / name, [[1, 2], [3, 4]], ["a", "b"], "title")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_page_and_a_file_show_the_same_numbers():
    content = draw_confusion([[41, 0], [17, 3]], ["left", "right"], "m").content
    assert all(f">{text}<" in content for text in ("41", "17", "3", "left", "right", "true label", "predicted label"))
    assert ">0<" not in content


def test_the_most_frequent_errors_come_first():
    matrix = [[5, 1, 0], [0, 2, 4], [4, 0, 9]]
    assert frequent_errors(matrix, ["a", "b", "c"]) == [(4, "b", "c"), (4, "c", "a"), (1, "a", "b")]


def test_without_matplotlib_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RuntimeMissingError, match=r"matplotlib.*\[report\]"):
        write_confusion(tmp_path / "p.png", [[1]], ["a"], "title")
    assert not list(tmp_path.iterdir())
