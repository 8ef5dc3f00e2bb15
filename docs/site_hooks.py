"""A hook of MkDocs that presents edgeshift to mkdocstrings as one package.

In a checkout, edgeshift consists of several folders, which are joined only when it is installed. mkdocstrings reads
source files, so this hook makes one folder of symbolic links for it, ``build/package/edgeshift``.
"""

from __future__ import annotations

from pathlib import Path

import tomllib
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority


@event_priority(100)  # before mkdocstrings looks for the package
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Link the folders of pyproject.toml's ``package-dir`` into one folder."""
    root = Path(config.config_file_path).resolve().parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    folders: dict[str, str] = project["tool"]["setuptools"]["package-dir"]
    package = root / "build" / "package" / "edgeshift"
    package.mkdir(parents=True, exist_ok=True)
    for old in package.iterdir():
        old.unlink()
    for source in (root / "edgeshift").iterdir():
        (package / source.name).symlink_to(source)
    for name, folder in folders.items():
        (package / name.removeprefix("edgeshift.")).symlink_to(root / folder)
    return config
