"""Training on drawn streams or recorded videos. The result is a checkpoint.

Importing this package needs no torch; ``train`` and ``Trained`` are imported with torch when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeshift.checkpoints import require_packages
from edgeshift.training.recipe import Recipe

if TYPE_CHECKING:
    from edgeshift.training.run import Trained, train

__all__ = ["Recipe", "Trained", "train"]


def __getattr__(name: str) -> Any:
    if name not in ("Trained", "train"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_packages("training")
    from edgeshift.training import run

    return getattr(run, name)
