"""What reaches the terminal: no control characters from names, no error when a reader has ended, its width."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeshift._system.safe_stream import ReaderGoneError, SafeStream, allow_colours

PROGRAM = [sys.executable, "-m", "edgeshift.cli"]
#: Names of files: with an escape sequence and a bidi override, and with bytes that are not UTF-8.
NAMES = (b"a\x1b[31m\xe2\x80\xaeb\x07.tflite", b"c\xff\xfe.tflite")
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def command(line: list[str | bytes], redirection: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with a redirection of bash. The status of a pipe is that of its first part."""
    script = f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}'
    variables = {**os.environ, **environment}
    return subprocess.run(
        ["bash", "-c", script, "bash", *PROGRAM, *line], capture_output=True, env=variables, timeout=120
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "line",
    [
        "inspect FILE",
        "verify FILE",
        "demo FILE --headless",
        "eval FILE --data clips",
        "inspect FILE.gone",
        "demo FILE -x",
    ],
)
def test_harmful_characters_of_names_are_not_printed(made, tmp_path, monkeypatch, name, line):
    from edgeshift.video.clips import write_video

    monkeypatch.chdir(tmp_path)
    Path(os.fsdecode(name)).write_bytes(made("tsm", "int8").path.read_bytes())
    Path("clips/left").mkdir(parents=True)
    write_video("clips/left/1.avi", [np.zeros((48, 64, 3), np.uint8)] * 4, 4)
    words: list[str | bytes] = [word.encode().replace(b"FILE", name) for word in line.split()]
    done = command(words)
    text = (done.stdout + done.stderr).decode()  # also fails for bytes that are not UTF-8
    assert done.returncode == (2 if ".gone" in line or "-x" in line else 0), text
    assert not HARMFUL.search(text) and "bug" not in text and "Traceback" not in text
    assert command(words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").returncode == done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_of_any_name_is_measured(made, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # other tests measure at the same time: own locks
    Path(os.fsdecode(name)).write_bytes(made("tsm", "int8").path.read_bytes())
    done = command(["bench", name, "--mode", "rapid", "--repeats", "1", "--no-memory", "--out", "r.json"])
    assert done.returncode == 0 and b"bug" not in done.stderr
    for line in (["report", "r.json"], ["report", "r.json", "--out", "page.html"]):
        done = command(line)
        assert done.returncode == 0 and not HARMFUL.search((done.stdout + done.stderr).decode())
    assert not HARMFUL.search(Path("page.html").read_text())


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "| true", "| head -1", "2> >(true)", ">&- 2>&- <&-"])
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("--version", 0),
        ("inspect FILE", 0),
        ("inspect FILE --json", 0),
        ("verify FILE", 0),
        ("demo FILE --headless", 0),
        ("demo FILE --headless --json-lines", 0),
        ("demo FILE", 2),
        ("inspect gone.tflite", 2),
        ("convret", 2),
    ],
)
def test_closed_streams_and_readers_that_end_early_leave_the_status(made, line, status, redirection):
    words = line.replace("FILE", str(made("tsm", "int8").path)).split()
    done = command(words, redirection, DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == status and b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def on_terminal(words: list[str], columns: int) -> str:
    """Return what a command prints on a terminal of this width."""
    line = f"stty cols {columns}; {shlex.join([*PROGRAM, *words])}"
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    run = ["script", "-qec", line, "/dev/null"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=environment)
    return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", done.stdout).replace("\r", "")


@pytest.mark.parametrize("columns", [60, 90])
def test_facts_have_the_width_of_the_terminal_and_no_trailing_spaces_in_a_pipe(made, columns):
    path = str(made("tsm", "int8").path)
    lines = on_terminal(["inspect", path], columns).splitlines()
    body = [line for line in lines if path not in line and not line.startswith("next:")]
    assert columns - 20 < max(map(len, body)) <= columns
    piped = command(["inspect", path]).stdout.decode().splitlines()
    assert piped == [line.rstrip() for line in piped] and max(map(len, piped)) > columns


class Gone(io.StringIO):
    """A pipe whose reader has ended."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_safe_stream_keeps_lines_and_tabs_and_replaces_the_rest():
    out = io.StringIO()
    stream = SafeStream(out, silent=False)
    print("öffnen \u200d x\ta\x1b[2J\x00\u202eb\udcff\r", file=stream)
    with allow_colours(stream):
        print("\x1b[1mbold\x1b[0m", file=stream)
    print("\x1b[1m", file=stream)
    assert out.getvalue() == "öffnen \u200d x\ta?[2J??b??\n\x1b[1mbold\x1b[0m\n?[1m\n"


def test_only_standard_output_says_that_its_reader_has_ended():
    with pytest.raises(ReaderGoneError):
        print("x", file=SafeStream(Gone(), silent=False))
    notes = SafeStream(Gone(), silent=True)
    print("x", file=notes)
    assert notes.lost
