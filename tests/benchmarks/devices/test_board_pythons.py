"""The search for a Python on a board behind a real sshd, the option --python, and what hostile boards may answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reports

from edgeshift._system.process import CommandResult
from edgeshift.benchmarks.devices import pythons
from edgeshift.benchmarks.devices.messages import MARK
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.devices.pythons import FOLDERS, IN_FOLDER, PROGRAMS, find_python
from edgeshift.benchmarks.devices.remembered import remember_python, remembered_python, settings_file
from edgeshift.benchmarks.devices.ssh import OPTIONS, SshDevice
from edgeshift.cli import main
from edgeshift.cli.board import open_device, remember_choice
from edgeshift.errors import DeviceError


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch) -> Path:
    """The user's configuration folder, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def programs(sshd, bare_python, tmp_path):
    """A board whose Python on the PATH has no packages, as on Raspberry Pi OS. Returns a function that adds others."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    kinds = {
        "empty": f'exec "{bare_python.resolve()}" -I "$@"',  # -I ignores PYTHONPATH
        "full": f'exec "{bare_python}" "$@"',
        "broken": "exit 1",
    }

    def add(place: str, kind: str) -> Path:
        return write((folder if "/" not in place else sshd.board) / place, kinds[kind])

    for name in PROGRAMS:
        add(name, "empty")
    config = sshd.folder / "config"
    config.write_text(config.read_text().replace(f"PATH={bare_python.parent}", f"PATH={folder}"))
    sshd.cut()
    sshd.start()
    return add


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """A function that runs the command line and returns status, output and errors."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def board(sshd) -> SshDevice:
    return SshDevice(sshd.name, sshd.options)


def test_the_python_on_the_path_is_used_if_it_has_the_packages(board, bare_python):
    assert board.agent()[0] == str(bare_python)


@pytest.mark.parametrize(
    "place",
    [
        "venv/bin/python",
        ".venv/bin/python",
        "env/bin/python",
        "edgeshift/.venv/bin/python",
        "my project/venv/bin/python",
        "miniforge3/envs/edge/bin/python",
        ".local/share/pipx/venvs/edgeshift/bin/python",
        ".pyenv/versions/3.12.1/bin/python",
    ],
)
def test_a_virtual_environment_in_a_usual_place_is_found(board, programs, place):
    path = programs(place, "full")
    assert board.agent()[0] == str(path)
    assert ask_probe(board).runtimes.keys() == {"tflite"}


def test_the_first_python_with_a_runtime_is_preferred(board, programs, sshd, bare_python, monkeypatch):
    """The Python on the PATH may have numpy and msgspec from the system, but no runtime."""
    without = sshd.board / "packages"
    without.mkdir()
    for part in (bare_python.parents[1] / "packages").iterdir():
        if part.name.startswith(("numpy", "msgspec")):
            (without / part.name).symlink_to(part)
    system = programs("python3", "empty")
    system.write_text(bare_python.read_text().replace(str(bare_python.parents[1] / "packages"), str(without)))
    assert find_python(board) == str(system), "numpy and msgspec are enough, to list the device"
    assert find_python(board) != (path := str(programs("venv/bin/python", "full")))
    assert find_python(board) == path


def test_the_error_lists_what_was_tried_and_the_commands_to_run(board, programs):
    programs("venv/bin/python", "broken")
    with pytest.raises(DeviceError) as caught:
        board.agent()
    message = str(caught.value)
    assert "found no Python 3.10 or later with numpy and msgspec" in message
    assert "bin/python3 lacks numpy and msgspec" in message and "venv/bin/python does not start" in message
    assert "-m pip install numpy msgspec" in message and "name the path of another one with --python" in message
    assert message.endswith("bench and eval with --agent native need no Python")
    assert message.count(" lacks ") == 1, "python3 and python are one installation"
    assert "\n" not in message


def test_the_error_for_a_board_without_python():
    board = RecordedDevice(reports.FACTS, {"sh": CommandResult(0, "", "")})
    with pytest.raises(DeviceError, match="run sudo apt install python3 python3-venv") as caught:
        find_python(board)
    assert all(folder in str(caught.value) for folder in FOLDERS)


