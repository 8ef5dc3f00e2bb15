"""The files that a phone is given, and no others: a list in memory, made before the first request comes."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from edgeshift.apps.phone.job import Frames, Job, PhoneArtifact
from edgeshift.errors import EdgeshiftError

#: Where `make phone` puts the page.
BUILT = Path(__file__).parent / "built"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
    ".md": "text/plain; charset=utf-8",
    ".json": "application/json",
    "": "application/octet-stream",
}
PAGE = "index.html"


class File(msgspec.Struct, frozen=True):
    """One file: its type, its bytes, and whether these are packed with gzip."""

    type: str
    data: bytes
    packed: bool

    def plain(self) -> bytes:
        """Its bytes for a browser that does not unpack."""
        return gzip.decompress(self.data) if self.packed else self.data


def page_files(built: Path | None = None) -> dict[str, File]:
    """The page and the runtime as they were built: {path below the token: file}; the page itself is at "".

    Raises:
        EdgeshiftError: it was not built.
    """
    built = built or BUILT
    if not (built / PAGE).is_file():
        raise EdgeshiftError(
            "the page was not built: run `make phone` in edgeshift's sources (it needs Node 20 or later), "
            "or install a wheel, which carries it"
        )
    found: dict[str, File] = {}
    for path in sorted(built.rglob("*")):
        if not path.is_file():
            continue
        packed = path.suffix == ".gz"
        name = path.relative_to(built).as_posix().removesuffix(".gz")
        suffix = Path(name).suffix
        if suffix in TYPES:
            found["" if name == PAGE else name] = File(TYPES[suffix], path.read_bytes(), packed)
    return found


def all_files(artifact: PhoneArtifact, job: Job, frames: Frames, built: Path | None = None) -> dict[str, File]:
    """Everything that can be asked for: {path below the token: file}."""
    count, height, width, _ = frames.pixels.shape
    document = {
        **msgspec.to_builtins(job),
        "frames": {"name": frames.name, "count": count, "width": width, "height": height},
    }
    # A weak packing: the frames are sent once, and the phone waits for them.
    pixels = gzip.compress(frames.pixels.tobytes(), compresslevel=1, mtime=0)
    return {
        **page_files(built),
        "job.json": File(TYPES[".json"], msgspec.json.encode(document), packed=False),
        "artifact": File(TYPES[""], artifact.data, packed=False),
        "frames.bin": File(TYPES[""], pixels, packed=True),
    }
