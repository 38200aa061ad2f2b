"""A file is there whole or not at all, and the message says what to do."""

import errno
import os
import stat

import pytest
from scripts import files
from scripts.conventions import DataError


def names(folder):
    return [path.name for path in folder.iterdir()]


def failing(code):
    def raise_error(*_):
        raise OSError(code, os.strerror(code))

    return raise_error


def test_a_written_file_is_whole_alone_and_readable_by_the_group_as_the_umask_says(tmp_path):
    previous = os.umask(0o022)
    try:
        files.write_text(tmp_path / "new" / "a.txt", "ä")
    finally:
        os.umask(previous)
    assert (tmp_path / "new/a.txt").read_bytes() == "ä".encode()
    assert stat.S_IMODE((tmp_path / "new/a.txt").stat().st_mode) == 0o644
    assert names(tmp_path / "new") == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (errno.ENOSPC, "free space on that disk"),
        (errno.EROFS, "on a disk that can be written"),
        (errno.EACCES, "you may write to"),
        (errno.EIO, "check the disk"),
    ],
)
def test_a_failed_write_keeps_the_old_file_and_names_file_reason_and_fix(tmp_path, monkeypatch, code, fix):
    path = tmp_path / "out" / "a.txt"
    files.write_text(path, "old")
    monkeypatch.setattr("os.fsync", failing(code))
    with pytest.raises(DataError, match=f"out/a.txt: could not be written: {os.strerror(code)}.*{fix}.*--output_dir"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(path.parent) == ["a.txt"]


def test_any_other_error_inside_the_block_leaves_no_part(tmp_path):
    with pytest.raises(ZeroDivisionError), files.written_aside(tmp_path / "a.bin") as aside:
        aside.write_bytes(b"half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_the_part_keeps_the_suffix_that_libraries_choose_a_format_by(tmp_path):
    with files.written_aside(tmp_path / "a.nii.gz") as aside:
        assert aside.name.endswith(".nii.gz") and aside.parent == tmp_path
        aside.write_bytes(b"")
