"""Microphones through the program arecord of ALSA's tools."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from dataclasses import dataclass
from time import monotonic

import numpy as np

from edgeshift._system.text import printable
from edgeshift.apps.camera.microphones.base import BLOCK, NO_SOUND, TIMEOUT, Block
from edgeshift.errors import SoundError, one_line

THROUGH = "arecord"
#: Samples per second to ask for. Nearly every microphone has this rate, so nothing is converted.
RATE = 48_000
#: Length of the header before the samples, bytes, and the place of the rate in it.
HEADER, RATE_AT = 44, 24
INSTALL = "apt install alsa-utils"


def available() -> bool:
    """Whether the program is installed."""
    return shutil.which("arecord") is not None


@dataclass(frozen=True)
class ArecordMicrophone:
    """A microphone that ALSA knows.

    Attributes:
        name: its ALSA name, such as "default" or "plughw:1,0"; arecord -L lists them.
    """

    name: str

    through = THROUGH

    def open(self) -> ArecordStream:
        """Start the program and wait until it records."""
        program = shutil.which("arecord")
        if program is None:
            raise SoundError(f"the program arecord is not installed: {INSTALL}")
        options = ["-q", "-D", self.name, "-t", "wav", "-f", "S16_LE", "-c", "1", "-r", str(RATE)]
        period = [f"--period-time={round(BLOCK * 1e6)}", "--buffer-time=500000"]
        try:
            # In a session of its own, so that Ctrl-C in the terminal ends the demo only, which then ends the program.
            process = subprocess.Popen(  # noqa: S603
                [program, *options, *period],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SoundError(f"arecord cannot be started: {one_line(error)}") from error
        return ArecordStream(process, self.name)


class ArecordStream:
    """A running arecord."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process, self._out, self._err = process, process.stdout.fileno(), process.stderr.fileno()
        self._data, self._lost, self._message = b"", False, ""
        try:
            while len(self._data) < HEADER:
                self._receive()
        except SoundError as error:
            self.close()
            raise SoundError(
                f"microphone {name!r} cannot be opened through arecord ({error}): arecord -L lists the names"
            ) from error
        # The program takes another rate if the microphone does not have the one that it was asked for.
        self.rate = int.from_bytes(self._data[RATE_AT : RATE_AT + 4], "little")
        self._data = self._data[HEADER:]

    def read(self) -> Block:
        """Wait for the next samples and return them."""
        while len(self._data) < 2:
            self._receive()
        count = len(self._data) // 2
        whole, self._data = self._data[: 2 * count], self._data[2 * count :]
        lost, self._lost = self._lost, False
        return Block(np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32768), lost)

    def close(self) -> None:
        """End the program."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _receive(self) -> None:
        """Wait for more bytes. The program reports lost samples, and its errors, on stderr."""
        end, pipes = monotonic() + TIMEOUT, [self._out, self._err]
        while True:
            ready, _, _ = select.select(pipes, [], [], max(0.0, end - monotonic()))
            if self._err in ready:
                text = os.read(self._err, 1 << 16).decode("utf-8", "replace")
                if not text:
                    pipes.remove(self._err)
                self._lost = self._lost or "overrun" in text
                self._message = next((line for line in reversed(text.splitlines()) if line.strip()), self._message)
            if self._out in ready:
                data = os.read(self._out, 1 << 16)
                if not data:
                    raise SoundError(self._ending())
                self._data += data
                return
            if not ready and monotonic() >= end:
                raise SoundError(NO_SOUND)

    def _ending(self) -> str:
        """Return why the program has ended."""
        rest = b""
        while select.select([self._err], [], [], 0.5)[0] and (text := os.read(self._err, 1 << 16)):
            rest += text
        lines = [line for line in rest.decode("utf-8", "replace").splitlines() if line.strip()]
        return printable(lines[-1] if lines else self._message or "arecord has ended")[:200]
