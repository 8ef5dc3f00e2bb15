"""A program on this machine, run to its end: what devices are reached through."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from edgeshift.benchmarks.devices.device import MAX_OUTPUT, Done, Line
from edgeshift.errors import DeviceError

#: Seconds that a program which was told to end may take.
GRACE = 5.0


def run_process(
    argv: Sequence[str],
    timeout: float,
    line: Line | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
) -> Done:
    """Run a program.

    Args:
        argv: program and arguments; no shell sees them.
        timeout: seconds; it is stopped then.
        line: is given each line of its standard output as it comes.
        env: its environment; None: ours.
        stdin: what it reads; a pipe stays open, and empty, for as long as it runs.

    Raises:
        DeviceError: there is no such program, it took too long, or it does not stop talking.
    """
    try:
        child = subprocess.Popen(  # noqa: S603
            list(argv), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
        )
    except OSError as error:
        raise DeviceError(f"{argv[0]}: cannot be run: {error.strerror or error}") from error
    assert child.stdout is not None and child.stderr is not None
    said = [_Reader(child.stdout, line), _Reader(child.stderr, None)]
    try:
        status = child.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{argv[0]}: no end after {timeout:.0f} s") from error
    finally:
        _stop(child)
        if child.stdin is not None:
            child.stdin.close()
        for reader in said:
            reader.join(GRACE)
    if any(reader.failure for reader in said):
        raise next(reader.failure for reader in said if reader.failure)
    return Done(status, *(reader.text for reader in said))


class _Reader(threading.Thread):
    """Takes what comes out of a pipe, so that it never fills."""

    def __init__(self, pipe: IO[bytes], line: Line | None) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self._pipe, self._line = pipe, line
        self._parts: list[bytes] = []
        self.start()

    @property
    def text(self) -> str:
        return b"".join(self._parts).decode("utf-8", "replace")

    def run(self) -> None:
        size = 0
        with self._pipe:
            for data in self._pipe:
                size += len(data)
                if size > MAX_OUTPUT:
                    self.failure = self.failure or DeviceError(f"more than {MAX_OUTPUT:,} bytes of output")
                    continue  # read on, or the program waits for ever
                self._parts.append(data)
                if self._line is not None and self.failure is None:
                    try:
                        self._line(data.decode("utf-8", "replace").rstrip("\r\n"))
                    except Exception as error:
                        self.failure = error


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop a program that still runs, politely first: it may have clocks to put back."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
