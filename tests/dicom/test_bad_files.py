"""Damaged, odd and hostile DICOM: a result or an error message, never a crash, a hang or a wrong image."""

import random
import struct
import time

import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import COLUMNS, ROWS, SLICES, files, subject
from helpers.dicom_study import copy_series, edit, read, write_study
from helpers.memory import peak_mb
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from scripts.conventions import ConfigError, DataError
from scripts.dicom.codestreams import frame_size
from scripts.dicom.study import StudyReader, UnreadableStudy
from scripts.registration.study_alignment import StudyAlignment
from scripts.study.import_job import StudyImport

pytestmark = pytest.mark.slow

FUZZ_SECONDS = 60


def error_of(folder):
    (found,) = StudyReader(folder).studies()
    assert isinstance(found, UnreadableStudy)
    assert "Fix: " in str(found.error) and len(str(found.error).splitlines()) <= 10
    return str(found.error)


def cine_files(folder, vendor="ge"):
    return [path for path in files(folder) if pydicom.dcmread(path).SeriesDescription == "SAX FIESTA CINE"]


@pytest.fixture
def study_folder(tmp_path):
    return write_study(tmp_path / "in", "ge")


def test_an_empty_folder_and_a_wrong_path_say_what_was_found(tmp_path):
    with pytest.raises(DataError, match="no file"):
        list(StudyReader(tmp_path).studies())
    with pytest.raises(DataError, match="found no folder at"):
        list(StudyReader(tmp_path / "nowhere").studies())
    (tmp_path / "a.txt").write_text("x" * 500)
    with pytest.raises(DataError, match="found 1 not DICOM"):
        list(StudyReader(tmp_path).studies())


def test_no_folder_at_all_names_the_flag():
    for nothing in ("", None, "none"):
        with pytest.raises(ConfigError, match="Fix: --dicom_dir FOLDER"):
            StudyReader(nothing)