def test_where_the_system_manages_packages_the_error_makes_a_virtual_environment():
    message = found(missing=["numpy"], managed=True, path="/usr/bin/python3")
    board = RecordedDevice(reports.FACTS, {"sh": CommandResult(0, message, "")})
    command = "run /usr/bin/python3 -m venv ~/venv && ~/venv/bin/python -m pip install numpy msgspec"
    with pytest.raises(DeviceError, match="/usr/bin/python3 lacks numpy") as caught:
        find_python(board)
    assert command in str(caught.value)
    assert f"~/{FOLDERS[1]}/{IN_FOLDER}" == "~/venv/bin/python", "it is found from then on"


@pytest.mark.parametrize("named", ["tools/py", "~/tools/py", "tools/py/", "tools/py/bin/python", "FULL"])
def test_the_named_python_is_used(board, programs, named, sshd):
    path = programs("tools/py/bin/python", "full")
    programs("venv/bin/python", "full")
    board.python = str(path) if named == "FULL" else named
    assert board.agent()[0] == str(path)


@pytest.mark.parametrize("named", ["od*", "$(touch harm)", "'; touch harm; '", "venv[1]"])
def test_the_named_path_is_no_pattern_and_no_program_for_the_shell(board, programs, named, sshd):
    programs("odd/bin/python", "full")
    board.python = named
    with pytest.raises(DeviceError, match=r"there is no Python .* on the board: --python takes the path"):
        board.agent()
    assert not (sshd.board / "harm").exists()
    path = programs(f"{named}/bin/python", "full")
    board.python = named
    assert find_python(board, named) == str(path)


def test_a_named_python_without_the_packages_is_an_error(board, programs):
    programs("venv/bin/python", "full")
    board.python = "python3"
    with pytest.raises(DeviceError, match=r"needs Python 3\.10 or later with numpy and msgspec: \S+/python3 lacks"):
        board.agent()


def test_the_choice_is_remembered_per_board(sshd, programs, config, monkeypatch):
    monkeypatch.setattr("edgeshift.benchmarks.devices.ssh.OPTIONS", (*OPTIONS, *sshd.options))
    path = programs("tools/py/bin/python", "full")
    with pytest.raises(DeviceError, match="found no Python"):
        open_device(sshd.name).agent()
    device = open_device(sshd.name, "tools/py")
    assert remembered_python(sshd.name) is None, "nothing is remembered before it has run the agent"
    remember_choice(device, "tools/py")
    assert remembered_python(sshd.name) == str(path)
    (file,) = (config / "edgeshift" / "boards").iterdir()
    assert json.loads(file.read_text()) == {"python": str(path)} and "@127.0.0.1" in file.name
    assert open_device(sshd.name).agent()[0] == open_device(f"{sshd.name}/").agent()[0] == str(path)
    assert open_device("ssh://other").python is None
    searched = open_device(sshd.name, "auto")
    assert searched.python is None
    remember_choice(searched, "auto")
    assert remembered_python(sshd.name) is None and not file.exists()


def test_the_choice_is_remembered_by_the_command(sshd, programs, run, monkeypatch):
    monkeypatch.setattr("edgeshift.benchmarks.devices.ssh.OPTIONS", (*OPTIONS, *sshd.options))
    path = programs("tools/py/bin/python", "full")
    status, out, err = run("devices", sshd.name)
    assert status == 2 and "found no Python" in out + err
    assert run("devices", sshd.name, "--python", "nowhere")[0] == 2 and remembered_python(sshd.name) is None
    status, out, _ = run("devices", sshd.name, "--python", "tools/py")
    assert status == 0 and "tflite" in out and remembered_python(sshd.name) == str(path)
    assert run("devices", sshd.name)[0] == 0, "the option need not be repeated"
    path.unlink()
    status, out, err = run("devices", sshd.name)
    assert status == 2 and "there is no Python" in out + err and "auto to search" in out + err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["devices", "--python", "venv"], "--python has no effect on this machine, only on boards"),
        (["bench", "a.tflite", "--python", "venv"], "--python has no effect on local, only on boards"),
        (
            ["bench", "a.tflite", "--device", "browser", "--python", "venv"],
            "--python has no effect on browser, only on boards",
        ),
        (["eval", "a.tflite", "--data", "DATA", "--python", "venv"], "--python has no effect on local, only on boards"),
        (["devices", "ssh://a", "--python", ""], "--python: give the path"),
        (["devices", "ssh://a", "--python", "x\x1b[2J"], "--python: give the path"),
        (["devices", "ssh://a", "--python=-c"], "--python: give the path"),
    ],
)
def test_the_option_is_refused_where_it_has_no_effect(run, arguments, words, clip_folder):
    status, out, err = run(*[str(clip_folder) if word == "DATA" else word for word in arguments])
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1


