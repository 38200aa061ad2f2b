"""Splits are by subject and stay as they are; finished subjects are not inferred again."""

import logging
import os

import pytest
from scripts import conventions
from scripts.datasets.datalist import SECTIONS, find_subjects, split, subjects_to_infer
from scripts.datasets.layouts import DatalistError


def _names(entries):
    return {entry["subject"] for entry in entries}


@pytest.fixture
def large(tmp_path):
    """Sixty subjects of empty files: the datalist reads names only."""
    for n in range(60):
        (tmp_path / f"s{n:02d}").mkdir()
        for key in ("cine", "lge", "label"):
            (tmp_path / f"s{n:02d}" / f"{key}.nii.gz").write_bytes(b"")
    return tmp_path


def test_hash_split_is_complete_disjoint_and_repeatable(large):
    sections = [_names(split(large, name, seed=3)) for name in SECTIONS]
    assert sum(len(section) for section in sections) == 60 == len(set.union(*sections))
    assert sections == [_names(split(large, name, seed=3)) for name in SECTIONS]
    assert sections[0] != _names(split(large, "training", seed=4))
    assert 3 <= len(sections[1]) <= 18 and 3 <= len(sections[2]) <= 18


def test_adding_subjects_moves_nobody(large):
    before = {name: _names(split(large, name)) for name in SECTIONS}
    (large / "zz").mkdir()
    for key in ("cine", "lge", "label"):
        (large / "zz" / f"{key}.nii.gz").write_bytes(b"")
    for name in SECTIONS:
        assert _names(split(large, name)) - {"zz"} == before[name]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_six_subjects_still_fill_every_section(cohort, seed):
    sizes = [len(split(cohort, name, seed=seed)) for name in SECTIONS]
    assert sum(sizes) == 6 and min(sizes) >= 1


def _folder(path, names, make=None, section=None):
    for name in names:
        (path / name).mkdir(parents=True)
        for key in ("cine", "lge", "label"):
            (path / name / f"{key}.nii.gz").write_bytes(b"")
    if section:
        files = [{"subject": n} | {k: f"{n}/{k}.nii.gz" for k in ("cine", "lge", "label")} for n in names]
        make.json(path / "dataset.json", {"training": files[:-1], section: files[-1:]})
    return path


def test_further_folders_add_to_training_and_to_nothing_else(large, tmp_path_factory, make):
    before = {name: _names(split(large, name)) for name in SECTIONS}
    more = _folder(tmp_path_factory.mktemp("more"), ["x1", "x2"])
    listed = _folder(tmp_path_factory.mktemp("listed"), ["y1", "y2", "y3"], make, "testing")
    for name in SECTIONS:
        added = {"x1", "x2", "y1", "y2"} if name == "training" else set()
        folders = [more, listed] if name == "training" else []
        assert _names(split(large, name, extra_dirs=folders)) == before[name] | added
    assert _names(split(large, "training", extra_dirs=str(more))) == before["training"] | {"x1", "x2"}


def test_a_name_in_two_folders_is_refused_even_when_it_is_for_testing_in_one(large, tmp_path_factory, make):
    testing = sorted(_names(split(large, "testing")))[0]
    more = _folder(tmp_path_factory.mktemp("more"), [testing, "x1"])
    with pytest.raises(DatalistError) as error:
        split(large, "training", extra_dirs=[more])
    text = make.readable(error)
    assert f"{testing} also in another folder" in text and "leave a patient who is in both folders out" in text
    other = _folder(tmp_path_factory.mktemp("other"), ["x1"])
    with pytest.raises(DatalistError, match="x1 also in another folder"):
        split(large, "training", extra_dirs=[_folder(tmp_path_factory.mktemp("first"), ["x1"]), other])


def _phantom(folder, name, generator, make):
    _folder(folder, [name])
    origin = {"seed": 1, "index": 1, "parameters": {"generator": generator} if generator > 1 else {}}
    make.json(folder / name / "meta.json", {"phantom": origin})
    return folder


@pytest.mark.parametrize(("main", "extra"), [(5, 4), (4, 5), (5, 1)])
def test_phantoms_of_two_generators_are_not_trained_on_together(tmp_path, make, main, extra):
    both = [_phantom(tmp_path / name, name, one, make) for name, one in (("a", main), ("b", extra))]
    with pytest.raises(DatalistError) as error:
        split(both[0], "training", extra_dirs=[both[1]])
    assert f"phantoms of generator {extra}, expected generator {main}" in make.readable(error)


def test_patients_beside_phantoms_and_phantoms_of_one_generator_are(tmp_path, make):
    phantoms = [_phantom(tmp_path / name, name, 5, make) for name in ("a", "b")]
    patients = _folder(tmp_path / "c", ["x1", "x2"])
    assert _names(split(phantoms[0], "training", extra_dirs=[phantoms[1], patients])) == {"a", "b", "x1", "x2"}


