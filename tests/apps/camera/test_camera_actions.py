"""Commands for labels: they run without a shell and with a rate limit, and a failure is reported once."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest
from scene import EmittedEvents, running_threads, wait_until

from edgeshift.apps.camera import actions as actions_module
from edgeshift.apps.camera.actions import Action, Actions, parse_action
from edgeshift.errors import EdgeshiftError
from edgeshift.events.spotter import Detection

LABELS = ("swipe left", "left", "a=b", "a")


def event(label="left", timestamp=0.0):
    return Detection(label, 0.75, timestamp)


def python(code, *arguments, label="left"):
    return Action(label, (sys.executable, "-c", code, *arguments))


def make_actions(*actions, every=0.0):
    emitted = EmittedEvents()
    return Actions(actions, every, emitted), emitted


def test_a_command_becomes_a_list_of_arguments_for_no_shell():
    action = parse_action("swipe left=echo 'two words' ; rm $HOME", LABELS)
    assert action == Action("swipe left", ("echo", "two words", ";", "rm", "$HOME"))
    # The longest label that matches is taken, because a label may contain "=".
    assert parse_action("a=b=true", LABELS) == Action("a=b", ("true",))
    assert parse_action("a=true b=c", LABELS) == Action("a", ("true", "b=c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lift=true", "unknown label 'lift'; did you mean left"),
        ("left", "write it as LABEL=COMMAND"),
        ("left=", "no command after the ="),
        ("left='unfinished", "No closing quotation"),
        ("left=no-such-program --now", "no program 'no-such-program'"),
    ],
)
def test_invalid_actions_are_errors_of_one_line(text, message):
    with pytest.raises(EdgeshiftError, match=message) as caught:
        parse_action(text, LABELS)
    assert "\n" not in str(caught.value)


def test_a_command_gets_its_arguments_and_the_event(tmp_path):
    path = tmp_path / "seen.json"
    code = (
        "import json, os, sys; names = ['LABEL', 'SCORE', 'TIME'];"
        "data = [sys.argv[2:], [os.environ['EDGESHIFT_' + n] for n in names]];"
        "open(sys.argv[1] + '.part', 'w').write(json.dumps(data)); os.rename(sys.argv[1] + '.part', sys.argv[1])"
    )
    actions, emitted = make_actions(python(code, str(path), "$HOME; ls"))
    actions.start(event(timestamp=1.25))
    wait_until(path.exists)
    assert json.loads(path.read_text()) == [["$HOME; ls"], ["left", "0.7500", "1.250"]]
    actions.close()
    assert emitted == []


def test_the_rate_of_each_command_is_limited_by_wall_clock_time(monkeypatch, tmp_path):
    code = "import sys; open(sys.argv[1], 'a').write('x')"
    left, a = tmp_path / "left", tmp_path / "a"
    actions, emitted = make_actions(python(code, str(left)), python(code, str(a), label="a"), every=1.0)
    clock = 100.0
    monkeypatch.setattr(actions_module, "monotonic", lambda: clock)
    for timestamp in (0.0, 50.0, 0.0):  # times in a clip that runs faster than it was filmed, and starts again
        actions.start(event(timestamp=timestamp))
        clock += 0.33
    actions.start(event("a", 0.5))
    actions.start(event("swipe left", 0.6))  # has no command
    wait_until(lambda: left.exists() and a.exists() and not running_threads())
    clock = 101.0
    actions.start(event(timestamp=0.1))
    wait_until(lambda: left.read_text() == "xx" and not running_threads())
    assert a.read_text() == "x" and emitted == []


def test_only_the_first_failure_of_a_label_is_reported():
    actions, emitted = make_actions(python("raise SystemExit(3)"))
    for index in range(3):
        actions.start(event(timestamp=float(index)))
        wait_until(lambda: not running_threads())
    assert [(name, facts["label"], facts["reason"]) for name, facts in emitted] == [
        ("failed", "left", "it ended with status 3")
    ]


def test_a_program_that_was_deleted_in_the_meantime_is_reported(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    action = parse_action(f"left={program}", LABELS)
    program.unlink()
    actions, emitted = make_actions(action)
    actions.start(event())
    wait_until(lambda: emitted)
    assert "No such file" in emitted[0][1]["reason"]


def test_a_command_that_hangs_does_not_block_is_not_started_again_and_is_not_ended(tmp_path):
    code = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(600)"
    actions, emitted = make_actions(python(code, str(tmp_path / "pids")))
    begin = time.monotonic()
    for index in range(50):
        actions.start(event(timestamp=float(index)))
    wait_until(lambda: emitted and (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith(" "))
    actions.close()
    assert time.monotonic() - begin < 300
    assert "has not ended" in emitted[0][1]["reason"]
    (pid,) = map(int, (tmp_path / "pids").read_text().split())
    os.kill(pid, signal.SIGKILL)  # raises an error if the command has ended
    wait_until(lambda: not running_threads())


def test_close_waits_for_the_failure_of_the_last_command():
    actions, emitted = make_actions(python("raise SystemExit(3)"))
    actions.start(event())
    actions.close(timeout=60.0)
    assert emitted.names == ["failed"]