@pytest.fixture
def clip_folder(tmp_path) -> Path:
    """Clips of one label, which are not opened."""
    folder = tmp_path / "clips"
    (folder / "left").mkdir(parents=True)
    (folder / "left" / "a.mp4").write_bytes(b"")
    return folder


def test_a_damaged_or_unwritable_memory_is_said(config, capsys, tmp_path, monkeypatch):
    file = settings_file("ssh://pi")
    file.parent.mkdir(parents=True)
    for content in (b"", b"{", b"\xff", b'{"python": ""}', b'{"python": "a\\u001b[2J"}', b'{"python": 1}', b"[" * 9999):
        file.write_bytes(content)
        with pytest.raises(DeviceError, match=r"pi\.json is damaged: remove it"):
            open_device("ssh://pi")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    board = RecordedDevice(reports.FACTS, {}, name="ssh://pi")
    remember_choice(board, "venv")
    assert "ssh://pi: the choice of Python cannot be remembered: " in capsys.readouterr().err


def test_names_of_boards_give_different_files_inside_the_folder():
    names = ["ssh://pi", "ssh://pi:22", "ssh://a@pi", "ssh://pi_22", "ssh://[::1]", "ssh://..", "ssh://pi%3A22"]
    files = [settings_file(name) for name in names]
    assert len(set(files)) == len(names) and len({file.parent for file in files}) == 1
    remember_python("ssh://pi/", "/a")
    assert remembered_python("ssh://pi") == "/a"


def found(**changes: object) -> str:
    """Return the line that the search prints for a Python."""
    fields: dict[str, object] = {
        "kind": "python",
        "path": "/p/bin/python",
        "prefix": "/p",
        "version": "3.11.2",
        "old": False,
        "missing": [],
        "runtimes": ["ai_edge_litert"],
        "managed": False,
    }
    return f"{MARK}{json.dumps({**fields, **changes})}\n"


@pytest.mark.parametrize(
    "answer",
    [
        found(path="/x\x1b[2J"),
        found(path="/x\u202etxt"),
        found(path="/x\nedgeshift: "),
        found(path=""),
        found(path="/" * 5000),
        found(path=["rm"]),
        found(missing=["x"] * 1000),
        found(extra=1),
        f"{MARK}{{",
        f"{MARK}{'[' * 100_000}",
    ],
)
def test_hostile_answers_of_a_board_are_one_printable_line(answer):
    board = RecordedDevice(reports.FACTS, {"sh": CommandResult(0, answer, "")})
    with pytest.raises(DeviceError) as caught:
        find_python(board)
    message = str(caught.value)
    assert message.startswith("recorded: the worker's output has a damaged message")
    assert message.isprintable() and len(message) < 400


def test_hostile_paths_of_broken_programs_and_endless_lists_are_short_and_printable():
    answer = f"{pythons.BROKEN}/x\x1b[2J\u202e\n{pythons.BROKEN}{'y' * 9999}\n"
    answer += "".join(found(missing=["numpy"], prefix=f"/{i}") for i in range(5000))
    board = RecordedDevice(reports.FACTS, {"sh": CommandResult(0, answer, "")})
    with pytest.raises(DeviceError) as caught:
        find_python(board)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_a_found_path_is_quoted_for_the_shell_of_the_board(board, sshd):
    """A path that the board reports is passed to the board's shell as one argument."""
    done = board.run(["$(touch harm); ls", "-c", "x"], 30)
    assert done.status == 127 and not (sshd.board / "harm").exists()
