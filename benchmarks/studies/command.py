"""Options, error messages and printed tables that the command lines of all studies share."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from edgeshift._system.files import atomic_write
from edgeshift.artifact.spec import StreamSpec
from edgeshift.checkpoints.source import DEFAULT_MODEL
from edgeshift.errors import EdgeshiftError, missing
from edgeshift.stream import Model
from edgeshift.stream.sound_stream import SoundStream
from edgeshift.video.dataset import LabelledClip, read_dataset, read_label_map
from edgeshift.weights import shipped

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit status 1 if a goal is missed.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds of timing. In each round every candidate runs once.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for trained runs, artifacts and results.")]
Weights = Annotated[
    Path | None,
    typer.Argument(metavar="[WEIGHTS]", help="A checkpoint. Default: the weights that ship with edgeshift."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="D", help="Videos in a folder per label, or a CSV file with the columns file,label."),
]
LabelMap = Annotated[
    str | None, typer.Option(metavar="A=B,..", help="Rename label A of the data to the network's label B.")
]
Picture = Annotated[Path | None, typer.Option(metavar="F", help="Draw the result into this .png file.")]
#: What the studies for an NVIDIA GPU print and store with their results.
NO_GPU_YET = "not verified here: nobody has run this study on an NVIDIA GPU yet"
Result = TypeVar("Result")


def study(command: Callable[..., int | None]) -> Callable[..., int]:
    """Return the ``main`` of a study. Typer turns the parameters of ``command`` into command-line options.

    Returns:
        A function that takes the arguments (None: those of the process) and returns the exit status. It prints an
        ``EdgeshiftError`` as one line on stderr.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)

    def main(arguments: Sequence[str] | None = None) -> int:
        parser: Any = typer.main.get_command(app)
        try:
            status = parser.main(None if arguments is None else list(arguments), standalone_mode=False)
            return status if isinstance(status, int) else 0
        except EdgeshiftError as error:
            sys.stderr.write(f"edgeshift: {error}\n")
            return error.status
        except (typer.Abort, KeyboardInterrupt):
            sys.stderr.write("edgeshift: interrupted\n")
            return 130
        except typer.TyperException as error:
            sys.stderr.write(f"edgeshift: {' '.join(error.format_message().split())}\n")
            return 2

    main.__doc__ = command.__doc__
    return main


def require_stream(path: Path, spec: StreamSpec) -> None:
    """Raise EdgeshiftError for an artifact that takes a whole clip."""
    if spec.mode == "clip":
        raise EdgeshiftError(f"{path}: this study steps frame by frame, and the artifact takes a clip: give a stream's")


def sound_stream(path: Path, model: Model, *, paced: bool = True) -> SoundStream:
    """Return a stream of a network with a sound segment; see ``Model.stream``.

    Raises:
        EdgeshiftError: the network has no sound segment, or the artifact takes a whole clip.
    """
    stream = model.stream(paced=paced)
    if not isinstance(stream, SoundStream):
        raise EdgeshiftError(f"{path} has no sound segment that streams: train one with edgeshift train --sound")
    return stream


def print_json(document: Any) -> None:
    """Print a struct, or a list of structs, as one indented JSON document."""
    sys.stdout.write(json_bytes(document).decode() + "\n")


def json_bytes(document: Any) -> bytes:
    """Return a struct, or a list of structs, as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def write_json(document: Any, path: Path) -> None:
    """Write a struct, or a list of structs, as an indented JSON file."""
    with atomic_write(path) as part:
        part.write_bytes(json_bytes(document))


def stored_result(
    path: Path, kind: type[Result], is_current: Callable[[Result], bool], measure: Callable[[], Result]
) -> Result:
    """Read a result from a JSON file, or measure it and write the file.

    Args:
        path: the file.
        kind: class of the result.
        is_current: returns whether a stored result was measured with the present inputs; if not, it is measured again.
        measure: measures the result.
    """
    try:
        result = msgspec.json.decode(path.read_bytes(), type=kind)
        if is_current(result):
            return result
    except (OSError, msgspec.DecodeError):
        pass
    result = measure()
    with atomic_write(path) as part:
        part.write_bytes(msgspec.json.encode(result))
    return result


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table. All columns but the first are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def print_if_busy(quiet: bool) -> None:
    """Print that a run must be repeated if other programs kept the machine busy."""
    if not quiet:
        print("other programs kept the machine busy: run the study again when it is quiet")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table that ends in a line break."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, ["---"] * len(columns), *rows))


def weights_or_shipped(weights: Path | None) -> Path:
    """Return the given checkpoint, or the one that ships with edgeshift.

    Raises:
        EdgeshiftError: no checkpoint is given, and none ships.
    """
    path = weights or shipped(DEFAULT_MODEL)
    if path is None:
        raise EdgeshiftError("this installation of edgeshift has no shipped weights: give a checkpoint")
    return path


def labelled_videos(data: Path | None, label_map: str | None) -> tuple[LabelledClip, ...]:
    """Return the clips of ``--data`` with their labels renamed by ``--label-map``; none if no data is given."""
    if data is None:
        return ()
    return tuple(read_dataset(data, read_label_map(label_map) if label_map else {}).clips)


@contextmanager
def artifact_folder(cache: Path | None) -> Iterator[Path]:
    """Yield the folder for converted artifacts: ``cache``, or a temporary one that is removed after the block."""
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        yield Path(folder)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and OpenCV to one thread each inside the block, because the timed runtimes use one thread too."""
    from edgeshift._system import threads
    from edgeshift.video.fit import opencv

    cv2 = opencv("timing the preprocessing")
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threads.one_thread():
            yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def png_figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yield a matplotlib figure that is written to a .png file after the block.

    Args:
        path: the file.
        width, height: size of the figure, inches.

    Raises:
        EdgeshiftError: the file has another format.
        RuntimeMissingError: matplotlib is not installed.
    """
    if path.suffix.lower() != ".png":
        raise EdgeshiftError(f"{path}: the name of a picture must end in .png")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("matplotlib", "report", "drawing a picture") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left"})
        matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
        figure = Figure(figsize=(width, height), dpi=130, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_write(path) as part:
            figure.savefig(part, format="png", metadata={"Software": None})
