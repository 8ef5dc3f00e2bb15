"""Files are written completely or not at all, and folders are locked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edgeshift._system.files import atomic_write, folder_lock, read_file, sha256
from edgeshift.errors import EdgeshiftError, GestureError

#: SHA-256 of "abc", from FIPS 180-2.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
        assert temporary.parent == tmp_path, "a rename needs the same file system"
        assert temporary.suffix == path.suffix and temporary.name.startswith("."), "the suffix tells tools the format"
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_after_a_failure_the_old_file_is_unchanged(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_an_open_reader_keeps_the_old_content(tmp_path):
    """Runtimes map files into memory, so the content of an open file must not change."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_removed_temporary_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.bin") as temporary:
        temporary.unlink()
    assert names(tmp_path) == []


def test_a_path_that_is_a_folder_is_an_error_and_leaves_no_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"), atomic_write(tmp_path / "a") as temporary:
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["a"]


def test_missing_folders_are_created(tmp_path):
    with atomic_write(tmp_path / "b" / "c" / "a.bin") as temporary:
        temporary.write_bytes(b"x")
    assert names(tmp_path / "b" / "c") == ["a.bin"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        with atomic_write(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"x")
        assert os.umask(mask) == mask, "the mask is unchanged"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o666 & ~mask


def test_two_writers_use_different_temporary_files(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as first, atomic_write(path) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first", "the outer block ends last, so its content remains"
    assert names(tmp_path) == ["a.bin"]


def test_sha256_gives_the_hash_of_the_standard():
    assert sha256(b"abc") == ABC == sha256(memoryview(b"abc"))


def test_a_folder_lock_admits_one_process_or_block_at_a_time(tmp_path):
    with folder_lock(tmp_path / "run"):
        with pytest.raises(EdgeshiftError, match="another process is using this folder"), folder_lock(tmp_path / "run"):
            raise AssertionError("both blocks hold the lock")
        with folder_lock(tmp_path / "other"):
            pass
    with folder_lock(tmp_path / "run"):
        pass


def test_only_regular_files_within_the_limit_are_read(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert read_file(tmp_path / "file", 5) == read_file(tmp_path / "link", 5) == b"12345"
    refused = {
        tmp_path / "file": "the file is larger than 4 bytes",
        tmp_path / "pipe": "cannot be read: it is a pipe or a device",
        tmp_path: "cannot be read: it is a folder",
        Path("/dev/zero"): "cannot be read: it is a pipe or a device",
        tmp_path / "gone": "there is no such file",
        tmp_path / "gone\0": "cannot be read: embedded null byte",
        tmp_path / os.fsdecode(b"\x1b\xff"): "there is no such file",
    }
    for path, reason in refused.items():
        with pytest.raises(GestureError, match=reason):
            read_file(path, 4, GestureError)
