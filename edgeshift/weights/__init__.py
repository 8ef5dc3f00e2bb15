"""The weights that ship with edgeshift, trained on drawn streams (see MODEL_CARD.md). It imports no other package."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped(model: str) -> Path | None:
    """Return the shipped checkpoint of a model, by its registry name such as ``tsm_mobilenet_v2``; None: none ships."""
    path = FOLDER / f"{model}.safetensors"
    return path if path.is_file() else None


def all_shipped() -> dict[str, Path]:
    """Return {registry name: checkpoint} of all shipped weights."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
