"""What every layout keeps, whatever its files are called; a new layout is one function and one line in LAYOUTS."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layout import FILE_KEYS, DatalistError
from scripts.datasets.layouts import DATALIST, OURS, read_layout
from scripts.datasets.public_sets import acdc, decathlon, emidec, mnms, myops, nnunet

SUBJECTS = ("a", "b", "p 1", "sub-02.x")
CHANNELS = {"0": "cine", "1": "T2", "2": "LGE"}
LABELS = {"background": 0, "LV": 1, "MYO": 2, "scar": 3}


@dataclass(frozen=True)
class Folder:
    """A folder in one layout.

    ``files``: {subject: {key: path}}; ``left_out``: a file that puts its folder among those that are left out, None
    where the layout has no folders of its own.
    """

    root: Path
    files: dict[str, dict[str, Path]]
    left_out: str | None = "notes/other.nii.gz"

    @property
    def keys(self):
        return [key for key in FILE_KEYS if any(key in own for own in self.files.values())]


def subject_folders(root, subjects):
    files = {name: {key: root / name / f"{key}.nii.gz" for key in FILE_KEYS} for name in subjects}
    return Folder(root, files, "notes/read.txt")


def subject_folders_in_capitals(root, subjects):
    files = {name: {key: root / name / f"{key}.nii.gz".upper() for key in FILE_KEYS} for name in subjects}
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


def nnunet_raw(root, subjects):
    content = {"channel_names": CHANNELS, "labels": LABELS, "file_ending": ".nii.gz", "numTraining": len(subjects)}
    (root / "dataset.json").write_text(json.dumps(content))
    files = {
        name: {key: root / "imagesTr" / f"{name}_000{n}.nii.gz" for n, key in enumerate(FILE_KEYS[:3])}
        | {"label": root / "labelsTr" / f"{name}.nii.gz"}
        for name in subjects
    }
    return Folder(root, files)


def decathlon_list(root, subjects):
    """Paths in Windows spelling, as a list that was written there has them."""
    files = {name: {key: root / f"{n}" / f"{key[::-1]}.nii.gz" for key in FILE_KEYS} for n, name in enumerate(subjects)}
    entries = [
        {
            "subject": name,
            "image": [str(own[key].relative_to(root)).replace("/", "\\") for key in FILE_KEYS[:3]],
            "label": f"./{own['label'].relative_to(root)}",
        }
        for name, own in files.items()
    ]
    content = {"modality": CHANNELS, "labels": {str(v): k for k, v in LABELS.items()}, "training": entries}
    (root / "dataset.json").write_text(json.dumps(content))
    return Folder(root, files, None)


def myops_2020(root, subjects):
    names = {"cine": "C0", "t2_stir": "T2", "lge": "DE"}
    files = {
        name: {key: root / "train25" / f"{name}_{end}.nii.gz" for key, end in names.items()}
        | {"label": root / "train25_myops_gd" / f"{name}_gd.nii.gz"}
        for name in subjects
    }
    return Folder(root, files)


def ms_cmrseg(root, subjects):
    names = {"cine": "C0", "t2_stir": "T2", "lge": "LGE", "label": "LGE_manual"}
    return Folder(
        root, {name: {key: root / name / f"{name}_{end}.nii.gz" for key, end in names.items()} for name in subjects}
    )


def emidec_set(root, subjects):
    top = root / "emidec-dataset-1.0.1"
    files = {
        name: {
            "lge": top / name / "Images" / f"{name}.nii" / f"{name}.nii",
            "label": top / name / "Contours" / f"{name}.nii.gz",
        }
        for name in subjects
    }
    return Folder(root, files)


def acdc_set(root, subjects):
    files = {}
    for name in subjects:
        place = root / "training" / name
        files[name] = {"cine": place / f"{name}_4d.nii.gz", "label": place / f"{name}_frame01_gt.nii.gz"}
        place.mkdir(parents=True)
        (place / "Info.cfg").write_text("ED: 1\nES: 12\n")
    return Folder(root, files)


def mnms_set(root, subjects):
    lines = [f"{n},{name},Philips,{n % 3},9" for n, name in enumerate(subjects)]
    (root / "information.csv").write_text("\n".join([",External code,VendorName,ED,ES", *lines]))
    place = root / "Training" / "Labeled"
    files = {
        name: {"cine": place / name / f"{name}_sa.nii.gz", "label": place / name / f"{name}_sa_gt.nii.gz"}
        for name in subjects
    }
    return Folder(root, files)


def mnms_2(root, subjects):
    (root / "dataset_information.csv").write_text("SUBJECT_CODE,VENDOR,FIELD\na,SIEMENS,1.5\n")
    files = {
        name: {"cine": root / name / f"{name}_SA_ED.nii.gz", "label": root / name / f"{name}_SA_ED_gt.nii.gz"}
        for name in subjects
    }
    return Folder(root, files, "notes/more/other.nii.gz")


LAYOUTS = {
    "ours": (OURS, subject_folders),
    "ours in capitals": (OURS, subject_folders_in_capitals),
    "datalist": (DATALIST, listed),
    "nnunet": (nnunet.NAME, nnunet_raw),
    "decathlon": (decathlon.NAME, decathlon_list),
    "myops": (myops.NAME, myops_2020),
    "ms-cmrseg": (myops.MSCMR_NAME, ms_cmrseg),
    "emidec": (emidec.NAME, emidec_set),
    "acdc": (acdc.NAME, acdc_set),
    "mnms": (mnms.FIRST_NAME, mnms_set),
    "mnms-2": (mnms.SECOND_NAME, mnms_2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
class TestEveryLayout:
    """Empty files do: a layout is read by names alone."""

    @pytest.fixture
    def folder(self, layout, tmp_path):
        return self.write(layout, tmp_path / "data", reversed(SUBJECTS))

    def write(self, layout, root, subjects):
        root.mkdir()
        folder = LAYOUTS[layout][1](root, list(subjects))
        for path in [path for own in folder.files.values() for path in own.values()]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return folder

    @pytest.mark.slow
    def test_is_recognised_and_gives_every_subject_with_its_files_in_order_of_names(self, layout, folder):
        found = read_layout(folder.root)
        assert found.name == LAYOUTS[layout][0] and found.skipped == ()
        assert [entry["subject"] for entry in found.entries] == sorted(SUBJECTS)
        for entry in found.entries:
            wanted = {key: str(path) for key, path in folder.files[entry["subject"]].items()}
            assert {key: entry[key] for key in FILE_KEYS if key in entry} == wanted
            assert "problem" not in entry and "reference_problems" not in entry

    def test_gives_absolute_paths_inside_the_folder_wherever_it_is_read_from(self, layout, folder, monkeypatch):
        from_afar = read_layout(str(folder.root))
        monkeypatch.chdir(folder.root.parent)
        for entries in (read_layout("data").entries, read_layout(Path("./data/")).entries):
            assert entries == from_afar.entries
        paths = [Path(entry[key]) for entry in from_afar.entries for key in folder.keys]
        assert all(path.is_absolute() and folder.root in path.parents for path in paths)

    def test_reading_twice_gives_the_same_and_changes_nothing(self, layout, folder):
        before = sorted((path, path.stat().st_mtime_ns) for path in folder.root.rglob("*"))
        assert read_layout(folder.root) == read_layout(folder.root)
        assert sorted((path, path.stat().st_mtime_ns) for path in folder.root.rglob("*")) == before

    def test_hidden_files_and_folders_are_not_seen(self, layout, folder):
        before = read_layout(folder.root)
        first = next(iter(folder.files.values()))[folder.keys[0]]
        for name in (".cache", "_old", "__MACOSX"):
            shutil.copytree(first.parent, folder.root / name)
            (folder.root / name / "cine.nii.gz").touch()
        (folder.root / ".DS_Store").touch()
        first.with_name("._" + first.name).touch()
        assert read_layout(folder.root) == before

    def test_what_is_left_out_is_named(self, layout, folder):
        other = folder.root / (folder.left_out or "notes/other.nii.gz")
        other.parent.mkdir(parents=True)
        other.touch()
        found = read_layout(folder.root)
        assert [entry["subject"] for entry in found.entries] == sorted(SUBJECTS)
        named = [f"{other.parent.relative_to(folder.root)}: "] if folder.left_out else []
        assert [reason[: len(start)] for reason, start in zip(found.skipped, named, strict=True)] == named

    def test_a_subject_without_cine_is_a_problem_of_that_subject_alone(self, layout, folder, make):
        if "cine" not in folder.keys:
            with pytest.raises(DatalistError) as error:
                find_subjects(folder.root)
            assert "quantify" in make.readable(error)
            return
        folder.files["b"]["cine"].unlink()
        entries = {entry["subject"]: entry for entry in read_layout(folder.root).entries}
        problems = {
            name: entry.get("problem", entry.get("reference_problems", {}).get("cine", ""))
            for name, entry in entries.items()
        }
        assert {name for name, text in problems.items() if text} == {"b"}
        assert problems["b"].startswith("b: ") and "cine" in problems["b"] and "Fix:" in problems["b"]
        with pytest.raises(DatalistError) as error:
            find_subjects(folder.root)
        assert make.readable(error) == problems["b"]
        kept = find_subjects(folder.root, on_problem="skip")
        assert [entry["subject"] for entry in kept] == ["a", "p 1", "sub-02.x"]

    @pytest.mark.parametrize("key", ["lge", "label"])
    def test_a_missing_reference_matters_only_to_who_needs_it(self, layout, folder, key, make):
        if key not in folder.keys:
            with pytest.raises(DatalistError) as error:
                find_subjects(folder.root, require=(key,))
            assert "expected an LGE" in make.readable(error)
            return
        folder.files["a"][key].unlink()
        entry = read_layout(folder.root).entries[0]
        others = [other for other in folder.keys if other != key]
        assert key not in entry and "problem" not in entry and all(other in entry for other in others)
        with pytest.raises(DatalistError) as error:
            find_subjects(folder.root, require=(others[0], key))
        text = make.readable(error)
        assert text.startswith("a: ") and key in text

    def test_a_folder_without_subjects_is_refused(self, layout, tmp_path, make):
        with pytest.raises(DatalistError) as error:
            read_layout(self.write(layout, tmp_path / "none", []).root)
        assert "expected" in make.readable(error).lower()

    def test_one_subject_is_enough(self, layout, tmp_path):
        folder = self.write(layout, tmp_path / "one", ["only"])
        (entry,) = read_layout(folder.root).entries
        key = folder.keys[0]
        assert entry["subject"] == "only" and entry[key] == str(folder.files["only"][key])

    @pytest.mark.parametrize("name", ["-b", "x" * 101, "a\nb", "a:b"])
    def test_a_subject_that_is_no_file_name_is_refused(self, layout, name, tmp_path, make):
        with pytest.raises(DatalistError) as error:
            find_subjects(self.write(layout, tmp_path / "odd", ["good", name]).root, require=())
        assert "subject" in make.readable(error)

    def test_a_number_is_a_name_like_any_other(self, layout, tmp_path):
        entries = find_subjects(self.write(layout, tmp_path / "100", ["101", "007"]).root, require=())
        assert [entry["subject"] for entry in entries] == ["007", "101"]
