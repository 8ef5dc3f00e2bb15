"""File names of MIT's training script. They contain facts that the tensors do not show.

``main.py`` of mit-han-lab/temporal-shift-module builds names of this form:
``TSM_<data>_<modality>_<arch>[_shift<div>_<place>][_tpool]_<consensus>_segment<T>_e<epochs>[_...][_dense][_nl]``.
Published files have such a name. The script itself writes ``ckpt[.best].pth.tar`` into a folder with such a name.
"""

from __future__ import annotations

import re

from edgeshift.checkpoints.layouts import Layout
from edgeshift.checkpoints.weights_file import WeightsFile

_NAME = re.compile(
    r"TSM_.+?_(?P<modality>RGB|Flow|RGBDiff)_(?P<arch>[^_]+)(?:_shift(?P<div>\d{1,3})_(?P<place>[a-z]+))?(?P<pool>_tpool)?"
    r"_(?P<consensus>[a-z]+)_segment(?P<frames>\d{1,4})_e\d+(?P<rest>\S*)"
)


def clip_frames(file: WeightsFile, layout: Layout) -> int | None:
    """Return the number of frames of a training clip; None: the layout is not MIT's, or the name has another form.

    Raises:
        CheckpointError: according to the name, the network has a part that edgeshift cannot build; or only one of the
            name and the tensors shows a shift.
    """
    match = require_supported(file) if layout.file_name else None
    if not match:
        return None
    if (match["div"] is not None) != (layout.table == "tsm"):
        in_name, in_tensors = ("with", "without") if match["div"] else ("without", "with")
        raise file.error(
            f"its name says that it was trained {in_name} a shift, the names of its tensors say {in_tensors} ('.net'); "
            "rename the file if its name is wrong"
        )
    return max(1, min(4096, int(match["frames"])))


def require_supported(file: WeightsFile) -> re.Match[str] | None:
    """Return the parts of the name of a file or of its folder; None: the name has another form.

    Raises:
        CheckpointError: according to the name, the network has a part that edgeshift cannot build.
    """
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
    for part, present in unsupported.items():
        if present:
            raise file.error(
                f"its name says that it was trained with {part}, which is not supported; edgeshift reads RGB networks "
                "with shift8_blockres and avg"
            )
    return match
