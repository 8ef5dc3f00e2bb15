"""Paths of outputs are checked before the work: they can be written, and are not below a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeshift._system import files
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
    files.require_writable(tmp_path / "new" / "folder" / "a.json")
    files.require_writable(tmp_path)
    assert not list(tmp_path.iterdir())

    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def write(self, _data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(EdgeshiftError, match=r"a.json cannot be written: .*: No space left on device; give another"):
        files.require_writable(tmp_path / "a.json")
