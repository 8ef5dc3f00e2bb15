"""A phone behind the system's ``adb``: ``adb`` for the only phone, ``adb:SERIAL`` for one of several.

adb joins its arguments with spaces for the phone's shell, so commands are quoted. adb exits with status 0 even if the
phone is unplugged while a command runs. Each command therefore prints two marked lines: first the shell's process ID on
standard output, with which the command can be stopped, and last the exit status on standard error.
"""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.process import CommandResult, OnLine, last_line
from edgeshift.benchmarks.devices.adb_client import STATES, TIMEOUT, call_adb, choose_phone, list_adb
from edgeshift.benchmarks.devices.adb_facts import SCRIPT, fastest_cores, phone_facts
from edgeshift.benchmarks.devices.agent import push_agent
from edgeshift.benchmarks.devices.device import require_plain_name
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError, DeviceLostError

__all__ = ["AdbDevice", "list_adb"]

#: The folder where a phone lets its shell store and run files.
FOLDER = "/data/local/tmp/edgeshift"
#: Seconds that the transfer of a file may take.
TRANSFER_TIMEOUT = 600.0
#: The folder of the app Termux, with the programs that are installed in it.
TERMUX = "/data/data/com.termux/files"
#: A serial number, host:port, or the name of a phone on the network.
_SERIAL = re.compile(r"[A-Za-z0-9[][A-Za-z0-9._:()\[\] -]{0,127}")


