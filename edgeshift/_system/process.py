"""Run a program on this machine to its end, such as ssh or adb, and read its output line by line."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from edgeshift.errors import DeviceError

#: Called with each line of a command's standard output as it arrives, without the line end.
OnLine = Callable[[str], None]
#: Maximum bytes of a command's output. More output is an error, because the command may never stop.
MAX_OUTPUT = 1 << 28
#: Seconds that a program has to end after SIGTERM before it is killed.
STOP_TIMEOUT = 5.0


class CommandResult(NamedTuple):
    """The exit status, standard output and standard error of a command that has ended."""

    status: int
    out: str
    err: str

    @property
    def problem(self) -> str:
        """The reason for a failure: the last line of standard error, or else of standard output."""
        return last_line(self.err) or last_line(self.out) or f"exit status {self.status}"


def run_process(
    argv: Sequence[str],
    timeout: float,
    on_line: OnLine | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
) -> CommandResult:
    """Run a program without a shell.

    Args:
        argv: program and arguments.
        timeout: seconds after which the program is stopped.
        on_line: called with each line of standard output while the program runs.
        env: environment of the program; None: the environment of this process.
        stdin: standard input of the program. A pipe stays open and empty while the program runs.

    Raises:
        DeviceError: the program cannot be started, printed too much, or took too long (its cause: ``TimeoutExpired``).
    """
    try:
        child = subprocess.Popen(  # noqa: S603
            list(argv), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
        )
    except OSError as error:
        raise DeviceError(f"{argv[0]}: cannot be run: {error.strerror or error}") from error
    assert child.stdout is not None and child.stderr is not None
    readers = [_Reader(child.stdout, on_line), _Reader(child.stderr, None)]
    try:
        status = child.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{argv[0]}: stopped, because it did not end within {timeout:.0f} s") from error
    finally:
        # SIGTERM is sent first, because the worker restores clocks when it receives this signal.
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdin is not None:
            child.stdin.close()
        for reader in readers:
            reader.join(STOP_TIMEOUT)
    for reader in readers:
        if reader.failure:
            raise reader.failure
    return CommandResult(status, *(reader.text for reader in readers))


class _Reader(threading.Thread):
    """A thread that reads a pipe to its end, so that the pipe never fills and blocks the program.

    Attributes:
        failure: the first exception of ``on_line``, or a DeviceError for too much output; None: there was none.
    """

    def __init__(self, pipe: IO[bytes], on_line: OnLine | None) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self._pipe, self._on_line = pipe, on_line
        self._lines: list[bytes] = []
        self.start()

    @property
    def text(self) -> str:
        return b"".join(self._lines).decode("utf-8", "replace")

    def run(self) -> None:
        size = 0
        with self._pipe:
            for data in self._pipe:
                size += len(data)
                if size > MAX_OUTPUT:
                    self.failure = self.failure or DeviceError(f"more than {MAX_OUTPUT:,} bytes of output")
                    continue  # The output is still read, because a full pipe would block the program for ever.
                self._lines.append(data)
                if self._on_line is not None and self.failure is None:
                    try:
                        self._on_line(data.decode("utf-8", "replace").rstrip("\r\n"))
                    except Exception as error:
                        self.failure = error


def last_line(text: str, limit: int = 300) -> str:
    """Return the last line that is not blank, shortened to ``limit`` characters, or "" if there is none."""
    return next((line.strip()[:limit] for line in reversed(text.splitlines()) if line.strip()), "")
