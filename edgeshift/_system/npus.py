"""Chips of phones for whose NPUs LiteRT can compile a graph, and the SDK of each vendor, which LiteRT needs for that.

The lists of chips are read from the installed LiteRT (``ai_edge_litert.aot.vendors``).
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

from edgeshift._system.quiet import quiet
from edgeshift.errors import ConversionError, RuntimeMissingError, missing, one_line, unknown

#: Start of ``GraphSpec.backend`` of a graph that is compiled for an NPU. The vendor and the chip follow.
COMPILED_FOR = "npu "
#: The member of LiteRT's enums that stands for all chips of a vendor.
EVERY = "ALL"


class Vendor(NamedTuple):
    """A vendor of chips with an NPU.

    Attributes:
        title: its name.
        module: module of LiteRT with its chips (``SocModel``) and its ``Target``.
        package: package on PyPI that installs its SDK. The libraries of the SDK are proprietary.
        sdk: module of this package. Its function ``path_to_sdk_libs`` returns the folder of the libraries.
    """

    title: str
    module: str
    package: str
    sdk: str


class Chip(NamedTuple):
    """A chip: its vendor, and its name in LiteRT, such as "SM8650"."""

    vendor: Vendor
    name: str

    @property
    def title(self) -> str:
        """The vendor and the name, such as "Qualcomm SM8650"."""
        return f"{self.vendor.title} {self.name}"


VENDORS = tuple(
    Vendor(title, f"ai_edge_litert.aot.vendors.{name}.target", package, package.replace("-", "_"))
    for title, name, package in (
        ("Qualcomm", "qualcomm", "ai-edge-litert-sdk-qualcomm"),
        ("MediaTek", "mediatek", "ai-edge-litert-sdk-mediatek"),
        ("Google", "google_tensor", "ai-edge-litert-sdk-google-tensor"),
    )
)


def chips() -> dict[str, Chip]:
    """Return {name: chip} of all chips that the installed LiteRT knows; empty: it has no compiler."""
    found = {}
    for vendor in VENDORS:
        try:
            target = importlib.import_module(vendor.module)
        except ImportError:  # LiteRT is not installed, or older than its compiler or than this vendor
            continue
        found.update({str(name): Chip(vendor, str(name)) for name in target.SocModel if name != EVERY})
    return found


def find_chip(name: str) -> Chip:
    """Return a chip by its name. Case does not matter, nor a suffix such as "-AC", nor a space in place of "_".

    Raises:
        ConversionError: LiteRT cannot compile for this chip. The message lists similar names.
        RuntimeMissingError: no LiteRT with a compiler is installed.
    """
    known = chips()
    if not known:
        raise missing("ai-edge-litert 2.1 or later", "convert", f"--aot {name}")
    wanted = name.partition("-")[0].strip().replace(" ", "_").casefold()
    for chip in known.values():
        if chip.name.casefold() == wanted:
            return chip
    raise ConversionError(unknown("chip", name, known))


def require_sdk(chip: Chip) -> None:
    """Check that the vendor's SDK for a chip is installed. edgeshift contains no part of it.

    Raises:
        RuntimeMissingError: the SDK is not installed, is incomplete, or cannot be used on this machine.
    """
    vendor = chip.vendor
    work = f"--aot {chip.name} needs {vendor.title}'s SDK"
    install = f"pip install {vendor.package}"
    if importlib.util.find_spec(vendor.sdk) is None:
        raise RuntimeMissingError(
            f"{work}, which is not installed: {install} (it downloads proprietary libraries of {vendor.title}: read "
            "their license first)"
        )
    try:
        with quiet(stdout=True):
            folder = importlib.import_module(vendor.sdk).path_to_sdk_libs(*_sdk_version(chip))
    except Exception as error:  # it raises NotImplementedError where it has no libraries
        raise RuntimeMissingError(f"{work}, which cannot be used here: {one_line(error)}") from error
    if folder is None or not Path(folder).is_dir():
        raise RuntimeMissingError(
            f"{work}, whose libraries could not be downloaded when it was installed: {install} --force-reinstall "
            "--no-cache-dir --no-deps"
        )


def _sdk_version(chip: Chip) -> tuple[str, ...]:
    """Return the version of MediaTek's SDK that a chip needs. The other vendors have only one."""
    versions: Any = getattr(importlib.import_module(chip.vendor.module), "map_soc_to_np_version", None)
    return () if versions is None else (versions(chip.name),)


def compiled_for(backend: str | None) -> str | None:
    """Return the chip, such as "Qualcomm SM8650", that ``GraphSpec.backend`` names; None: the graph is not compiled."""
    return backend.removeprefix(COMPILED_FOR) if backend is not None and backend.startswith(COMPILED_FOR) else None
