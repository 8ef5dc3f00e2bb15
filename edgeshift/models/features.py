"""Which layers share features: what must change together when channels change places."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Features:
    """Features that several layers write and read.

    Attributes:
        places: the shifts of these features. writers: convolutions and batch norms whose outputs they are.
        readers: layers whose inputs they are.
    """

    places: tuple[str, ...]
    writers: tuple[nn.Module, ...]
    readers: tuple[nn.Module, ...]
