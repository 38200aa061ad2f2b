"""A file is there whole or not at all, and the message says what to do."""

import errno
import itertools
import os
import shutil
import stat

import pytest
from scripts import files
from scripts.conventions import DataError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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


def test_a_folder_appears_whole_in_the_place_of_an_older_one_and_of_what_was_left_aside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old.txt").write_text("old")
    (tmp_path / ".a.part").mkdir()
    (tmp_path / ".a.part/left_over.txt").write_text("of a process that was ended")
    with files.folder_aside(tmp_path / "a") as aside:
        (aside / "new.txt").write_text("new")
        assert names(tmp_path / "a") == ["old.txt"]
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["new.txt"]


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_a_folder_that_is_not_finished_leaves_the_older_one(tmp_path, error):
    (tmp_path / "a").mkdir()
    with pytest.raises(type(error)), files.folder_aside(tmp_path / "a") as aside:
        (aside / "half.txt").write_text("")
        raise error
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == []


def test_a_folder_on_a_full_disk_is_named_with_the_room_it_needs(tmp_path):
    expected = pytest.raises(files.OutputError, match="/a: could not be written: .*room for 3 MB. Fix: free space")
    with expected, files.folder_aside(tmp_path / "a", "room for 3 MB"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_named_and_stays(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for write in (lambda: files.write_text(tmp_path / "taken/table.csv", "x"), lambda: enter(tmp_path / "taken/a")):
        with pytest.raises(files.OutputError, match="Fix: give a folder; a file of that name is in the way"):
            write()
    assert (tmp_path / "taken").read_text() == "mine"


def enter(folder):
    with files.folder_aside(folder):
        pass


def own(folder):
    return ["cine.txt", "import.json"]


_STEPS = [(files.Path, name) for name in ("rename", "replace", "unlink", "rmdir", "mkdir")]
_STEPS += [(shutil, "rmtree"), (os, "fsync")]


def replace(folder, content):
    files.settle_folder(folder, own)
    with files.folder_aside(folder, own=own) as aside:
        for name in own(folder):
            files.write_text(aside / name, content)


def by_hand(folder):
    """A folder of an earlier run, with what a person put into it."""
    replace(folder, "old")
    (folder / "label.txt").write_text("by hand")
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("by hand, too")


def kept(root):
    return sorted(path.read_text() for path in root.rglob("*.txt") if path.name in ("label.txt", "a.txt"))


BY_HAND = ["by hand", "by hand, too"]


def test_what_is_not_the_job_s_own_stays_where_it_was_when_its_folder_is_replaced(tmp_path):
    by_hand(tmp_path / "a")
    replace(tmp_path / "a", "new")
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["cine.txt", "import.json", "label.txt", "notes"]
    assert (tmp_path / "a/cine.txt").read_text() == "new" and kept(tmp_path) == BY_HAND


def killed_at(step, folder, after):
    """Replaces the folder in a process that ends, as by kill -9, at its ``step``-th change of the disk."""
    child = os.fork()
    if child == 0:
        done = itertools.count(1)

        def ending(call):
            def change(*arguments, **options):
                number = next(done)
                if number == step and not after:
                    os._exit(9)
                result = call(*arguments, **options)
                if number == step:
                    os._exit(9)
                return result

            return change

        for owner, name in _STEPS:
            setattr(owner, name, ending(getattr(owner, name)))
        try:
            replace(folder, "new")
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_ends_at_any_step_loses_nothing_a_person_made(tmp_path, after):
    codes = []
    for step in range(1, 30):
        root = tmp_path / f"{step}"
        root.mkdir()
        by_hand(root / "a")
        codes.append(killed_at(step, root / "a", after))
        assert kept(root) == BY_HAND, step
        replace(root / "a", "newer")
        assert names(root) == ["a"] and names(root / "a") == ["cine.txt", "import.json", "label.txt", "notes"], step
        assert (root / "a/cine.txt").read_text() == "newer" and kept(root) == BY_HAND, step
        if codes[-1] == 0:
            break
    assert codes == [9] * (len(codes) - 1) + [0] and len(codes) > 10


def test_a_file_that_cannot_be_moved_is_said_and_stays(tmp_path, monkeypatch):
    by_hand(tmp_path / "a")
    rename = files.Path.rename

    def refuse(path, target):
        if path.name == "label.txt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    monkeypatch.setattr(files.Path, "rename", refuse)
    with pytest.raises(files.OutputError, match="Permission denied"):
        replace(tmp_path / "a", "new")
    assert kept(tmp_path) == BY_HAND
    monkeypatch.undo()
    replace(tmp_path / "a", "newer")
    assert names(tmp_path) == ["a"] and kept(tmp_path / "a") == BY_HAND


def test_what_a_person_left_in_a_folder_aside_is_never_removed(tmp_path):
    (tmp_path / ".a.part").mkdir()
    (tmp_path / ".a.part/label.txt").write_text("by hand")
    replace(tmp_path / "a", "new")
    assert names(tmp_path) == ["_a.kept", "a"] and (tmp_path / "_a.kept/label.txt").read_text() == "by hand"
    (tmp_path / ".a.part").mkdir()
    (tmp_path / ".a.part/label.txt").write_text("another")
    replace(tmp_path / "a", "newer")
    assert (tmp_path / "a/label.txt").read_text() == "another" and names(tmp_path) == ["_a.kept", "a"]


def test_a_name_that_is_taken_is_kept_beside(tmp_path):
    by_hand(tmp_path / "a")
    with files.folder_aside(tmp_path / "a", own=own) as aside:
        (aside / "label.txt").write_text("of the job")
    assert (tmp_path / "a/label.txt").read_text() == "of the job" and (
        tmp_path / "a/label.txt.1"
    ).read_text() == "by hand"


def test_a_folder_with_a_name_of_the_job_s_files_stays(tmp_path):
    replace(tmp_path / "a", "old")
    (tmp_path / "a/cine.txt").unlink()
    (tmp_path / "a/cine.txt").mkdir()
    (tmp_path / "a/cine.txt/notes.txt").write_text("by hand")
    replace(tmp_path / "a", "new")
    assert (tmp_path / "a/cine.txt").read_text() == "new"
    assert (tmp_path / "a/cine.txt.1/notes.txt").read_text() == "by hand"


def test_what_waits_beside_comes_back_before_anything_is_decided(tmp_path):
    by_hand(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / ".a.old")
    files.settle_folder(tmp_path / "a", own)
    assert names(tmp_path) == ["a"] and kept(tmp_path / "a") == BY_HAND
    (tmp_path / "a").rename(tmp_path / ".a.old")
    (tmp_path / "a").mkdir()
    files.write_text(tmp_path / "a/import.json", "new")
    files.settle_folder(tmp_path / "a", own)
    assert names(tmp_path) == ["a"] and kept(tmp_path / "a") == BY_HAND
    assert (tmp_path / "a/import.json").read_text() == "new"


def test_a_link_in_the_place_of_a_folder_is_refused_and_what_it_leads_to_stays(tmp_path):
    by_hand(tmp_path / "elsewhere")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(files.OutputError, match="a link or a file"):
        replace(tmp_path / "a", "new")
    assert (tmp_path / "elsewhere/cine.txt").read_text() == "old" and names(tmp_path) == ["a", "elsewhere"]
    (tmp_path / "a").unlink()
    (tmp_path / "a").write_text("a file")
    for _ in range(2):
        with pytest.raises(files.OutputError, match="a link or a file"):
            replace(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "a file"


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff{}", b"{", b"[1" + b" " * 200 + b"]"])
def test_what_is_no_json_too_deep_or_too_large_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.setattr(files, "MOST_JSON_BYTES", 100 if b" " in content else files.MOST_JSON_BYTES)
    (tmp_path / "meta.json").write_bytes(content)
    with pytest.raises(ValueError):
        files.read_json(tmp_path / "meta.json")


def test_a_pipe_or_folder_in_the_place_of_a_json_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json"):
        with pytest.raises(ValueError, match="not a plain file"):
            files.read_json(tmp_path / name)
    with pytest.raises(OSError):
        files.read_json(tmp_path / "none.json")
