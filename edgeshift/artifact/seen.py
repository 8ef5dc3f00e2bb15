"""The artifacts that this user's machine has converted or tried before. They need not be examined again.

Each is an empty file in the user's cache folder, named by a hash of graph and description. If the folder cannot be
written, artifacts are examined every time.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from edgeshift._system.files import cache_folder, sha256
from edgeshift.artifact.file import Artifact

#: Version of the examination. A new one makes edgeshift examine all artifacts again.
VERSION = 1


def is_seen(artifact: Artifact, runtime: str) -> bool:
    """Return True if this graph with this description has run with a runtime on this machine."""
    try:
        return _marker(artifact, runtime).is_file()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home folder
        return False


def mark_seen(artifact: Artifact, runtime: str) -> None:
    """Record that an artifact has run with a runtime. Without a cache folder, nothing is recorded."""
    with suppress(OSError, RuntimeError):
        marker = _marker(artifact, runtime)
        marker.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        marker.touch()


def _marker(artifact: Artifact, runtime: str) -> Path:
    spec = artifact.spec
    # The event rule has no effect on the graph, and `edgeshift rule --write` replaces it.
    described = msgspec.json.encode(msgspec.structs.replace(spec, rule=None, body_bytes=0, body_sha256=None))
    name = sha256(f"{VERSION} {runtime} {spec.body_sha256 or sha256(artifact.body)} {sha256(described)}".encode())
    return cache_folder() / "seen" / name
