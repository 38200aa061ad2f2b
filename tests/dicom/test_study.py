"""From a folder of DICOM to stacks: the right series without a flag, voxels in their place, the rest explained."""

import logging
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import COLUMNS, PHASES, ROWS, SLICES, VARIED, VENDORS, files, subject
from helpers.dicom_study import copy_series, edit, make_enhanced, read, write_study
from scripts.conventions import ConfigError, DataError
from scripts.dicom.study import StudyReader, UnreadableStudy
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject

SEQUENCES = ("cine", "t2_stir", "lge")


def reasons(study):
    return " | ".join(one["reason"] for one in study.report["not_used"])


def assert_equal_in_the_patient(study, one):
    """Every voxel of the subject is found at its place in the patient, whatever the order of the slices."""
    for role in SEQUENCES:
        voxels = study.volumes[role]
        expected = one.volumes[role].reshape(COLUMNS, ROWS, SLICES, -1)
        assert voxels.array.shape == expected.shape
        to_index = np.linalg.inv(voxels.affine(role)) @ one.affine
        for corner in ([0, 0, 0], [COLUMNS - 1, 2, SLICES - 1], [5, ROWS - 1, 1]):
            found = to_index @ [*corner, 1]
            assert np.abs(found - np.rint(found)).max() < 1e-4
            place = tuple(np.rint(found[:3]).astype(int))
            np.testing.assert_array_equal(voxels.array[place], expected[tuple(corner)])


@pytest.mark.slow
@pytest.mark.parametrize("field_strength_t", [1.5, 3.0])
@pytest.mark.parametrize("geometry", ["axial", "oblique", "reversed"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_s_study_is_read_without_a_flag(tmp_path, vendor, geometry, field_strength_t):
    study = read(write_study(tmp_path, vendor, geometry, field_strength_t=field_strength_t))
    assert_equal_in_the_patient(study, subject(vendor, geometry))
    assert study.meta["vendor"] == vendor and study.meta["field_strength_t"] == field_strength_t
    assert study.volumes["cine"].times_ms == pytest.approx((0.0, 214.3, 428.6, 642.9), abs=0.1)
    assert study.meta["lge_trigger_time_ms"] == 600.5 and study.report["used"]["lge"]["kind"] == "psir"
    assert "synthetic" not in study.report["disclaimer"].lower()
    assert geometry == "axial" or ("localiser" in reasons(study) and "long axis" in reasons(study))


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_study_of_the_varied_style_is_read_without_a_flag(tmp_path, vendor):
    study = read(write_study(tmp_path, vendor, **VARIED))
    assert_equal_in_the_patient(study, subject(vendor))
    assert study.meta["vendor"] == vendor and study.report["used"]["lge"]["kind"] == "psir"
    assert study.volumes["cine"].times_ms == pytest.approx((0.0, 214.3, 428.6, 642.9), abs=0.1)
    assert study.report["flags"] == [] == study.report["notes"]


@pytest.mark.slow
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_whole_phantom_of_the_varied_style_with_thick_long_axes_is_read_without_a_flag(tmp_path, vendor):
    parameters = PhantomParameters(phases=5, slices=5, vendor=vendor, difficulty="clean")
    one = make_subject(2, 3, parameters, views=3)
    one = replace(one, meta=one.meta | {"phantom": one.meta["phantom"] | {"dicom_style": "varied"}})
    study = read(write_dicom_subject(one, tmp_path))
    cine = study.volumes["cine"]
    assert cine.array.shape == one.volumes["cine"].shape and set(study.volumes) == {"cine", "t2_stir", "lge"}
    flipped = float(cine.affine("cine")[:3, 2] @ one.affine[:3, 2]) < 0
    wanted = one.volumes["cine"][:, :, ::-1] if flipped else one.volumes["cine"]
    np.testing.assert_array_equal(cine.array, wanted)
    assert study.report["flags"] == []


@pytest.mark.slow
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_an_enhanced_image_reads_as_the_classic_ones(tmp_path, sequence):
    folder = write_study(tmp_path, "ge")
    make_enhanced(folder, sequence, "ge")
    assert_equal_in_the_patient(read(folder), subject("ge"))


@pytest.mark.slow
@pytest.mark.parametrize(("sequence", "contrast"), [("cine", "T2"), ("t2_stir", "T2"), ("lge", "T1")])
def test_the_contrast_of_an_enhanced_image_is_no_map(tmp_path, sequence, contrast):
    folder = write_study(tmp_path, "ge")
    make_enhanced(folder, sequence, "ge")

    def told(image):
        for shared in image.get("SharedFunctionalGroupsSequence", ()):
            shared.MRImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", contrast, "NONE"]

    edit(folder, told)
    assert_equal_in_the_patient(read(folder), subject("ge"))


def test_the_name_of_the_exam_in_the_protocol_of_every_series_says_nothing(tmp_path):
    folder = write_study(tmp_path, "ge")
    edit(folder, lambda image: setattr(image, "ProtocolName", "CARDIAC STRESS PERFUSION"))
    assert_equal_in_the_patient(read(folder), subject("ge"))


def test_magnitude_is_taken_where_there_is_no_psir_and_psir_where_there_are_both(tmp_path):
    both, magnitude = write_study(tmp_path / "a", "philips"), write_study(tmp_path / "b", "philips", kind="magnitude")
    assert read(both).report["used"]["lge"]["kind"] == "psir"
    assert read(magnitude).report["used"]["lge"]["kind"] == "magnitude"


def test_lost_tags_leave_the_names_to_decide(tmp_path):
    def forget(image):
        for keyword in ("ScanningSequence", "EchoTime", "InversionTime", "SequenceVariant", "EchoTrainLength"):
            if keyword in image:
                image[keyword].value = None

    folder = write_study(tmp_path, "siemens")
    edit(folder, forget)
    study = read(folder)
    assert_equal_in_the_patient(study, subject("siemens"))
    assert all("by its name" in used["why"] for used in study.report["used"].values())


def test_names_that_mislead_lose_against_the_tags(tmp_path):
    folder = write_study(tmp_path, "ge")
    swapped = {"SAX FIESTA CINE": "lge", "SAX Triple IR FSE": "cine sax", "SAX PS:MDE": "stir psir"}

    def rename(image):
        image.SeriesDescription = image.ProtocolName = swapped.get(image.SeriesDescription, image.SeriesDescription)

    edit(folder, rename)
    assert_equal_in_the_patient(read(folder), subject("ge"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "T1 MAP", "MOCO"]}, "a parametric map"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase or velocity"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "reformatted"),
        ({"SeriesDescription": "perfusion_stress", "ProtocolName": ""}, "perfusion"),
        ({"SeriesDescription": "TI_scout", "ProtocolName": ""}, "a scout for the inversion time"),
        ({"InversionTime": 900.0, "SeriesDescription": "IR FGRE", "ProtocolName": ""}, "inversion at 900 ms"),
        ({"SyntheticData": "YES"}, "made by this software"),
        ({"DiffusionBValue": 400.0}, "diffusion"),
        ({"EchoTime": 40.0}, "long echo time"),
        ({"ScanningSequence": "EP"}, "echo planar"),
    ],
)
def test_what_looks_like_lge_but_is_not_is_left_out_with_the_reason(tmp_path, change, reason):
    folder = write_study(tmp_path, "ge")

    def disguise(image):
        for keyword, value in change.items():
            setattr(image, keyword, value)

    copy_series(folder, "lge", disguise, "ge")
    study = read(folder)
    assert_equal_in_the_patient(study, subject("ge"))
    assert reason in reasons(study)