def test_dicom_without_any_mr_image_says_so(study_folder):
    edit(study_folder, lambda image: setattr(image, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"))
    with pytest.raises(DataError, match="no MR image"):
        list(StudyReader(study_folder).studies())


def test_a_truncated_file_of_the_cine_stops_with_its_series_and_image(study_folder):
    path = cine_files(study_folder)[4]
    path.write_bytes(path.read_bytes()[:-300])
    assert "cine, series 4, image 5: its pixels cannot be decoded" in error_of(study_folder)


def test_missing_pixel_data_stop_the_cine_but_only_cost_the_stir(study_folder):
    edit(study_folder, lambda image: image.__delitem__("PixelData"), "t2_stir", "ge")
    study = read(study_folder)
    assert "t2_stir" not in study.volumes and "no pixel data in the file" in " ".join(study.report["notes"])
    edit(study_folder, lambda image: image.__delitem__("PixelData"), "cine", "ge")
    assert "no pixel data in the file" in error_of(study_folder)


def test_a_cine_of_uneven_slices_stops_with_their_distances(tmp_path):
    folder = write_study(tmp_path, "ge")

    def shift(image):
        if image.AcquisitionNumber == 3:
            image.ImagePositionPatient = [float(v) + 4 for v in image.ImagePositionPatient]

    edit(folder, shift, "cine", "ge")
    assert "mm from even spacing; expected one spacing" in error_of(folder)


def test_a_gap_between_slices_that_are_series_names_the_pick_of_the_even_ones(tmp_path):
    folder = write_study(tmp_path, "siemens")
    numbers = sorted({i.SeriesNumber for i in map(pydicom.dcmread, files(folder)) if "sax" in i.SeriesDescription})
    numbers = numbers[:SLICES]

    def farther(image):
        if image.SeriesNumber == numbers[-1]:
            row, column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
            image.ImagePositionPatient = (
                np.array(image.ImagePositionPatient, float) + 3 * np.cross(row, column)
            ).tolist()

    edit(folder, farther, "cine")
    pick = ",".join(map(str, numbers[:-1]))
    assert f'pick series with --cine_series "{pick}", {SLICES - 1} even slices' in error_of(folder)
    assert read(folder, series={"cine": pick}).volumes["cine"].array.shape[2] == SLICES - 1


def test_half_of_a_slice_s_phases_missing_stops(study_folder):
    edit(study_folder, lambda i: not (i.AcquisitionNumber == 2 and float(i.TriggerTime) > 100), "cine", "ge")
    assert "slice 2 of 3 has 1 phases, the others 4" in error_of(study_folder)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_compressed_images_are_decoded(study_folder, syntax):
    def compress(image):
        enlarged = np.kron(image.pixel_array, np.ones((4, 4), image.pixel_array.dtype))
        image.Rows, image.Columns = enlarged.shape
        image.PixelData = enlarged.tobytes()
        image.compress(syntax)

    edit(study_folder, compress)
    found = read(study_folder).volumes["cine"].array[::4, ::4]
    np.testing.assert_array_equal(np.sort(found, axis=None), np.sort(subject("ge").volumes["cine"], axis=None))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_compressed_image_larger_than_its_header_says_is_refused_before_it_is_decoded(study_folder, syntax):
    def swell(image):
        enlarged = np.kron(image.pixel_array, np.ones((4, 4), image.pixel_array.dtype))
        image.Rows, image.Columns = enlarged.shape
        image.PixelData = enlarged.tobytes()
        image.compress(syntax)
        (frame,) = generate_frames(image.PixelData, number_of_frames=1)
        assert frame_size(frame) == enlarged.shape
        huge = struct.pack(">2I", 60000, 60000) if syntax == JPEG2000Lossless else struct.pack(">2H", 60000, 60000)
        at = frame.index(b"\xff\x51") + 6 if syntax == JPEG2000Lossless else frame.index(b"\xff\xf7") + 5
        swollen = frame[:at] + huge + frame[at + len(huge) :]
        assert frame_size(swollen) == (60000, 60000)
        image.PixelData = encapsulate([swollen])

    edit(study_folder, swell, "cine", "ge")
    assert "pixels cannot be decoded (ValueError)" in error_of(study_folder)


def test_a_frame_without_a_size_of_its_own_says_none():
    assert frame_size(b"") is None and frame_size(b"\x00" * 64) is None
    assert frame_size(b"\xff\xd8\xff\xe0\x00\x04ab") is None and frame_size(b"\xff\x4f\xff\x51\x00") is None


def test_a_syntax_that_nothing_decodes_is_named_as_compressed(study_folder):
    for path in cine_files(study_folder):
        image = pydicom.dcmread(path)
        image.compress(RLELossless)
        image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG2
        image.save_as(path)
    assert "compressed in a way that is not read" in error_of(study_folder)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_other_byte_orders_and_implicit_types_read_the_same(study_folder, syntax):
    little = read(study_folder).volumes["lge"].array
    for path in files(study_folder):
        image = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
            image["PixelData"].VR = "OW"
        image.file_meta.TransferSyntaxUID = syntax
        implicit = syntax == ImplicitVRLittleEndian
        with path.open("wb") as stream:
            pydicom.dcmwrite(stream, image, implicit_vr=implicit, little_endian=implicit, force_encoding=True)
    np.testing.assert_array_equal(read(study_folder).volumes["lge"].array, little)


def test_files_without_preamble_are_found(study_folder):
    for path in files(study_folder):
        path.write_bytes(path.read_bytes()[132:])
    assert read(study_folder).volumes["cine"].array.shape[:3] == (COLUMNS, ROWS, SLICES)


def test_a_syntax_that_contradicts_the_bytes_is_an_error_and_no_picture(study_folder):
    for path in cine_files(study_folder):
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.2\x00"))
    (found,) = _outcome(study_folder)
    assert isinstance(found, (UnreadableStudy, DataError))


def test_zero_length_tags_are_as_good_as_missing_ones(study_folder):
    def empty(image):
        for keyword in ("SeriesNumber", "EchoTime", "RepetitionTime", "CardiacNumberOfImages", "Manufacturer",
                        "NominalInterval", "MagneticFieldStrength", "SliceThickness", "AcquisitionTime"):  # fmt: skip
            setattr(image, keyword, None)

    edit(study_folder, empty)
    study = read(study_folder)
    assert set(study.volumes) == {"cine", "t2_stir", "lge"} and study.meta["vendor"] == "unknown"


def test_images_without_a_position_are_left_out_with_the_reason(study_folder):
    def lose(image):
        image.ImagePositionPatient = None

    copy_series(study_folder, "lge", lose, "ge")
    study = read(study_folder)
    assert "images without position" in " ".join(one["reason"] for one in study.report["not_used"])


def test_a_study_without_cine_says_what_to_export(study_folder):
    edit(study_folder, lambda image: "CINE" not in image.SeriesDescription)
    assert "no short-axis cine" in error_of(study_folder)


def test_one_slice_is_a_stack_of_one(study_folder):
    edit(study_folder, lambda i: i.AcquisitionNumber == 2 or "SAX" not in i.SeriesDescription)
    edit(study_folder, lambda i: "SAX" in i.SeriesDescription)
    study = read(study_folder)
    assert study.volumes["cine"].array.shape[2] == 1
    step = study.volumes["cine"].affine("cine")[:3, 2]
    assert np.linalg.norm(step) == pytest.approx(8.0)


def test_one_slice_without_a_thickness_is_not_given_one(study_folder):
    edit(study_folder, lambda i: i.AcquisitionNumber == 2 and "SAX" in i.SeriesDescription)
    edit(study_folder, lambda i: setattr(i, "SliceThickness", None))
    assert "one slice without SliceThickness" in error_of(study_folder)


def test_slices_that_are_not_parallel_never_become_one_stack(study_folder):
    def tilt(image):
        if image.AcquisitionNumber == 3:
            row, column = (np.array(image.ImageOrientationPatient, float).reshape(2, 3))[[0, 1]]
            normal = np.cross(row, column)
            column = np.cos(0.3) * column + np.sin(0.3) * normal
            image.ImageOrientationPatient = [*row, *column]

    edit(study_folder, tilt, "cine", "ge")
    assert "found 2 stacks that fit" in error_of(study_folder)


def test_ten_thousand_other_files_are_counted(study_folder):
    folder = study_folder / "other"
    folder.mkdir()
    for number in range(10000):
        (folder / f"{number}.bin").write_bytes(b"unrelated bytes" * 12)
    study = read(study_folder)
    assert study.report["other_files"]["not DICOM"] == 10000


def _outcome(folder):
    try:
        return list(StudyReader(folder).studies())
    except DataError as error:
        return [error]


@pytest.mark.parametrize("seed", range(3))
def test_mutated_headers_give_a_result_or_a_message_and_no_half_written_folder(study_folder, tmp_path, seed):
    rng = random.Random(seed)
    originals = {path: path.read_bytes() for path in files(study_folder)}
    until = time.monotonic() + FUZZ_SECONDS / 3
    while time.monotonic() < until:
        path = rng.choice(list(originals))
        path.write_bytes(mutated(originals[path], rng))
        said = imported(study_folder, tmp_path / "out")
        assert len(said.splitlines()) <= 10
        assert not [one for one in (tmp_path / "out").iterdir() if one.name.endswith(".part")]
        path.write_bytes(originals[path])


def imported(folder, output_dir):
    """The whole job, alignment and files included; what it says when nothing can be imported."""
    try:
        reader = StudyReader(folder, subject="p")
        StudyImport(reader, str(output_dir), StudyAlignment(max_rotation_deg=0), overwrite=True).run()
    except DataError as error:
        return str(error)
    return ""


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Some header bytes changed, a length field made huge, or a piece cut out."""
    data = bytearray(raw)
    header = max(len(data) - 2 * ROWS * COLUMNS, 200)
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(128, header)] = rng.randrange(256)
    if rng.random() < 0.2:
        place = rng.randrange(132, header - 4)
        data[place : place + 4] = struct.pack("<I", rng.choice([0xFFFFFFFF, 2**31, 7, 0]))
    if rng.random() < 0.2:
        start = rng.randrange(132, header)
        del data[start : start + rng.randint(1, 200)]
    return bytes(data)


def deflated(path, zeros=0):
    """The file again, compressed as a whole; with ``zeros`` bytes of nothing in an element behind its pixels."""
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    if zeros:
        image.add_new(0x7FE10011, "OB", bytes(zeros))
    image.save_as(path, enforce_file_format=True)
    return path


def test_deflated_files_are_read(study_folder):
    before = read(study_folder).volumes["cine"].array
    for path in cine_files(study_folder):
        deflated(path)
    np.testing.assert_array_equal(read(study_folder).volumes["cine"].array, before)


@pytest.mark.parametrize("preamble", [True, False])
def test_a_small_file_that_unpacks_to_far_more_is_left_out_in_bounded_memory(study_folder, preamble):
    path = deflated(cine_files(study_folder)[0], zeros=600 * 2**20)
    assert path.stat().st_size < 8 * 2**20
    if not preamble:
        path.write_bytes(path.read_bytes()[132:])
    code = "import pathlib; from scripts.dicom.headers import read_frames; "
    code += f"print(read_frames(pathlib.Path({str(path)!r})))"
    done, most = peak_mb(code)
    assert done.returncode == 0 and "damaged header" in done.stdout
    assert most < peak_mb("import scripts.dicom.headers")[1] + 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PixelSpacing": [1e-6, 1e-6]}, "spacing"),
        ({"PixelSpacing": [1e6, 1e6]}, "spacing"),
        ({"RescaleSlope": "1e36", "RescaleIntercept": "0"}, "RescaleSlope"),
        ({"Rows": 4096, "Columns": 4096, "NumberOfFrames": 1, "SamplesPerPixel": 64}, "pixels"),
    ],
)
def test_sizes_and_values_that_no_scanner_writes_stop_the_study_in_seconds(study_folder, change, said):
    for path in cine_files(study_folder):
        image = pydicom.dcmread(path)
        for keyword, value in change.items():
            setattr(image, keyword, value)
        image.save_as(path)
    started = time.perf_counter()
    assert said in error_of(study_folder) and time.perf_counter() - started < 60


def test_a_slice_thickness_that_cannot_be_is_not_taken(study_folder):
    edit(study_folder, lambda image: setattr(image, "SliceThickness", "1e30"), "cine", "ge")
    assert "slice_thickness_mm" not in read(study_folder).meta