class AdbDevice:
    """A phone; see ``edgeshift.benchmarks.devices.device.Device``.

    Args:
        name: ``adb:SERIAL``, to which no connection is made yet, or ``adb`` for the only phone.

    Raises:
        DeviceError: the name is malformed; or it is ``adb``, and not exactly one phone can be used.
    """

    def __init__(self, name: str = "adb") -> None:
        kind, _, serial = name.partition(":")
        if kind != "adb" or (name != "adb" and _SERIAL.fullmatch(serial) is None):
            raise DeviceError(f"{name}: give adb:SERIAL with a serial from `adb devices`, or adb for the only phone")
        self.serial = serial or choose_phone(None)
        self.name = f"adb:{self.serial}"
        self._checked_phone = False
        self._agent: list[str] | None = None

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Run a command in the phone's shell, where exit status 126 or 127 means that it cannot start the program."""
        self._check_phone()
        mark = f"edgeshift-{secrets.token_hex(8)}"
        script = f"echo {mark} $$; {shlex.join(argv)}; s=$?; echo >&2; echo {mark} $s >&2; exit $s"
        shell: list[str] = []

        def after_first(line: str) -> None:
            if not shell:
                shell.append(line.removeprefix(mark).strip())
            elif on_line is not None:
                on_line(line)

        try:
            done = self._adb(["shell", script], timeout, after_first)
        except BaseException as error:
            self._stop(shell)
            if isinstance(error.__cause__, subprocess.TimeoutExpired):
                if self._state() != "device":
                    raise self._lost("") from error
                message = f"{self.name}: {argv[0]}: stopped, because it did not end within {timeout:.0f} s"
                raise DeviceError(message) from error
            raise
        end = re.search(rf"\n{mark} (\d+)\r?\n\Z", done.err)
        if end is None:
            raise self._lost(done.err)
        result = CommandResult(int(end[1]), done.out.partition("\n")[2], done.err[: end.start()])
        if result.status in (126, 127):
            raise DeviceError(f"{self.name} cannot run {argv[0]}: {result.problem}")
        return result

    def push(self, local: Path, name: str) -> str:
        """Copy a file into ``FOLDER``, unless it is there already, under a temporary name until it is complete."""
        require_plain_name(name)
        path = f"{FOLDER}/{name}"
        digest = sha256(local.read_bytes())
        if self._digest(path) == digest:
            return path
        self._checked(["mkdir", "-p", FOLDER], f"create {FOLDER}")
        part = f"{FOLDER}/.{name}.{secrets.token_hex(4)}"
        try:
            self._transfer(["push", str(local), part], f"push {local.name}")
            if self._digest(part) != digest:
                raise DeviceError(f"{self.name}: {local.name} arrived damaged: check that there is space in {FOLDER}")
            self._checked(["mv", "-f", part, path], f"rename {name}")
        except DeviceLostError:
            raise
        except BaseException:
            self.run(["rm", "-f", part], TIMEOUT)
            raise
        return path

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the phone. ``local`` appears only when it is complete."""
        with atomic_write(local) as part:
            self._transfer(["pull", remote, str(part)], f"pull {remote}")

    def facts(self) -> Facts:
        """Return facts from Android's properties, clocks, thermal zones, and thermal and battery services."""
        return phone_facts(self.run(["sh", "-c", SCRIPT], TIMEOUT).out)

    def big_cores(self, least: int = 1) -> tuple[int, ...]:
        """Return the numbers of the fastest cores: whole clusters, fastest first, until there are ``least`` cores."""
        return fastest_cores(self.facts().clock, least)

    def agent(self) -> list[str]:
        """Return the start of the agent's commands, with the Python of Termux.

        Raises:
            DeviceError: Android does not let adb's shell run programs of Termux, or Termux has no Python. The message
                explains how to connect to Termux by ssh instead.
        """
        if self._agent is not None:
            return self._agent
        environment = [f"HOME={TERMUX}/home", f"PATH={TERMUX}/usr/bin", f"PREFIX={TERMUX}/usr"]
        python = ["run-as", "com.termux", "env", *environment, f"{TERMUX}/usr/bin/python3"]
        try:
            done = self.run([*python, "-c", "print(1)"], TIMEOUT)
        except DeviceLostError:
            raise
        except DeviceError as error:
            done = CommandResult(127, "", str(error))
        if done.status or done.out.strip() != "1":
            raise DeviceError(
                f"{self.name}: adb can start no Python there ({done.problem}): in Termux, run "
                "`pkg install python python-numpy clang openssh`, `python3 -m pip install msgspec` and `sshd`; here, "
                "run `adb forward tcp:8022 tcp:8022` and use --device ssh://localhost:8022; bench and eval with "
                "--agent native need no Python, which is experimental"
            )
        self._agent = [*python, push_agent(self)]
        return self._agent

    def _adb(self, arguments: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        return call_adb(["-s", self.serial, *arguments], timeout, on_line)

    def _check_phone(self) -> None:
        """Check once that the phone is connected, that adb may use it, and that it reports exit statuses."""
        if self._checked_phone:
            return
        choose_phone(self.serial)
        done = self._adb(["features"], TIMEOUT)
        if done.status:
            raise self._lost(done.err)
        if "shell_v2" not in done.out.split():
            raise DeviceError(f"{self.name} does not report the exit status of commands: Android 7 or newer is needed")
        self._checked_phone = True

    def _digest(self, path: str) -> str | None:
        """Return the SHA-256 of a file on the phone; None: there is no such file."""
        done = self.run(["sha256sum", path], TRANSFER_TIMEOUT)
        return next(iter(done.out.split()), None) if done.status == 0 else None

    def _checked(self, argv: Sequence[str], what: str) -> None:
        done = self.run(argv, TIMEOUT)
        if done.status:
            raise DeviceError(f"{self.name} cannot {what}: {done.problem}")

    def _transfer(self, arguments: Sequence[str], what: str) -> None:
        self._check_phone()
        done = self._adb(arguments, TRANSFER_TIMEOUT)
        if done.status and self._state() == "device":
            raise DeviceError(f"{self.name} cannot {what}: {done.problem}")
        if done.status:
            raise self._lost(done.problem)

    def _state(self) -> str | None:
        """Return the state of the phone as adb lists it now; None: it is not listed."""
        return next((phone.state for phone in list_adb()[0] if phone.serial == self.serial), None)

    def _lost(self, err: str) -> DeviceLostError:
        """Return the error for a call of adb that ended before the command on the phone. ``err``: adb's output."""
        state = self._state()
        if state in STATES:
            return DeviceLostError(f"{self.name} is {state}: {STATES[state]}")
        reason = f" ({last_line(err)})" if err.strip() else ""
        remedy = "it is connected again, so resume" if state == "device" else "plug it in and resume"
        return DeviceLostError(f"{self.name}: the connection was lost{reason}: {remedy}")

    def _stop(self, shell: Sequence[str]) -> None:
        """Kill the process group of a command's shell. A phone that lost the connection has killed it already."""
        if shell and shell[0].isdecimal():
            with suppress(DeviceError):
                self._adb(["shell", f"kill -9 -{shell[0]}"], TIMEOUT)
