"""The weights that ship with edgeshift, trained by it on drawn streams (see MODEL_CARD.md). Imports no other room."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped(model: str) -> Path | None:
    """Return the shipped checkpoint of a registry name such as ``tsm_mobilenet_v2``; None: there is none."""
    path = FOLDER / f"{model}.safetensors"
    return path if path.is_file() else None


def all_shipped() -> dict[str, Path]:
    """Return {registry name: checkpoint} of all shipped weights."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
