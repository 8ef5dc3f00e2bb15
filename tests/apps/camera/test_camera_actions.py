"""Commands of labels: lists of arguments, rate limits, failures told once, never waited for."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest
from scene import until

from edgeshift.apps.camera.actions import Action, Actions, parse_action
from edgeshift.errors import EdgeshiftError
from edgeshift.events.spotter import Detection

LABELS = ("swipe left", "left", "a=b", "a")


def event(label="left", timestamp=0.0):
    return Detection(label, 0.75, timestamp)


def python(code, *arguments):
    return Action("left", (sys.executable, "-c", code, *arguments))


class Told(list):  # type: ignore[type-arg]
    def __call__(self, what, **facts):
        self.append((what, facts))


def test_a_command_is_a_list_of_arguments_and_no_shell():
    action = parse_action("swipe left=echo 'two words' ; rm $HOME", LABELS)
    assert action == Action("swipe left", ("echo", "two words", ";", "rm", "$HOME"))
    # The longest label that fits: one holds a "=".
    assert parse_action("a=b=true", LABELS) == Action("a=b", ("true",))
    assert parse_action("a=true b=c", LABELS) == Action("a", ("true", "b=c"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lift=true", "unknown label 'lift'; did you mean left"),
        ("left", "write it as LABEL=COMMAND"),
        ("left=", "no command after the ="),
        ("left='unfinished", "No closing quotation"),
        ("left=no-such-program --now", "no program 'no-such-program'"),
    ],
)
def test_what_is_no_action(text, said):
    with pytest.raises(EdgeshiftError, match=said) as caught:
        parse_action(text, LABELS)
    assert "\n" not in str(caught.value)


def test_a_command_runs_with_its_arguments_and_knows_its_event(tmp_path):
    path = tmp_path / "seen.json"
    code = (
        "import json, os, sys; names = ['LABEL', 'SCORE', 'TIME'];"
        "data = [sys.argv[2:], [os.environ['EDGESHIFT_' + n] for n in names]];"
        "open(sys.argv[1] + '.part', 'w').write(json.dumps(data)); os.rename(sys.argv[1] + '.part', sys.argv[1])"
    )
    actions = Actions([python(code, str(path), "$HOME; ls")])
    actions.on(event(timestamp=1.25))
    until(path.exists)
    assert json.loads(path.read_text()) == [["$HOME; ls"], ["left", "0.7500", "1.250"]]
    actions.close()
    assert actions.count == 1


def test_the_rate_is_limited_for_each_command(monkeypatch):
    both = [python("pass"), Action("a", (sys.executable, "-c", ""))]
    actions = Actions(both, every=1.0)
    # A clip may be run through faster than it was filmed, and begin anew: the clock on the wall counts.
    clock = 100.0
    monkeypatch.setattr("edgeshift.apps.camera.actions.monotonic", lambda: clock)
    for timestamp in (0.0, 50.0, 0.0):
        actions.on(event(timestamp=timestamp))
        clock += 0.33
    actions.on(event("a", 0.5))
    actions.on(event("swipe left", 0.6))  # nobody's
    until(lambda: actions.count == 2)
    until(lambda: not [p for p in actions._running.values() if p.poll() is None])
    clock = 101.0
    actions.on(event(timestamp=0.1))
    until(lambda: actions.count == 3)
    actions.close()


def test_a_failure_is_told_once():
    told = Told()
    actions = Actions([python("raise SystemExit(3)")], every=0.0, tell=told)
    for index in range(3):
        actions.on(event(timestamp=float(index)))
        until(lambda index=index: actions.count == index + 1 and not _busy(actions))
    actions.close()
    assert [(what, facts["label"], facts["reason"]) for what, facts in told] == [
        ("failed", "left", "it ended with status 3")
    ]


def _busy(actions):
    return [process for process in actions._running.values() if process.poll() is None]


def test_a_program_that_went_away_is_told_and_nothing_breaks(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    action = parse_action(f"left={program}", LABELS)
    program.unlink()
    told = Told()
    actions = Actions([action], tell=told)
    actions.on(event())
    until(lambda: told)
    assert "No such file" in told[0][1]["reason"] and actions.count == 0
    actions.close()


def test_a_command_that_hangs_blocks_nothing_and_is_not_started_again():
    told = Told()
    actions = Actions([python("import time; time.sleep(60)")], every=0.0, tell=told)
    begin = time.monotonic()
    for index in range(50):
        actions.on(event(timestamp=float(index)))
    assert time.monotonic() - begin < 30  # of its 60 s
    until(lambda: told)
    assert actions.count == 1 and "has not ended" in told[0][1]["reason"]
    (process,) = actions._running.values()
    begin = time.monotonic()
    actions.close()
    assert time.monotonic() - begin < 30
    assert os.waitpid(process.pid, os.WNOHANG) == (0, 0)  # it goes on
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)


def test_without_events_there_is_no_thread():
    actions = Actions([python("pass")])
    assert actions._thread is None
    actions.close()
