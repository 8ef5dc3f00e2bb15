"""The files that the server sends to a phone. They are read into memory before the first request."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path

import msgspec

from edgeshift.apps.phone.job import PageJob, PhoneArtifact, TimingFrames
from edgeshift.errors import EdgeshiftError

#: Folder into which `make phone` builds the page.
BUILT = Path(__file__).parent / "built"
PAGE = "index.html"
#: Content types by the suffix of a file's name. Files with another suffix are not served.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
    ".md": "text/plain; charset=utf-8",
    ".json": "application/json",
    "": "application/octet-stream",
}


class ServedFile(msgspec.Struct, frozen=True):
    """One file: its content type, its bytes, and whether the bytes are compressed with gzip."""

    type: str
    data: bytes
    compressed: bool

    def uncompressed(self) -> bytes:
        """Return the content, for a browser that does not accept gzip."""
        return gzip.decompress(self.data) if self.compressed else self.data


def page_files(built: Path | None = None) -> dict[str, ServedFile]:
    """Return the files of the page and of its runtime, {path below the token: file}. The page itself has the path "".

    Args:
        built: folder of the built page; None: the folder into which `make phone` builds it.

    Raises:
        EdgeshiftError: the page was not built.
    """
    built = built or BUILT
    if not (built / PAGE).is_file():
        raise EdgeshiftError(f"the page for phones is not built: {_how_to_build(built)}")
    files: dict[str, ServedFile] = {}
    for path in sorted(built.rglob("*")):
        name = path.relative_to(built).as_posix().removesuffix(".gz")
        content_type = TYPES.get(Path(name).suffix)
        if path.is_file() and content_type is not None:
            compressed = path.suffix == ".gz"
            files["" if name == PAGE else name] = ServedFile(content_type, path.read_bytes(), compressed)
    return files


def _how_to_build(built: Path) -> str:
    """Return the command that builds the page, in a clone of the repository or elsewhere."""
    clone = built.parents[2]
    if (clone / "Makefile").is_file() and (clone / "pyproject.toml").is_file():
        return f"run make -C {shlex.quote(str(clone))} phone, which needs Node 20 or later and npm"
    return "run make wheel in a clone of edgeshift, which needs Node 20 or later and npm, and install the wheel"


def all_files(
    artifact: PhoneArtifact, job: PageJob, frames: TimingFrames, built: Path | None = None
) -> dict[str, ServedFile]:
    """Return every file that a phone can ask for, {path below the token: file}."""
    count, height, width, _ = frames.pixels.shape
    document = {
        **msgspec.to_builtins(job),
        "frames": {"name": frames.name, "count": count, "width": width, "height": height},
    }
    # Level 1 compresses fastest, and the frames are sent only once.
    pixels = gzip.compress(frames.pixels.tobytes(), compresslevel=1, mtime=0)
    return {
        **page_files(built),
        "job.json": ServedFile(TYPES[".json"], msgspec.json.encode(document), compressed=False),
        "artifact": ServedFile(TYPES[""], artifact.data, compressed=False),
        "frames.bin": ServedFile(TYPES[""], pixels, compressed=True),
    }