def test_lists_of_dataset_json_decide(cohort, make):
    listed = [{"subject": f"p{n}"} | {k: f"p{n}/{k}.nii.gz" for k in ("cine", "lge", "label")} for n in range(6)]
    make.json(cohort / "dataset.json", {"training": listed[:4], "testing": listed[4:]})
    assert _names(split(cohort, "testing")) == {"p4", "p5"}
    training, validation = _names(split(cohort, "training")), _names(split(cohort, "validation"))
    assert validation and training | validation == {"p0", "p1", "p2", "p3"} and not training & validation
    make.json(cohort / "dataset.json", {"training": listed[:4], "validation": listed[4:]})
    assert _names(split(cohort, "training")) == {"p0", "p1", "p2", "p3"}
    with pytest.raises(DatalistError) as error:
        split(cohort, "testing")
    assert "found training 4, validation 2, testing 0" in make.readable(error)


def test_subjects_without_references_are_left_out_of_training_with_a_warning(cohort, caplog):
    (cohort / "p2" / "lge.nii.gz").unlink()
    with caplog.at_level(logging.WARNING):
        kept = set.union(*(_names(split(cohort, name)) for name in SECTIONS))
    assert kept == {"p0", "p1", "p3", "p4", "p5"}
    assert "skipped: p2: lge missing" in caplog.text


def test_no_subject_with_references_is_an_error(cohort, make):
    for n in range(6):
        (cohort / f"p{n}" / "label.nii.gz").unlink()
    with pytest.raises(DatalistError) as error:
        split(cohort, "training")
    assert make.readable(error).startswith("6 subjects cannot be used")


def test_unknown_section_is_a_config_error(cohort):
    with pytest.raises(conventions.ConfigError, match="found 'train'"):
        split(cohort, "train")


def test_finished_subjects_are_left_out_unless_overwritten(cohort, tmp_path, caplog):
    (tmp_path / "out" / "p1").mkdir(parents=True)
    (tmp_path / "out" / "p1" / "p1_result.json").write_text("{}")
    (tmp_path / "out" / "p2").mkdir()
    (cohort / "p3" / "cine.nii.gz").unlink()
    with caplog.at_level(logging.INFO):
        entries = subjects_to_infer(cohort, tmp_path / "out")
    assert [entry["subject"] for entry in entries] == ["p0", "p2", "p3", "p4", "p5"]
    assert "problem" in entries[2]
    assert "1 of 6 subjects are finished" in caplog.text and "--overwrite true" in caplog.text
    assert len(subjects_to_infer(cohort, tmp_path / "out", overwrite=True)) == 6


def test_all_finished_gives_an_empty_list(cohort, tmp_path):
    for entry in find_subjects(cohort):
        folder = tmp_path / "out" / entry["subject"]
        folder.mkdir(parents=True)
        (folder / f"{entry['subject']}_result.json").write_text("{}")
    assert subjects_to_infer(cohort, tmp_path / "out") == []


def test_a_folder_whose_name_is_no_text_is_listed_under_a_readable_one(large):
    (large / os.fsdecode(b"latin_\xe9")).mkdir()
    for key in ("cine", "lge", "label"):
        (large / os.fsdecode(b"latin_\xe9") / f"{key}.nii.gz").write_bytes(b"")
    problems = {entry["subject"]: entry["problem"] for entry in find_subjects(large, on_problem="record")
                if "problem" in entry}  # fmt: skip
    assert list(problems) == ["latin_\\udce9"] and "rename the folder" in problems["latin_\\udce9"]
    problems["latin_\\udce9"].encode()


def test_a_pipe_in_the_place_of_a_cine_is_named_as_one(large):
    (large / "s00/cine.nii.gz").unlink()
    os.mkfifo(large / "s00/cine.nii.gz")
    (problem,) = [entry["problem"] for entry in find_subjects(large, on_problem="record") if "problem" in entry]
    assert problem.startswith("s00: cine.nii.gz is no plain file")


@pytest.mark.parametrize("seed", range(8))
def test_subjects_without_lge_train_and_move_nobody_into_another_section(cohort, seed):
    for name in ("p1", "p4"):
        (cohort / name / "lge.nii.gz").unlink()
    strict = {one: _names(split(cohort, one, seed=seed)) for one in ("training", "validation", "testing")}
    wide = _names(split(cohort, "training", require=("cine", "label"), seed=seed))
    assert sorted(wide) == sorted([*strict["training"], "p1", "p4"])
    assert not set(wide) & {*strict["validation"], *strict["testing"]}
    for require in (("cine", "lge"), ("cine",)):
        for one in ("validation", "testing"):
            found = set(_names(split(cohort, one, require=require, seed=seed)))
            assert found == set(strict[one])


@pytest.mark.parametrize("listed", [3, 1.5, True, "p0", {"subject": "p0"}, ["p0"]])
def test_a_list_of_subjects_that_is_none_is_refused_in_words(cohort, make, listed):
    make.json(cohort / "dataset.json", {"training": listed})
    with pytest.raises(DatalistError) as error:
        find_subjects(cohort)
    assert "expected lists of subjects" in make.readable(error)


@pytest.mark.parametrize("name", ["a/IM_0001.dcm", "a/b/00000001"])
def test_dicom_given_as_a_data_set_names_the_import(tmp_path, make, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(200))
    with pytest.raises(DatalistError, match="found DICOM") as error:
        find_subjects(tmp_path)
    assert "configs/import_study.json --dicom_dir" in make.readable(error)
