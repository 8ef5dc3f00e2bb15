"""Read the sound inside a video with the system's ``ffmpeg``, as it is in time with the frames."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from edgeshift.errors import SoundError, one_line
from edgeshift.sound.analysis import Samples

#: Samples per second of the result, its largest length in seconds, and the longest time that ffmpeg may take.
RATE, MAX_SECONDS, TIMEOUT = 16_000, 600, 60


def has_ffmpeg() -> bool:
    """Whether the system has ffmpeg."""
    return shutil.which("ffmpeg") is not None


def read_soundtrack(path: Path) -> tuple[Samples, int]:
    """Read the first ten minutes of the sound in a video, mixed to one channel.

    Sample 0 is at the time of the first frame. If the sound begins later, it is preceded by silence.

    Returns:
        The samples, float32 [N] within -1 to 1, and the number of samples per second.

    Raises:
        SoundError: ffmpeg is not installed, or the video has no sound that it can read in ``TIMEOUT`` seconds.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise SoundError(f"{path}: the sound in a video is read by ffmpeg, which is not installed: install it")
    command = [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"]
    # A video may name other files and addresses, which must not be opened.
    command += ["-protocol_whitelist", "file,pipe", "-i", f"file:{path}", "-map", "0:a:0", "-ac", "1", "-ar", str(RATE)]
    # Without this filter, a sound that begins after the first frame would be moved to it.
    command += ["-af", "aresample=async=1:first_pts=0", "-t", str(MAX_SECONDS), "-f", "s16le", "pipe:1"]
    try:
        ended = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SoundError(f"{path}: ffmpeg did not read its sound within {TIMEOUT} s: convert the video") from error
    except OSError as error:
        raise SoundError(f"{path}: ffmpeg cannot be started: {one_line(error)}") from error
    if b"matches no streams" in ended.stderr:
        raise SoundError(f"{path}: the video has no sound")
    if ended.returncode or len(ended.stdout) < 2:
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SoundError(f"{path}: ffmpeg cannot read its sound: {lines[-1][:200] if lines else 'no samples'}")
    whole = np.frombuffer(ended.stdout, "<i2", len(ended.stdout) // 2)
    return (whole / 32768).astype(np.float32), RATE
