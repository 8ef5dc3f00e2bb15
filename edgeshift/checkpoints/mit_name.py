"""File names of MIT's training script. They contain facts that the tensors do not show.

``main.py`` of mit-han-lab/temporal-shift-module builds names of this form:
``TSM_<data>_<modality>_<arch>[_shift<div>_<place>][_tpool]_<consensus>_segment<T>_e<epochs>[_...][_dense][_nl]``.
Published files have such a name. The script itself writes ``ckpt[.best].pth.tar`` into a folder with such a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeshift.checkpoints.layouts import Layout
from edgeshift.checkpoints.weights_file import WeightsFile

_NAME = re.compile(
    r"TSM_.+?_(?P<modality>RGB|Flow|RGBDiff)_(?P<arch>[^_]+)(?:_shift(?P<div>\d{1,3})_(?P<place>[a-z]+))?(?P<pool>_tpool)?"
    r"_(?P<consensus>[a-z]+)_segment(?P<frames>\d{1,4})_e\d+(?P<rest>\S*)"
)


@dataclass(frozen=True)
class MitName:
    """The facts in a name.

    Attributes:
        frames: number of frames of a training clip.
        div: the shift divisor; None: no shift.
        place: where a block is shifted.
        pool: whether the network has temporal pooling.
        non_local: whether the network has non-local blocks.
    """

    frames: int
    div: int | None
    place: str | None
    pool: bool
    non_local: bool


def read_name(file: WeightsFile, layout: Layout) -> MitName | None:
    """Return the facts in the name of a file or of its folder; None: the layout is not MIT's, or no such name.

    Raises:
        CheckpointError: according to the name, the network has a part that edgeshift cannot build; or only one of the
            name and the tensors shows a part.
    """
    name = require_supported(file) if layout.file_name else None
    if name is None:
        return None
    network = layout.network
    for part, in_name, in_tensors in (
        ("a shift", name.div is not None, network.table == "tsm"),
        ("a shift placed in 'block'", name.place == "block", network.place == "block"),
        ("temporal pooling", name.pool, network.temporal_pool),
        ("non-local blocks", name.non_local, network.non_local is not None),
    ):
        if in_name != in_tensors:
            first, second = ("with", "without") if in_name else ("without", "with")
            raise file.error(
                f"its name says that it was trained {first} {part}, the names of its tensors say {second}; rename the "
                "file if its name is wrong"
            )
    return name


def require_supported(file: WeightsFile) -> MitName | None:
    """Return the facts in the name of a file or of its folder; None: the name has another form.

    Raises:
        CheckpointError: according to the name, the network has a part that edgeshift cannot build.
    """
    match = _NAME.search(file.path.name) or _NAME.search(file.path.absolute().parent.name)
    if not match:
        return None
    div = None if match["div"] is None else int(match["div"])
    unsupported = {
        f"a shift of 1/{div} of the channels": div is not None and not 2 <= div <= 64,
        f"a shift placed in {match['place']!r}": match["place"] not in (None, "blockres", "block"),
        f"{match['modality']} frames": match["modality"] != "RGB",
        f"the consensus {match['consensus']!r}": match["consensus"] != "avg",
    }
    for part, present in unsupported.items():
        if present:
            raise file.error(
                f"its name says that it was trained with {part}, which is not supported; edgeshift reads RGB networks "
                "with the consensus avg and a shift of 1/2 to 1/64 in blockres or block"
            )
    return MitName(
        frames=max(1, min(4096, int(match["frames"]))),
        div=div,
        place=match["place"],
        pool=match["pool"] is not None,
        non_local="_nl" in match["rest"],
    )
