"""Folders turned into subject folders or nnU-Net raw: the same voxels in the same place, our label codes."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from helpers.bundle_run import run_bundle
from helpers.small_heart import small_heart
from scripts.conventions import ConfigError, DataError
from scripts.convert_job import ConvertJob
from scripts.datasets.cohort_on_disk import CohortOnDisk
from scripts.datasets.datalist import find_subjects
from scripts.datasets.layouts import OURS, read_layout
from scripts.datasets.public_sets import nnunet
from scripts.preprocessing.labels import lesions_not_marked, marks_infarct, table_for
from scripts.volumes.entry_files import read_entry

SHAPE = (16, 16, 3)


@pytest.fixture
def acdc(tmp_path, make):
    """Two subjects of ACDC: the cine as one file, and as two frames."""
    rng, matrix = np.random.default_rng(0), make.affine(SHAPE, spacing=(2.0, 2.0, 9.0))
    for name in ("patient001", "patient002"):
        folder = tmp_path / "acdc" / "training" / name
        cine = rng.integers(0, 900, (*SHAPE, 4)).astype(np.int16)
        if name == "patient001":
            make.write(folder / f"{name}_4d.nii.gz", cine, matrix)
        for frame in (2, 4):
            make.write(folder / f"{name}_frame{frame:02d}.nii.gz", cine[..., frame - 1], matrix)
            label = small_heart({1: 3, 2: 2, 6: 1}, SHAPE)
            make.write(folder / f"{name}_frame{frame:02d}_gt.nii.gz", label, matrix)
        (folder / "Info.cfg").write_text("ED: 2\nES: 4\nGroup: DCM\nHeight: 180\n")
    return tmp_path / "acdc"


def convert(folder, out, **keywords):
    ConvertJob(str(folder), str(out), **keywords).run()
    return read_layout(out)


def exit_code(*arguments, **keywords):
    with pytest.raises(SystemExit) as stop:
        convert(*arguments, **keywords)
    return stop.value.code


def bytes_below(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_voxel_is_where_it_was_and_labels_are_in_our_codes(acdc, tmp_path):
    before = bytes_below(acdc)
    layout = convert(acdc, tmp_path / "out")
    assert layout.name == OURS and len(layout.entries) == 2 and bytes_below(acdc) == before
    for old, new in zip(find_subjects(acdc), find_subjects(tmp_path / "out"), strict=True):
        assert old["subject"] == new["subject"]
        first, second = CohortOnDisk(str(acdc)).load(old), CohortOnDisk(str(tmp_path / "out")).load(new)
        np.testing.assert_array_equal(first.label, second.label)
        np.testing.assert_array_equal(first.images["cine"], second.images["cine"])
        np.testing.assert_allclose(first.affine, second.affine, atol=1e-4)
        assert first.label_phase == second.label_phase
    assert (tmp_path / "out/failed_cases.csv").read_text() == "subject,stage,reason,next_step\n"


def test_what_needs_no_change_is_copied_and_nothing_personal_is_written(acdc, tmp_path):
    convert(acdc, tmp_path / "out")
    source = acdc / "training/patient001/patient001_4d.nii.gz"
    assert (tmp_path / "out/patient001/cine.nii.gz").read_bytes() == source.read_bytes()
    meta = json.loads((tmp_path / "out/patient001/meta.json").read_text())
    assert meta.pop("label_table")["6"] == 6
    assert meta == {"ed_phase": 1, "es_phase": 3, "label_phase": 1}


def test_a_subject_folder_of_ours_comes_out_as_it_went_in(cohort, make, tmp_path):
    make.json(cohort / "p0" / "meta.json", {"vendor": "ge", "lge_trigger_time_ms": 600})
    convert(cohort, tmp_path / "out")
    images = {path: content for path, content in bytes_below(cohort).items() if path.suffix != ".json"}
    written = bytes_below(tmp_path / "out")
    assert images.items() <= written.items()
    assert json.loads(written[(cohort / "p0/meta.json").relative_to(cohort)])["vendor"] == "ge"


def test_splits_and_usable_slices_of_a_list_are_kept(cohort, make, tmp_path):
    listed = [{"subject": f"s{n}", "cine": f"p{n}/cine.nii.gz", "lge": f"p{n}/lge.nii.gz"} for n in range(3)]
    listed[0] |= {"vendor": "ge", "usable_slices": [1]}
    make.json(cohort / "dataset.json", {"training": listed[:2], "testing": listed[2:]})
    convert(cohort, tmp_path / "out")
    entries = find_subjects(tmp_path / "out")
    assert [(entry["subject"], entry["split"]) for entry in entries] == [
        ("s0", "training"), ("s1", "training"), ("s2", "testing"),
    ]  # fmt: skip
    assert entries[0]["vendor"] == "ge" and entries[0]["usable_slices"] == [1]


def test_a_label_map_of_a_series_becomes_one_of_its_phase(tmp_path, make):
    folder = tmp_path / "mnms" / "A1"
    label = np.zeros((*SHAPE, 3), np.uint8)
    label[4:8, :, :, 2] = 3
    make.write(folder / "A1_sa.nii.gz", np.random.default_rng(0).normal(size=(*SHAPE, 3)), np.diag([2.0, 2.0, 9.0, 1]))
    make.write(folder / "A1_sa_gt.nii.gz", label, np.diag([2.0, 2.0, 9.0, 1.0]))
    (tmp_path / "mnms" / "info.csv").write_text("External code,VendorName,ED,ES\nA1,Philips,2,0\n")
    convert(tmp_path / "mnms", tmp_path / "out")
    written = nib.load(tmp_path / "out/A1/label.nii.gz")
    assert written.shape == SHAPE and written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(written.dataobj) == 6, label[..., 2] == 3)
    meta = json.loads((tmp_path / "out/A1/meta.json").read_text())
    assert meta.pop("label_table")["6"] == 6
    assert meta == {"ed_phase": 2, "es_phase": 0, "label_phase": 2, "vendor": "Philips"}


def test_nnunet_raw_has_one_grid_per_case_and_reads_back(acdc, tmp_path):
    layout = convert(acdc, tmp_path / "out", to="nnunet")
    assert layout.name == nnunet.NAME and layout.skipped == ()
    content = json.loads((tmp_path / "out/dataset.json").read_text())
    assert content["channel_names"] == {"0": "cine"} and content["numTraining"] == 2
    assert sorted(content["labels"].values()) == list(range(len(content["labels"])))
    for old, new in zip(find_subjects(acdc), find_subjects(tmp_path / "out"), strict=True):
        first, second = CohortOnDisk(str(acdc)).load(old), CohortOnDisk(str(tmp_path / "out")).load(new)
        np.testing.assert_array_equal(first.label, second.label)
        # the phase on which the label map was drawn
        np.testing.assert_array_equal(first.images["cine"][..., first.label_phase], second.images["cine"][..., 0])
        np.testing.assert_allclose(first.affine, second.affine, atol=1e-4)


@pytest.mark.parametrize("ways", [["ours"], ["nnunet"], ["ours", "nnunet"], ["nnunet", "ours"], ["ours", "ours"]])
def test_label_maps_that_cannot_show_infarct_say_so_after_every_turn(acdc, tmp_path, ways):
    folder = acdc
    for n, to in enumerate(ways):
        folder, source = tmp_path / f"out{n}", folder
        convert(source, folder, to=to)
    for entry in find_subjects(folder):
        assert not marks_infarct(table_for(entry))
        np.testing.assert_array_equal(np.unique(CohortOnDisk(str(folder)).load(entry).label), [0, 1, 2, 6])


@pytest.mark.parametrize("to", ["ours", "nnunet"])
def test_label_maps_that_can_show_infarct_say_so(cohort, tmp_path, to):
    convert(cohort, tmp_path / "out", to=to)
    assert all(marks_infarct(table_for(entry)) for entry in find_subjects(tmp_path / "out"))


def test_cases_with_and_without_an_infarct_class_do_not_go_into_one_nnunet_folder(cohort, make, tmp_path):
    make.json(cohort / "p3" / "meta.json", {"label_table": {"0": 0, "1": 1, "2": 2, "3": 2}})
    assert exit_code(cohort, tmp_path / "out", to="nnunet") == 2
    (failed,) = csv.DictReader((tmp_path / "out/failed_cases.csv").open())
    assert failed["subject"] == "p3" and "without infarct" in failed["reason"] and "folder" in failed["next_step"]


@pytest.mark.slow
def test_nnunet_channels_and_label_are_cut_to_the_slices_that_all_cover(cohort, make, tmp_path):
    for n in range(6):
        matrix = make.affine((64, 64, 3))
        picture = np.asarray(nib.load(cohort / f"p{n}/lge.nii.gz").dataobj)
        upper = matrix.copy()
        upper[:3, 3] += matrix[:3, 2]
        make.write(cohort / f"p{n}" / "lge.nii.gz", picture[..., 1:], upper)
    convert(cohort, tmp_path / "out", to="nnunet")
    for name in ("imagesTr/p0_0000", "imagesTr/p0_0001", "imagesTr/p0_0002", "labelsTr/p0"):
        image = nib.load(tmp_path / f"out/{name}.nii.gz")
        assert image.shape == (64, 64, 2)
        np.testing.assert_allclose(image.affine, upper, atol=1e-4)
    label = np.asarray(nib.load(tmp_path / "out/labelsTr/p0.nii.gz").dataobj)
    np.testing.assert_array_equal(label, np.asarray(nib.load(cohort / "p0/label.nii.gz").dataobj)[..., 1:])


def test_a_label_map_without_a_place_goes_with_the_cine_of_its_shape(cohort, tmp_path):
    path = cohort / "p1" / "label.nii.gz"
    image = nib.load(path)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, path)
    convert(cohort, tmp_path / "out", to="nnunet", sequences=["cine"])
    written = np.asarray(nib.load(tmp_path / "out/labelsTr/p1.nii.gz").dataobj)
    np.testing.assert_array_equal(written, np.asarray(nib.load(path).dataobj))


@pytest.mark.slow
def test_a_case_without_a_channel_of_the_others_fails_until_the_channel_is_left_out(cohort, tmp_path):
    (cohort / "p2" / "t2_stir.nii.gz").unlink()
    assert exit_code(cohort, tmp_path / "out", to="nnunet") == 2
    (failed,) = csv.DictReader((tmp_path / "out/failed_cases.csv").open())
    assert failed["subject"] == "p2" and "no t2_stir" in failed["reason"] and "--sequences" in failed["next_step"]
    convert(cohort, tmp_path / "two", to="nnunet", sequences=["cine", "lge"])
    assert len(find_subjects(tmp_path / "two")) == 6


@pytest.mark.slow
def test_subjects_without_label_map_are_for_testing(cohort, tmp_path):
    (cohort / "p2" / "label.nii.gz").unlink()
    convert(cohort, tmp_path / "out", to="nnunet")
    assert (tmp_path / "out/imagesTs/p2_0000.nii.gz").is_file()
    assert json.loads((tmp_path / "out/dataset.json").read_text())["numTraining"] == 5


def test_a_subject_that_fails_is_listed_and_the_others_are_written_whole(acdc, tmp_path):
    (acdc / "training/patient002/patient002_frame04.nii.gz").write_bytes(b"broken")
    assert exit_code(acdc, tmp_path / "out") == 2
    (failed,) = csv.DictReader((tmp_path / "out/failed_cases.csv").open())
    assert failed["subject"] == "patient002" and "patient002_frame04.nii.gz" in failed["reason"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["failed_cases.csv", "patient001"]


def test_a_label_map_whose_phase_is_not_known_fails_its_subject(acdc, tmp_path):
    (acdc / "training/patient002/Info.cfg").write_text("Group: DCM\n")
    assert exit_code(acdc, tmp_path / "out") == 2
    assert "Info.cfg" in (tmp_path / "out/failed_cases.csv").read_text()


@pytest.mark.parametrize("to", ["ours", "nnunet"])
def test_nothing_is_written_over_unless_it_is_asked_for(acdc, tmp_path, to, make):
    convert(acdc, tmp_path / "out", to=to)
    place = "patient001/cine.nii.gz" if to == "ours" else "imagesTr/patient001_0000.nii.gz"
    (tmp_path / "out" / place).write_bytes(b"mine")
    if to == "ours":
        convert(acdc, tmp_path / "out", to=to)
    else:
        with pytest.raises(DataError) as error:
            convert(acdc, tmp_path / "out", to=to)
        assert "found dataset.json" in make.readable(error)
    assert (tmp_path / "out" / place).read_bytes() == b"mine"
    convert(acdc, tmp_path / "out", to=to, overwrite="true")
    assert read_entry(find_subjects(tmp_path / "out")[0], "cine").array.shape[:3] == SHAPE


@pytest.mark.parametrize("where", ["acdc", "acdc/out", "."])
def test_the_source_is_never_written_into(acdc, where, make):
    before = bytes_below(acdc)
    out = acdc.parent / where if where != "." else acdc / "training" / ".."
    with pytest.raises(ConfigError) as error:
        ConvertJob(str(acdc), str(out), overwrite=True)
    assert "--output_dir" in make.readable(error) and bytes_below(acdc) == before


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"to": "bids"}, "to: found 'bids', expected ours or nnunet"),
        ({"sequences": ["cine", "t1"]}, "sequences: found"),
        ({"sequences": []}, "sequences: found"),
        ({"overwrite": "yes"}, "overwrite: found 'yes'"),
        ({"label_table": "mine"}, "label_table: found 'mine'"),
    ],
)
def test_a_value_that_cannot_be_is_refused(acdc, tmp_path, keywords, said, make):
    with pytest.raises(ConfigError) as error:
        ConvertJob(str(acdc), str(tmp_path / "out"), **keywords)
    assert said in make.readable(error)


def test_lge_and_label_alone_are_turned_too(tmp_path, make):
    for folder, array in (("Images", np.arange(768.0).reshape(SHAPE)), ("Contours", np.full(SHAPE, 4, np.uint8))):
        make.write(tmp_path / "in/Case_P1" / folder / "Case_P1.nii.gz", array, np.diag([2.0, 2.0, 9.0, 1.0]))
    convert(tmp_path / "in", tmp_path / "out", to="nnunet")
    (entry,) = find_subjects(tmp_path / "out", require=("lge", "label"))
    assert (CohortOnDisk(str(tmp_path / "out")).load(entry).label == 4).all()


@pytest.mark.slow
def test_the_command_ends_with_code_2_where_a_subject_failed(acdc, tmp_path):
    (acdc / "training/patient002/patient002_frame04.nii.gz").write_bytes(b"broken")
    done = run_bundle("--config_file", "configs/convert.json", "--dataset_dir", acdc, "--output_dir", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr[-2000:]
    assert (tmp_path / "out/patient001/label.nii.gz").is_file()


@pytest.mark.parametrize("to", ["ours", "nnunet"])
def test_lesions_that_a_set_does_not_mark_stay_unmarked(cohort, make, tmp_path, to):
    for n in range(6):
        make.json(cohort / f"p{n}" / "meta.json", {"label_table": {"0": 0, "1": 1, "2": 2, "3": 3}})
    convert(cohort, tmp_path / "out", to=to)
    for entry in find_subjects(tmp_path / "out"):
        assert lesions_not_marked(table_for(entry)) == ("no_reflow", "oedema")
    convert(tmp_path / "out", tmp_path / "again", to="ours")
    assert all(lesions_not_marked(table_for(entry)) for entry in find_subjects(tmp_path / "again"))


def test_what_a_person_put_beside_converted_files_stays_when_they_are_written_again(cohort, tmp_path):
    convert(cohort, tmp_path / "out")
    (cohort / "p1/label.nii.gz").unlink()
    for name in ("notes.txt", "LABEL.nii.gz", "label.nrrd", "lge.mhd.txt"):
        (tmp_path / "out/p1" / name).write_text("by hand")
    convert(cohort, tmp_path / "out", overwrite=True)
    for name in ("notes.txt", "LABEL.nii.gz", "label.nrrd", "lge.mhd.txt"):
        assert (tmp_path / "out/p1" / name).read_text() == "by hand"
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")) == []
