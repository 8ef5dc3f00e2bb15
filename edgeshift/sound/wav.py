"""Read and write .wav files of uncompressed sound."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift._system.files import atomic_write, read_file
from edgeshift.errors import SoundError
from edgeshift.sound.analysis import MAX_RATE, Samples
from edgeshift.sound.spectrogram import checked

#: The largest file that is read, bytes: an hour of 48,000 stereo samples per second with 16 bits.
MAX_BYTES = 700 << 20
MAX_CHANNELS = 32


def read_wav(path: Path) -> tuple[Samples, int]:
    """Read the first channel of a .wav file with whole numbers of 8, 16, 24 or 32 bits.

    A file that is cut short gives the samples that it has.

    Returns:
        The samples, float32 [N] within -1 to 1, and the number of samples per second.

    Raises:
        SoundError: the file cannot be read, is too large, is no .wav file, or is compressed.
    """
    data = read_file(path, MAX_BYTES, SoundError)
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if not (1 <= channels <= MAX_CHANNELS and 1 <= width <= 4 and 1 <= rate <= MAX_RATE):
                plural = "" if channels == 1 else "s"
                raise SoundError(
                    f"{path}: a sound with {channels} channel{plural}, {8 * width} bits and {rate:,} samples per "
                    f"second cannot be read: give up to {MAX_CHANNELS} channels, 32 bits and {MAX_RATE:,} samples per "
                    "second"
                )
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:
        raise SoundError(
            f"{path}: not an uncompressed .wav file ({str(error) or 'it is cut short'}): convert it, for example with "
            "ffmpeg -i FILE -c:a pcm_s16le OUT.wav"
        ) from error
    samples = len(content) // (channels * width)
    octets = np.frombuffer(content, np.uint8, samples * channels * width).reshape(samples, channels, width)[:, 0]
    if width == 1:  # the only width without a sign
        return ((octets[:, 0].astype(np.float64) - 128) / 128).astype(np.float32), rate
    whole = np.zeros((samples, 4), np.uint8)
    whole[:, 4 - width :] = octets
    return (whole.view("<i4")[:, 0] / 2.0**31).astype(np.float32), rate


def write_wav(path: Path, samples: npt.ArrayLike, rate: int) -> None:
    """Write mono samples within -1 to 1 as a .wav file of 16 bits. Values beyond are cut off.

    Raises:
        SoundError: the samples are no floating-point numbers, or not finite.
        EdgeshiftError: the file cannot be written.
    """
    whole = np.floor(checked(samples).astype(np.float64) * 32768 + 0.5).clip(-32768, 32767).astype("<i2")
    with atomic_write(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
