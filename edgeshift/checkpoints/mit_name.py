"""What the file names of MIT's training script say that the tensors do not.

``TSM_<data>_<modality>_<arch>[_shift<div>_<place>][_tpool]_<consensus>_segment<T>_e<epochs>[_...][_dense][_nl]``, as
``main.py`` of mit-han-lab/temporal-shift-module builds them. Published files have this name; the script's own are
``ckpt[.best].pth.tar`` in a folder of this name.
"""

from __future__ import annotations

import re

from edgeshift.checkpoints.layouts import Layout
from edgeshift.checkpoints.weights_file import WeightsFile

_NAME = re.compile(
    r"TSM_\w+?_(?P<modality>RGB|Flow|RGBDiff)_(?P<arch>[^_]+)(?:_shift(?P<div>\d{1,3})_(?P<place>[a-z]+))?(?P<pool>_tpool)?"
    r"_(?P<consensus>[a-z]+)_segment(?P<frames>\d{1,4})_e\d+(?P<rest>\S*)"
)


def frames(file: WeightsFile, layout: Layout) -> int | None:
    """Frames of a training clip, if the layout is MIT's and the file has such a name.

    Raises:
        CheckpointError: the name says that the network is one we cannot build, or that it has a shift where the tensors
            say it has none, or the other way round.
    """
    if not layout.file_name:
        return None
    match = _NAME.search(file.path.name) or _NAME.search(file.path.absolute().parent.name)
    if not match:
        return None
    unsupported = {
        f"a shift of 1/{match['div']} of the channels": match["div"] not in (None, "8"),
        f"a shift placed in {match['place']!r}": match["place"] not in (None, "blockres"),
        "temporal pooling": match["pool"] is not None,
        "non-local blocks": "_nl" in match["rest"],
        f"{match['modality']} frames": match["modality"] != "RGB",
        f"the consensus {match['consensus']!r}": match["consensus"] != "avg",
    }
    for what, found in unsupported.items():
        if found:
            raise file.error(
                f"its name says that it was trained with {what}, which is not supported; edgeshift reads RGB networks "
                "with shift8_blockres and avg"
            )
    if (match["div"] is not None) != (layout.table == "tsm"):
        said, tensors = ("with", "without") if match["div"] else ("without", "with")
        raise file.error(
            f"its name says that it was trained {said} a shift, the names of its tensors say {tensors} ('.net'); "
            "rename the file if its name is wrong"
        )
    return max(1, min(4096, int(match["frames"])))
