"""Progress: stages are timed everywhere, drawn as bars on a terminal, and reported as lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from time import sleep

import pytest

from edgeshift._system import progress
from edgeshift._system.progress import ProgressBars, Stages
from edgeshift._system.quiet import quiet


def test_the_seconds_of_stages_are_summed_by_name():
    stages = Stages()
    for name in ("load", "run", "load"):
        with stages.stage(name, 2) as advance:
            sleep(0.01)
            advance()
    with pytest.raises(ValueError, match="broken"), stages.stage("fail"):
        raise ValueError("broken")
    assert list(stages.seconds) == ["load", "run", "fail"]
    assert stages.seconds["load"] >= 0.02 and 0.01 <= stages.seconds["run"] < 1


def test_without_a_terminal_short_work_prints_nothing(capfd):
    bars = ProgressBars()
    with bars.stage("load", 3) as advance:
        advance()
    assert capfd.readouterr() == ("", "") and bars.seconds["load"] > 0


def test_without_a_terminal_long_work_prints_lines_on_stderr(capfd, monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.05)
    bars = ProgressBars()
    with bars.prefixed("a.tflite"), bars.stage("run", 3) as advance, quiet(stdout=True):
        advance()
        sleep(0.2)
    with bars.stage("write"):
        sleep(0.1)
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == "" and lines[0] == "a.tflite: run: 1 of 3, 0 s" and lines[-1] == "write: 0 s"
    assert 2 <= len(lines) <= 6


def test_the_time_until_the_first_line_includes_earlier_stages(capfd, monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", 0.1)
    bars = ProgressBars()
    for name in ("first", "second", "third"):
        with bars.stage(name):
            sleep(0.07)
    assert capfd.readouterr().err.splitlines()[0] == "second: 0 s"


@pytest.mark.parametrize("live", [True, False])
def test_on_a_terminal_a_bar_is_drawn_even_while_native_output_is_silenced(live):
    code = (
        "from edgeshift._system.progress import ProgressBars\nfrom edgeshift._system.quiet import quiet\n"
        f"with ProgressBars(live={live}).stage('lower', 2) as advance, quiet():\n    advance()\n    advance()\n"
    )
    terminal, child = pty.openpty()
    try:
        done = subprocess.run([sys.executable, "-c", code], stderr=child, stdout=subprocess.PIPE)
        shown = os.read(terminal, 1 << 16).decode()
    finally:
        os.close(child)
        os.close(terminal)
    assert done.returncode == 0 and done.stdout == b"" and "lower" in shown
    erased = shown.endswith("\x1b[1A\x1b[2K")
    assert erased != live, "a bar that is not live is erased at the end, so that only the report remains"


def test_names_of_stages_cannot_control_a_terminal(capfd, monkeypatch):
    monkeypatch.setattr("edgeshift._system.progress.LINE_INTERVAL", 0.02)
    bars = ProgressBars()
    with bars.stage("own\udcff\x1b[2J.tflite", 2):
        sleep(0.2)
    written = capfd.readouterr().err
    assert "own??[2J.tflite: 0 of 2" in written and "\x1b" not in written
