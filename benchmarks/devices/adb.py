"""A phone, through the system's ``adb``: ``adb`` for the only one, ``adb:SERIAL`` for one of several.

adb joins its arguments with spaces and hands them to the phone's shell, so a command is quoted for that shell. Its own
exit status is not enough: it is 0 when the phone is unplugged in the middle. The command therefore runs between two
lines of ours: the shell's process number first on standard output, so that it can be stopped, and its exit status last
on standard error.
"""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edgeshift._system.files import atomic_write, sha256
from edgeshift.benchmarks.devices.adb_client import PATIENCE, STATES, call_adb, choose_phone, last_line, list_adb
from edgeshift.benchmarks.devices.adb_facts import SCRIPT, fastest_cores, phone_facts
from edgeshift.benchmarks.devices.agent import build_agent
from edgeshift.benchmarks.devices.device import Done, Line
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError, DeviceLostError

__all__ = ["AdbDevice", "list_adb"]

#: Where a phone lets its shell keep files, and run them.
FOLDER = "/data/local/tmp/edgeshift"
#: Seconds that a file may take.
TRANSFER = 600.0
#: Termux is an app: what it installs lies in its own folder.
TERMUX = "/data/data/com.termux/files"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
#: A serial number, host:port, or the name of a phone on the network.
_SERIAL = re.compile(r"[A-Za-z0-9[][A-Za-z0-9._:()\[\] -]{0,127}")