def test_a_dynamic_series_is_no_cine_and_a_spin_echo_without_inversion_no_stir(tmp_path):
    folder = write_study(tmp_path, "ge")

    def still(image):
        image.TriggerTime, image.CardiacNumberOfImages = 300.0, 1

    def without_inversion(image):
        del image.InversionTime
        image.ScanningSequence, image.SeriesDescription, image.ProtocolName = "SE", "T2 FSE", ""

    copy_series(folder, "cine", still, "ge")
    copy_series(folder, "t2_stir", without_inversion, "ge")
    study = read(folder)
    assert "perfusion or another dynamic series" in reasons(study) and "not STIR" in reasons(study)


@pytest.mark.slow
def test_two_whole_cines_stop_with_a_table_and_a_flag_picks_one(tmp_path):
    folder = write_study(tmp_path, "ge")

    def brighter(image):
        image.PixelData = (image.pixel_array + 1).astype("<u2").tobytes()

    copy_series(folder, "cine", brighter, "ge")
    (unreadable,) = StudyReader(folder).studies()
    assert isinstance(unreadable, UnreadableStudy)
    assert "found 2 stacks that fit" in str(unreadable.error) and "Fix: pick one" in str(unreadable.error)
    numbers = [
        row.split(":")[0].split()[-1] for row in str(unreadable.error).splitlines() if row.startswith("  series")
    ]
    picked = [read(folder, series={"cine": number}).volumes["cine"].array for number in numbers]
    np.testing.assert_array_equal(picked[0] + 1, picked[1])
    uid = next(i.SeriesInstanceUID for i in map(pydicom.dcmread, files(folder)) if i.SeriesNumber == int(numbers[1]))
    np.testing.assert_array_equal(read(folder, series={"cine": uid}).volumes["cine"].array, picked[1])


def test_a_pick_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(ConfigError, match=r"cine_series: found '77'.*1, 2"):
        read(write_study(tmp_path, "ge"), series={"cine": "77"})


