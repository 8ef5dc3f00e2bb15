"""Qualcomm's NPU, the Hexagon Tensor Processor (HTP): its versions, and the chips that have each of them.

A graph that is compiled for one version is made for the chips with this version. The table of chips is from ExecuTorch
1.5 (``backends/qualcomm/serialization/qc_schema.py``), which Qualcomm maintains. A test compares it with the installed
ExecuTorch.
"""

from __future__ import annotations

from edgeshift.errors import ConversionError, unknown

#: The versions that a graph can be compiled for, oldest first.
VERSIONS = ("v68", "v69", "v73", "v75", "v79", "v81")
#: The version if none is chosen: that of the Snapdragon 8 Gen 3 (phones of 2024).
DEFAULT = "v75"
#: {name of a chip: version of its NPU}. SM are chips for phones, SC for laptops, SA for cars, SSG, SXR, SAR and SW for
#: glasses and watches, QCM and QCS for boards.
CHIPS = {
    "SM8350": "v68",  # Snapdragon 888
    "SM8450": "v69",  # Snapdragon 8 Gen 1
    "SM8475": "v69",  # Snapdragon 8+ Gen 1
    "SM8550": "v73",  # Snapdragon 8 Gen 2
    "SM8650": "v75",  # Snapdragon 8 Gen 3
    "SM8750": "v79",  # Snapdragon 8 Elite
    "SM8845": "v81",
    "SM8850": "v81",  # Snapdragon 8 Elite Gen 5
    "SC8380XP": "v73",  # Snapdragon X Elite
    "SA8255": "v73",
    "SA8295": "v68",
    "SA8797": "v81",
    "QCM6490": "v68",
    "QCS9100": "v73",
    "SAR2230P": "v81",
    "SSG2115P": "v73",
    "SSG2125P": "v73",
    "SW6100": "v81",
    "SXR1230P": "v73",
    "SXR2230P": "v69",
    "SXR2330P": "v79",
}


def version_of(chip: str) -> str:
    """Return the version of a chip's NPU, such as "v75" for "SM8650". Case and a suffix such as "-AC" do not matter.

    Raises:
        ConversionError: the chip is not in the table.
    """
    name = chip.upper().partition("-")[0]
    if name not in CHIPS:
        raise ConversionError(f"{unknown('chip', chip, CHIPS)}; or give the version of its Hexagon NPU with --htp")
    return CHIPS[name]


def require_version(version: str) -> str:
    """Return a version of the NPU as it was given.

    Raises:
        ConversionError: there is no such version.
    """
    if version not in VERSIONS:
        raise ConversionError(unknown("version of Hexagon", version, VERSIONS))
    return version
