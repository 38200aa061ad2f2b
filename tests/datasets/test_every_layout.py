"""What every layout keeps, whatever its files are called; a new layout is one function and one line in LAYOUTS."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layouts import DATALIST, FILE_KEYS, OURS, DatalistError, read_layout

SUBJECTS = ("a", "b", "p 1", "sub-02.x")


@dataclass(frozen=True)
class Folder:
    """A folder in one layout.

    ``files``: {subject: {key: path}}; ``left_out``: a file that puts its folder among those that are left out.
    """

    root: Path
    files: dict[str, dict[str, Path]]
    left_out: str


def subject_folders(root, subjects):
    files = {name: {key: root / name / f"{key}.nii.gz" for key in FILE_KEYS} for name in subjects}
    return Folder(root, files, "notes/read.txt")


def listed(root, subjects):
    """dataset.json; names and places of the files say nothing."""
    files = {
        name: {key: root / "images" / f"{n}" / f"{key[::-1]}.nii.gz" for key in FILE_KEYS}
        for n, name in enumerate(subjects)
    }
    entries = [
        {"subject": name} | {key: path.relative_to(root).as_posix() for key, path in own.items()}
        for name, own in files.items()
    ]
    content = {"training": entries[2:], "validation": entries[1:2], "testing": entries[:1]}
    (root / "dataset.json").write_text(json.dumps(content))
    return Folder(root, files, "notes/cine.nii.gz")


LAYOUTS = {OURS: subject_folders, DATALIST: listed}


@pytest.mark.parametrize("layout", LAYOUTS)
class TestEveryLayout:
    """Empty files do: a layout is read by names alone."""

    @pytest.fixture
    def folder(self, layout, tmp_path):
        return self.write(layout, tmp_path / "data", reversed(SUBJECTS))

    def write(self, layout, root, subjects):
        root.mkdir()
        folder = LAYOUTS[layout](root, list(subjects))
        for path in [path for own in folder.files.values() for path in own.values()]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return folder

    def test_is_recognised_and_gives_every_subject_with_its_files_in_order_of_names(self, layout, folder):
        found = read_layout(folder.root)
        assert found.name == layout and found.skipped == ()
        assert [entry["subject"] for entry in found.entries] == sorted(SUBJECTS)
        for entry in found.entries:
            wanted = {key: str(path) for key, path in folder.files[entry["subject"]].items()}
            assert {key: entry[key] for key in FILE_KEYS} == wanted
            assert "problem" not in entry and "reference_problems" not in entry

    def test_gives_absolute_paths_inside_the_folder_wherever_it_is_read_from(self, layout, folder, monkeypatch):
        from_afar = read_layout(str(folder.root))
        monkeypatch.chdir(folder.root.parent)
        for entries in (read_layout("data").entries, read_layout(Path("./data/")).entries):
            assert entries == from_afar.entries
        paths = [Path(entry[key]) for entry in from_afar.entries for key in FILE_KEYS]
        assert all(path.is_absolute() and folder.root in path.parents for path in paths)

    def test_reading_twice_gives_the_same_and_changes_nothing(self, layout, folder):
        before = sorted((path, path.stat().st_mtime_ns) for path in folder.root.rglob("*"))
        assert read_layout(folder.root) == read_layout(folder.root)
        assert sorted((path, path.stat().st_mtime_ns) for path in folder.root.rglob("*")) == before

    def test_hidden_files_and_folders_are_not_seen(self, layout, folder):
        before = read_layout(folder.root)
        own = next(iter(folder.files.values()))
        for name in (".cache", "_old", "__MACOSX"):
            shutil.copytree(own["cine"].parent, folder.root / name)
            (folder.root / name / "cine.nii.gz").touch()
        (folder.root / ".DS_Store").touch()
        own["cine"].with_name("._" + own["cine"].name).touch()
        assert read_layout(folder.root) == before

    def test_what_is_left_out_is_named(self, layout, folder):
        (folder.root / folder.left_out).parent.mkdir()
        (folder.root / folder.left_out).touch()
        found = read_layout(folder.root)
        assert [entry["subject"] for entry in found.entries] == sorted(SUBJECTS)
        (reason,) = found.skipped
        assert reason.startswith(f"{Path(folder.left_out).parent}: ")

    def test_a_subject_without_cine_is_a_problem_of_that_subject_alone(self, layout, folder, make):
        cine = folder.files["b"]["cine"]
        cine.rename(cine.with_name("moved.nii.gz"))
        problems = {entry["subject"]: entry.get("problem", "") for entry in read_layout(folder.root).entries}
        assert {name for name, text in problems.items() if text} == {"b"}
        assert problems["b"].startswith("b: ") and "cine" in problems["b"] and "Fix:" in problems["b"]
        with pytest.raises(DatalistError) as error:
            find_subjects(folder.root)
        assert make.readable(error) == problems["b"]
        kept = find_subjects(folder.root, on_problem="skip")
        assert [entry["subject"] for entry in kept] == ["a", "p 1", "sub-02.x"]

    @pytest.mark.parametrize("key", ["lge", "label"])
    def test_a_missing_reference_matters_only_to_who_needs_it(self, layout, folder, key, make):
        folder.files["a"][key].unlink()
        entry = read_layout(folder.root).entries[0]
        assert key not in entry and "problem" not in entry and "cine" in entry
        with pytest.raises(DatalistError) as error:
            find_subjects(folder.root, require=("cine", key))
        text = make.readable(error)
        assert text.startswith("a: ") and key in text

    def test_a_folder_without_subjects_is_refused(self, layout, tmp_path, make):
        with pytest.raises(DatalistError) as error:
            read_layout(self.write(layout, tmp_path / "none", []).root)
        assert "Expected: " in make.readable(error)

    def test_one_subject_is_enough(self, layout, tmp_path):
        folder = self.write(layout, tmp_path / "one", ["only"])
        (entry,) = read_layout(folder.root).entries
        assert entry["subject"] == "only" and entry["cine"] == str(folder.files["only"]["cine"])

    @pytest.mark.parametrize("name", ["-b", "x" * 101, "a\nb", "a:b"])
    def test_a_subject_that_is_no_file_name_is_refused(self, layout, name, tmp_path, make):
        with pytest.raises(DatalistError) as error:
            find_subjects(self.write(layout, tmp_path / "odd", ["good", name]).root)
        assert "subject" in make.readable(error)
