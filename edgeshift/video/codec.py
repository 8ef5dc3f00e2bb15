"""The codec of a video that OpenCV cannot decode, read from its container, and how to convert such a video."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

#: {code of a codec in MP4, MOV or AVI, or its name in Matroska: name}, for codecs that OpenCV from pip may not decode.
CODECS = {
    b"av01": "AV1",
    b"V_AV1": "AV1",
    b"vvc1": "H.266",
    b"vvi1": "H.266",
    b"V_MPEGI/ISO/VVC": "H.266",
    b"hvc1": "H.265",
    b"hev1": "H.265",
    b"dvh1": "H.265 with Dolby Vision",
    b"dvhe": "H.265 with Dolby Vision",
    b"V_MPEGH/ISO/HEVC": "H.265",
    b"vp09": "VP9",
    b"V_VP9": "VP9",
    b"vp08": "VP8",
    b"V_VP8": "VP8",
    b"apv1": "APV",
    b"aprn": "ProRes RAW",
    b"aprh": "ProRes RAW",
    b"encv": "an encrypted codec",
    b"drmi": "an encrypted codec",
}
#: Bytes at the beginning and at the end of a file in which its codec is looked for.
SEARCHED = 8 << 20
_SAMPLE_ENTRY = re.compile(rb"stsd.{12}(.{4})", re.DOTALL)
_MATROSKA_CODEC = re.compile(rb"\x86[\x81-\xa0](V_[A-Z0-9_/]{2,30})")


def undecodable(path: Path) -> str | None:
    """Return which codec a video has that OpenCV did not decode, and what to do; None: the codec was not recognised."""
    name = find_codec(path)
    if name is None:
        return None
    if "encrypted" in name:
        return f"the video is encrypted ({name}), and cannot be read"
    converted = path.with_name(f"{path.stem}_h264.mp4")
    command = shlex.join(["ffmpeg", "-i", str(path), "-c:v", "libx264", "-crf", "18", "-an"])
    return (
        f"this OpenCV cannot decode its codec, {name}, or the file is damaged; convert it to H.264: "
        f"{command} {shlex.quote(str(converted))}"
    )


def find_codec(path: Path) -> str | None:
    """Return the name of the video codec in an MP4, MOV, Matroska or WebM file; None: it is not in ``CODECS``."""
    try:
        with path.open("rb") as file:
            data = file.read(SEARCHED)
            file.seek(0, 2)
            file.seek(max(len(data), file.tell() - SEARCHED))  # MP4 files of cameras have their index at the end
            data += file.read(SEARCHED)
    except OSError:
        return None
    pattern = _MATROSKA_CODEC if data.startswith(b"\x1a\x45\xdf\xa3") else _SAMPLE_ENTRY
    for found in pattern.findall(data):
        if found in CODECS:
            return CODECS[found]
    return None
