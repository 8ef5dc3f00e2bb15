"""Find a Python on a board that can run the agent: on the PATH, and in virtual environments in the usual places.

Debian and Raspberry Pi OS refuse `pip install` outside a virtual environment, so the packages that the agent needs are
often in one. One command on the board tries all places.
"""

from __future__ import annotations

import glob
import shlex
from collections.abc import Sequence
from typing import Annotated

import msgspec

from edgeshift._system.text import PRINTABLE_PATTERN, printable
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.messages import Message, read_messages
from edgeshift.errors import DeviceError
from edgeshift.targets import RUNTIMES

#: The commands that may start Python, in the order in which they are tried.
PROGRAMS = ("python3", "python3.13", "python3.12", "python3.11", "python3.10", "python")
#: Where virtual environments and other installations of Python are searched, from the home folder.
FOLDERS = (
    ".venv",
    "venv",
    "env",
    "*/.venv",
    "*/venv",
    ".virtualenvs/*",
    ".local/share/pipx/venvs/edgeshift",
    ".local/pipx/venvs/edgeshift",
    "miniforge3",
    "miniforge3/envs/*",
    "miniconda3",
    "miniconda3/envs/*",
    "anaconda3",
    "anaconda3/envs/*",
    ".pyenv/versions/*",
    "/opt/venv",
    "/opt/conda",
)
#: The program of an installation or of a virtual environment in its folder.
IN_FOLDER = "bin/python"
#: Seconds that the search may take.
TIMEOUT = 120.0
#: Most places that an error lists.
MAX_LISTED = 6
#: What the search prints before the path of a program that is no working Python.
BROKEN = "edgeshift-broken: "
#: Packages that the agent needs.
NEEDED = ("numpy", "msgspec")
#: Modules of which the agent needs one.
MODULES = tuple(
    dict.fromkeys(name.partition(".")[0] for kind in RUNTIMES.values() if kind.on_boards for name in kind.packages)
)

#: A program for sh. Its arguments are CHECK and the places to try, as names of commands or as patterns of paths. It
#: stops at the first Python that has everything.
SEARCH = f"""\
cd "${{HOME:-.}}"; IFS=; check=$1; shift
for pattern; do
    for path in $pattern; do
        case $path in
            /*) ;;
            */*) path=$PWD/$path ;;
            *) path=$(command -v "$path") || continue ;;
        esac
        [ -f "$path" ] && [ -x "$path" ] || continue
        "$path" -c "$check" "$path" < /dev/null
        case $? in
            0) exit 0 ;;
            3) ;;
            *) printf '\\n{BROKEN}%s\\n' "$path" ;;
        esac
    done
done
exit 0
"""
#: A program for each Python, which must be valid in every version. It prints a message of the type PythonFound, and
#: exits with 0 if the Python has everything that the agent needs, and else with 3.
CHECK = f"""\
import json, os, sys
old = sys.version_info < (3, 10)
missing, runtimes = [], []
if not old:
    import importlib.util, sysconfig
    def has(name):
        return importlib.util.find_spec(name) is not None
    missing = [name for name in {NEEDED!r} if not has(name)]
    runtimes = [name for name in {MODULES!r} if has(name)]
    managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
found = dict(kind="python", path=sys.argv[1], prefix=sys.prefix, version=sys.version.split()[0], old=old,
             missing=missing, runtimes=runtimes, managed=not old and managed and sys.prefix == sys.base_prefix)
sys.stdout.write("\\nedgeshift: " + json.dumps(found) + "\\n")
sys.exit(3 if old or missing or not runtimes else 0)
"""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern=PRINTABLE_PATTERN)]
Names = Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)]


class PythonFound(Message, frozen=True, kw_only=True, tag="python"):
    """A Python on a board.

    Attributes:
        path: path of the program.
        prefix: folder of the installation or of the virtual environment. Several programs may belong to one.
        version: version of Python.
        old: whether the version is too old for the agent.
        missing: packages that the agent needs and that are not installed.
        runtimes: modules of the runtimes that are installed.
        managed: whether `pip install` is refused, because the system manages the packages.
    """

    path: Text
    prefix: Text
    version: Text
    old: bool
    missing: Names
    runtimes: Names
    managed: bool

    @property
    def problem(self) -> str | None:
        """Why the agent cannot run with it; None: it can."""
        if self.old:
            return f"{self.path} is Python {self.version}"
        return f"{self.path} lacks {' and '.join(self.missing)}" if self.missing else None

    @property
    def remedy(self) -> str:
        """The command that installs what is missing."""
        if self.managed:
            environment = f"{shlex.quote(self.path)} -m venv ~/venv"
            return f"run {environment} && ~/venv/{IN_FOLDER} -m pip install {' '.join(NEEDED)}"
        return f"run {shlex.quote(self.path)} -m pip install {' '.join(self.missing)}"


def find_python(device: Device, named: str | None = None) -> str:
    """Return the path of a Python on a board that can run the agent, preferably one that has a runtime.

    Args:
        device: the board.
        named: path of the Python or of its virtual environment, from the home folder or in full; None: the usual
            places are searched.

    Raises:
        DeviceError: no Python can run the agent. The message says what was tried, and what to do.
    """
    if named is None:
        places = [*PROGRAMS, *(f"{folder}/{IN_FOLDER}" for folder in FOLDERS)]
    else:
        path = glob.escape(named.removeprefix("~/"))
        places = [path, f"{path.rstrip('/')}/{IN_FOLDER}"]
    done = device.run(["sh", "-c", SEARCH, "sh", CHECK, *places], TIMEOUT)
    try:
        found = list(read_messages(done.out, PythonFound))
    except DeviceError as error:
        raise DeviceError(f"{device.name}: {error}") from error
    usable = [python for python in found if python.problem is None]
    if usable:
        return next((python for python in usable if python.runtimes), usable[0]).path
    if done.status:
        raise DeviceError(f"{device.name}: {done.problem}")
    broken = [line.removeprefix(BROKEN) for line in done.out.splitlines() if line.startswith(BROKEN)]
    raise DeviceError(f"{device.name}: {_explain(found, broken, named)}")


def _explain(found: Sequence[PythonFound], broken: Sequence[str], named: str | None) -> str:
    """Return why no Python can run the agent, and what to do."""
    distinct = {python.prefix: python for python in reversed(found)}  # python and python3 are often the same
    problems = [python.problem or "" for python in reversed(distinct.values())]
    problems += [f"{printable(path[:200])} does not start" for path in dict.fromkeys(broken)]
    recent = [python for python in found if not python.old]
    # A Python that lacks the fewest packages, and rather one in which pip may install them.
    nearest = min(recent, key=lambda python: (python.managed, len(python.missing)), default=None)
    remedy = nearest.remedy if nearest else "run sudo apt install python3 python3-venv"
    if named is not None:
        if not problems:
            return (
                f"there is no Python {printable(named)!r} on the board: --python takes the path of a Python or of a "
                "virtual environment, from the home folder or in full, or auto to search for one"
            )
        return f"the agent needs Python 3.10 or later with {' and '.join(NEEDED)}: {problems[0]}: {remedy}"
    if len(problems) > MAX_LISTED:
        problems[MAX_LISTED:] = [f"{len(problems) - MAX_LISTED} more"]
    tried = ", ".join(problems) if problems else f"none on the PATH, nor in {', '.join(FOLDERS)}"
    return (
        f"found no Python 3.10 or later with {' and '.join(NEEDED)} ({tried}): {remedy}, "
        "or name the path of another one with --python; bench and eval with --agent native need no Python"
    )
