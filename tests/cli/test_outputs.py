"""Paths of outputs are checked before the work: they can be written, and are not below a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeshift._system.output_file import require_writable
from edgeshift.errors import EdgeshiftError

#: {command: its line}. The inputs do not exist, and the error about the output comes first.
LINES = {
    "convert": "convert --target tflite --weights gone.pth --out {path}.tflite",
    "convert all": "convert --target all --weights gone.pth --out {path}",
    "clips": "clips --strokes gone.json --out {path}",
    "train": "train --data gone --out {path}",
    "bench": "bench gone.tflite --out {path}.json",
    "eval": "eval gone.tflite --data gone --out {path}.json",
    "eval picture": "eval gone.tflite --data gone --picture {path}.png",
    "demo record": "demo gone.tflite --headless --record {path}.mp4",
    "demo picture": "demo gone.tflite --headless --picture {path}.png",
    "phone": "phone gone.tflite --out {path}.json",
    "rule": "rule gone.tflite --data gone --out {path}.json",
    "rule picture": "rule gone.tflite --data gone --picture {path}.png",
    "report": "report gone.json --out {path}.html",
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("folder", "words"), [("file/below", "file is a file"), ("/proc/below", "/proc: ")])
def test_a_path_that_cannot_be_written_is_refused_before_the_work(run, tmp_path, monkeypatch, line, folder, words):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    status, out, err = run(*LINES[line].format(path=f"{folder}/x").split())
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert f"{folder}/x" in err and "cannot be written: " in err and words in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_noticed_and_nothing_is_created(tmp_path, monkeypatch):
    require_writable(tmp_path / "new" / "folder" / "a.json")
    require_writable(tmp_path, folder=True)
    assert not list(tmp_path.iterdir())

    def full(*_arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(EdgeshiftError, match=r"a.json: cannot be written: No space left on device; 1 MB of free space"):
        require_writable(tmp_path / "a.json")