class AdbDevice:
    """See ``edgeshift.benchmarks.devices.device.Device``.

    Args:
        name: ``adb:SERIAL``, which is not spoken to yet, or ``adb``: the only phone there is.

    Raises:
        DeviceError: ``adb`` alone, and there is none, or several, or one that cannot be used.
    """

    def __init__(self, name: str = "adb") -> None:
        kind, _, serial = name.partition(":")
        if kind != "adb" or (name != "adb" and _SERIAL.fullmatch(serial) is None):
            raise DeviceError(f"{name}: a phone is named adb:SERIAL as `adb devices` lists it, or adb if there is one")
        self.serial = serial or choose_phone(None)
        self.name = f"adb:{self.serial}"
        self._met = False
        self._agent: list[str] | None = None

    def run(self, argv: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        """Run a command to its end, as ``Device.run`` says; 126 and 127 are the shell's words for no such program."""
        self._meet()
        mark = f"edgeshift-{secrets.token_hex(8)}"
        remote = f"echo {mark} $$; {shlex.join(argv)}; s=$?; echo >&2; echo {mark} $s >&2; exit $s"
        shell: list[str] = []

        def follow(text: str) -> None:
            if not shell:
                shell.append(text.removeprefix(mark).strip())
            elif line is not None:
                line(text)

        try:
            done = self._adb(["shell", remote], timeout, follow)
        except BaseException as error:
            self._stop(shell)
            if isinstance(error.__cause__, subprocess.TimeoutExpired):
                if self._state() != "device":
                    raise self._lost("") from error
                raise DeviceError(f"{self.name}: {argv[0]}: no end after {timeout:.0f} s, stopped") from error
            raise
        end = re.search(rf"\n{mark} (\d+)\r?\n\Z", done.err)
        if end is None:
            raise self._lost(done.err)
        err, status = done.err[: end.start()], int(end[1])
        if status in (126, 127):
            raise DeviceError(f"{self.name} cannot run {argv[0]}: {last_line(err)}")
        return Done(status, done.out.partition("\n")[2], err)

    def push(self, local: Path, name: str) -> str:
        """Bring a file into ``FOLDER`` under a plain name; skipped where the file there has its hash.

        Raises:
            DeviceError: a name that is not plain, no room there. DeviceLostError: the phone went away.
        """
        if not NAME.fullmatch(name):
            raise DeviceError(f"{name!r}: a file on a device has a plain name")
        path = f"{FOLDER}/{name}"
        digest = sha256(local.read_bytes())
        if self._digest(path) == digest:
            return path
        self._checked(["mkdir", "-p", FOLDER], "make its folder")
        part = f"{FOLDER}/.{name}.{secrets.token_hex(4)}"
        try:
            self._transfer(["push", str(local), part], f"push {local.name}")
            if self._digest(part) != digest:
                raise DeviceError(f"{self.name}: {local.name} arrived damaged: is there room in {FOLDER}?")
            self._checked(["mv", "-f", part, path], f"rename {name}")
        except DeviceLostError:
            raise
        except BaseException:
            self.run(["rm", "-f", part], PATIENCE)
            raise
        return path

    def pull(self, remote: str, local: Path) -> None:
        """Fetch a file. It appears under its name only when it is whole."""
        with atomic_write(local) as part:
            self._transfer(["pull", remote, str(part)], f"pull {remote}")

    def facts(self) -> Facts:
        """What Android says of itself: properties, clocks, thermal zones, the thermal and battery services."""
        return phone_facts(self.run(["sh", "-c", SCRIPT], PATIENCE).out)

    def big_cores(self, least: int = 1) -> tuple[int, ...]:
        """The fastest cores by ``cpuinfo_max_freq``: whole clusters, fastest first, until there are ``least``."""
        return fastest_cores(self.facts().clock, least)

    def agent(self) -> list[str]:
        """How a command of the agent begins, in Termux's Python, where Android lets the shell enter that app.

        Raises:
            DeviceError: it does not, or there is no Python; the line says how to reach Termux by ssh instead.
        """
        if self._agent is not None:
            return self._agent
        inside = [
            "run-as",
            "com.termux",
            "env",
            f"HOME={TERMUX}/home",
            f"PATH={TERMUX}/usr/bin",
            f"PREFIX={TERMUX}/usr",
        ]
        python = [*inside, f"{TERMUX}/usr/bin/python3"]
        try:
            done = self.run([*python, "-c", "print(1)"], PATIENCE)
        except DeviceLostError:
            raise
        except DeviceError as error:
            done = Done(127, "", str(error))
        if done.status or done.out.strip() != "1":
            raise DeviceError(
                f"{self.name}: no Python that adb can start ({last_line(done.err or done.out)}): in Termux run "
                "`pkg install python openssh` and `sshd`, here `adb forward tcp:8022 tcp:8022`, "
                "and use --device ssh://localhost:8022"
            )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "agent.pyz")
            build_agent(file)
            self._agent = [*python, self.push(file, "agent.pyz")]
        return self._agent

    def _adb(self, arguments: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        return call_adb(["-s", self.serial, *arguments], timeout, line)

    def _meet(self) -> None:
        """Look once whether the phone is there, may be used, and tells how commands end."""
        if self._met:
            return
        choose_phone(self.serial)
        done = self._adb(["features"], PATIENCE)
        if done.status:
            raise self._lost(done.err)
        if "shell_v2" not in done.out.split():
            raise DeviceError(f"{self.name} does not tell how commands end: Android 7 or newer is needed")
        self._met = True

    def _digest(self, path: str) -> str | None:
        done = self.run(["sha256sum", path], TRANSFER)
        return next(iter(done.out.split()), None) if done.status == 0 else None

    def _checked(self, argv: Sequence[str], what: str) -> None:
        done = self.run(argv, PATIENCE)
        if done.status:
            raise DeviceError(f"{self.name} cannot {what}: {last_line(done.err or done.out)}")

    def _transfer(self, arguments: Sequence[str], what: str) -> None:
        self._meet()
        done = self._adb(arguments, TRANSFER)
        if done.status:
            said = done.err if done.err.strip() else done.out
            raise (
                DeviceError(f"{self.name} cannot {what}: {last_line(said)}")
                if self._state() == "device"
                else self._lost(said)
            )

    def _state(self) -> str | None:
        """What adb calls the phone now; None: it does not know it."""
        return next((phone.state for phone in list_adb().phones if phone.serial == self.serial), None)

    def _lost(self, said: str) -> DeviceLostError:
        """The error for a call that ended before its command did, by what adb knows of the phone now."""
        state = self._state()
        if state in STATES:
            return DeviceLostError(f"{self.name} is {state}: {STATES[state]}")
        words = f" ({last_line(said)})" if said.strip() else ""
        now = "it is back: go on" if state == "device" else "plug it in and go on"
        return DeviceLostError(f"{self.name} was lost in the middle{words}: {now}")

    def _stop(self, shell: Sequence[str]) -> None:
        """Stop what a call left running: adb's shell leads a process group. A phone that is lost has stopped it."""
        if shell and shell[0].isdecimal():
            with suppress(DeviceError):
                self._adb(["shell", f"kill -9 -{shell[0]}"], PATIENCE)