def test_a_picked_series_without_a_position_says_so(tmp_path):
    folder = write_study(tmp_path, "ge")
    edit(folder, lambda image: setattr(image, "ImagePositionPatient", None), "lge", "ge")
    with pytest.raises(ConfigError, match="lge_series: found '7', which is no MR series with a position"):
        read(folder, series={"lge": "7"})


def test_a_slice_taken_again_replaces_the_first(tmp_path):
    folder = write_study(tmp_path, "siemens")
    numbers = sorted({i.SeriesNumber for i in map(pydicom.dcmread, files(folder)) if "sax" in i.SeriesDescription})

    def again(image):
        image.PixelData = np.full((ROWS, COLUMNS), 77, "<u2").tobytes()
        return image.SeriesNumber == numbers[1] + 100

    copy_series(folder, "cine", again)
    study = read(folder)
    values = [set(np.unique(study.volumes["cine"].array[:, :, k])) == {77} for k in range(SLICES)]
    assert values == [False, True, False] and "1 slices were taken again" in " ".join(study.report["notes"])


def test_without_stir_or_lge_it_goes_on_and_says_so(tmp_path, caplog):
    folder = write_study(tmp_path, "siemens")
    edit(folder, lambda image: False, "t2_stir")
    edit(folder, lambda image: False, "lge")
    edit(folder, lambda image: "MAG" not in image.ImageType)
    with caplog.at_level(logging.WARNING):
        study = read(folder)
    assert list(study.volumes) == ["cine"]
    assert "t2_stir: not in this study" in caplog.text and "lge: not in this study" in study.report["notes"]


def test_a_long_axis_lge_is_not_taken_for_the_stack(tmp_path):
    folder = write_study(tmp_path, "ge")

    def turn(image):
        image.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    edit(folder, turn, "lge", "ge")
    edit(folder, lambda image: image.SeriesDescription != "SAX 2D MDE")
    study = read(folder)
    assert "lge" not in study.volumes and "not parallel to the short-axis cine" in reasons(study)


@pytest.mark.slow
def test_two_studies_in_one_folder_are_two_results(tmp_path):
    write_study(tmp_path / "a", "ge")
    write_study(tmp_path / "b", "philips")
    found = list(StudyReader(tmp_path).studies())
    assert {one.meta["vendor"] for one in found} == {"ge", "philips"} and len({one.name for one in found}) == 2
    with pytest.raises(DataError, match="found 2 studies"):
        list(StudyReader(tmp_path, subject="p1").studies())


def test_copies_other_files_and_link_loops_do_not_matter(tmp_path):
    folder = write_study(tmp_path / "Müller über 心 study", "uih")
    inner = files(folder)[0].parent
    shutil.copy(files(folder)[0], inner / "copy of one")
    (inner / "notes.txt").write_text("no image " * 50)
    (inner / "tiny").write_bytes(b"x")
    (inner / "DICOMDIR").write_bytes(files(folder)[0].read_bytes())
    (inner / "loop").symlink_to(folder)
    (inner / "dangling").symlink_to(inner / "nowhere")
    study = read(tmp_path)
    assert_equal_in_the_patient(study, subject("uih"))
    assert study.report["other_files"] == {
        "DICOMDIR (not needed)": 1, "copy of an image that was read": 1, "folder linked twice": 1,
        "no regular file": 1, "not DICOM": 2,
    }  # fmt: skip


def test_links_that_leave_the_folder_are_not_followed(tmp_path):
    folder = write_study(tmp_path / "study")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    image = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    image.rename(elsewhere / image.name)
    image.symlink_to(elsewhere / image.name)
    (folder / "there").symlink_to(elsewhere, target_is_directory=True)
    within = next(path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    (folder / "inside.dcm").symlink_to(within)
    others = read(folder).report["other_files"]
    assert others["link to a file outside"] == 1 and others["link to a folder outside"] == 1


def test_a_key_of_the_site_links_two_imports_and_a_lost_one_does_not(tmp_path):
    folder = write_study(tmp_path / "in", "ge")
    key = tmp_path / "keys" / "site.key"
    assert read(folder, key_file=key).name == read(folder, key_file=key).name
    assert read(folder).name != read(folder, key_file="none").name
    assert key.stat().st_mode & 0o077 == 0
    key.write_bytes(b"short")
    with pytest.raises(ConfigError, match="found 5 bytes, expected at least 16"):
        read(folder, key_file=key)


def test_phases_that_differ_between_slices_are_cut_to_those_in_common(tmp_path):
    folder = write_study(tmp_path, "ge")
    edit(folder, lambda i: not (i.AcquisitionNumber == 2 and float(i.TriggerTime) > 600), "cine", "ge")
    study = read(folder)
    assert study.volumes["cine"].array.shape == (COLUMNS, ROWS, SLICES, PHASES - 1)
    assert "slices have 3 to 4 phases, 3 are used" in " ".join(study.report["notes"])
