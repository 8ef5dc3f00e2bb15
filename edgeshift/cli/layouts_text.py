"""What ``edgeshift models --layouts`` prints: every layout of weights files, and how its networks can run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from edgeshift.checkpoints import require_packages
from edgeshift.cli.output import print_json, print_next, print_table

#: How a network can run, by the name in JSON.
RUNS = {
    "stream": "as a stream or in clip mode",
    "clip or stream": "in clip mode; as a stream with --stream-bidirectional",
    "clip": "in clip mode only",
}
#: {fact that the tensors do not show: the option that tells it}.
OPTIONS = {"shift_div": "--shift-div", "depth": "--depth", "non_local": "--non-local"}
COLUMNS = ("layout", "networks", "variant", "runs", "options for what the tensors do not show")


@dataclass(frozen=True)
class LayoutRow:
    """Layouts of one system that differ only in the backbone.

    Attributes:
        layout: name of the layout, as ``edgeshift inspect`` prints it.
        models: registry names of the networks.
        variant: what differs from the usual network; empty: nothing.
        runs: how the networks can run: a key of ``RUNS``.
        options: options of ``convert`` for facts that the tensors do not show.
    """

    layout: str
    models: tuple[str, ...]
    variant: str
    runs: str
    options: tuple[str, ...]


def layout_rows() -> list[LayoutRow]:
    """Return a row for each kind of weights file that is read, in the order of the registry of layouts."""
    from edgeshift.checkpoints.layouts import LAYOUTS

    groups: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for layout in LAYOUTS:
        network = layout.network
        runs = "clip" if network.clip_only else "clip or stream" if network.bidirectional else "stream"
        options = tuple(OPTIONS[fact] for fact in layout.unknown)
        models = groups.setdefault((layout.name, layout.variant, runs, options), [])
        if network.name not in models:
            models.append(network.name)
    rows = [
        LayoutRow(name, tuple(models), variant, runs, options)
        for (name, variant, runs, options), models in groups.items()
    ]
    own = LayoutRow("edgeshift", ("every model",), "every variant", "as its description says", ())
    return [*rows, own]


def show_layouts(*, as_json: bool) -> None:
    """Print the layouts."""
    require_packages("listing the layouts of weights files")
    rows = layout_rows()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = [
        (row.layout, _short(row.models), row.variant, RUNS.get(row.runs, row.runs), " ".join(row.options))
        for row in rows
    ]
    print_table("Weights files that edgeshift reads", COLUMNS, table)
    print(
        "The layout is recognised by the names of the tensors. Weights without a shift (tsn) can be trained with any\n"
        "shift. A file with a name of MIT's script, or with mmaction2's configuration, needs no options."
    )
    print_next("edgeshift", "inspect", "FILE")


def _short(models: Iterable[str]) -> str:
    """Return names with a common shift in short, such as ``tsm_resnet18, 34, 50, 101``."""
    parts: list[str] = []
    for model in models:
        stem = model.rstrip("0123456789")
        number = model.removeprefix(stem)
        same = bool(number) and any(part.rstrip("0123456789") == stem for part in parts)
        parts.append(number if same else model)
    return ", ".join(parts)
