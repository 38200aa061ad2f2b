"""Compressed content is unpacked up to a limit, and files that unpack to far more than they should are refused."""

import gzip
import zlib

import nibabel as nib
import numpy as np
import pytest
from helpers.memory import peak_mb
from scripts.conventions import ConfigError, DataError
from scripts.preprocessing.preprocessing import SubjectPreprocessing
from scripts.volumes.compression import DEFLATE, GZIP, ZLIB, beginning, decompressed
from scripts.volumes.reading import read_volume

TEXT = bytes(range(256)) * 40


@pytest.mark.parametrize("window", [GZIP, ZLIB, DEFLATE])
def test_content_comes_back_up_to_its_limit_and_not_beyond(window):
    packer = zlib.compressobj(wbits=window)
    content = packer.compress(TEXT) + packer.flush()
    assert decompressed(content, len(TEXT), window) == TEXT
    with pytest.raises(ValueError, match="more than"):
        decompressed(content, len(TEXT) - 1, window)
    with pytest.raises((EOFError, zlib.error)):
        decompressed(content[:-6], len(TEXT), window)


def test_gzip_of_several_streams_and_zeros_behind_them_is_whole():
    content = gzip.compress(TEXT) + gzip.compress(b"more") + b"\0" * 9
    assert decompressed(content, len(TEXT) + 4) == TEXT + b"more"
    assert beginning(content[:400], 16) == TEXT[:16]
    with pytest.raises(zlib.error):
        decompressed(content[:-20] + b"\1" + content[-19:], len(TEXT) + 4)


def announced(path, shape, dtype=np.int16, zeros=0):
    """A NIfTI file whose header announces ``shape`` and which unpacks to ``zeros`` bytes of nothing behind it."""
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["vox_offset"], header["sform_code"] = 352, 1
    header["magic"] = b"n+1"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes(header.binaryblock) + bytes(4))
        for _ in range(zeros // 2**20):
            file.write(bytes(2**20))
    return path


@pytest.mark.parametrize(
    ("shape", "zeros", "said"),
    [
        ((30000, 30000, 30, 3), 2**20, "header announces"),
        ((600, 600, 100), 900 * 2**20, "more than"),
        ((64, 64, 3), 900 * 2**20, "more than"),
    ],
)
def test_a_small_file_that_unpacks_to_far_more_is_refused_in_bounded_memory(tmp_path, shape, zeros, said):
    path = announced(tmp_path / "p" / "cine.nii.gz", shape, np.uint8, zeros)
    assert path.stat().st_size < 8 * 2**20
    code = f"from scripts.volumes.reading import read_volume; read_volume({str(path)!r}, phases=True)"
    done, most = peak_mb(code)
    assert done.returncode != 0 and said in done.stderr and "Fix:" in done.stderr
    assert most < peak_mb("import scripts.volumes.reading")[1] + 550


def test_an_nrrd_file_unpacks_to_what_its_header_announces(tmp_path):
    header = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 64 64 3\nencoding: gzip\n\n"
    path = tmp_path / "p" / "lge.nrrd"
    path.parent.mkdir()
    path.write_bytes(header + gzip.compress(bytes(600 * 2**20), 1))
    code = f"from scripts.volumes.reading import read_volume; read_volume({str(path)!r})"
    done, most = peak_mb(code)
    assert done.returncode != 0 and "more than" in done.stderr and "Fix:" in done.stderr
    assert most < peak_mb("import scripts.volumes.reading")[1] + 200


def test_a_header_with_sizes_that_cannot_be_unpacks_nothing(tmp_path):
    path = announced(tmp_path / "p" / "cine.nii.gz", (64, 64, 3), np.uint8, 2**20)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[40:56] = np.array([3, -21565, 778, 1, 1, 1, 1, 1], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="header announces"):
        read_volume(path)
    for sizes in ("inf 64 3", "-5 64 3", "1e400 64 3"):
        nrrd = tmp_path / "p" / "lge.nrrd"
        nrrd.write_bytes(f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nencoding: raw\n\n".encode() + bytes(9))
        with pytest.raises(DataError, match="Fix:"):
            read_volume(nrrd)
    with pytest.raises(ValueError, match="a limit of"):
        decompressed(gzip.compress(b"x"), -1)


def test_a_gzip_file_with_an_empty_first_stream_and_a_long_comment_is_read(tmp_path):
    image = nib.Nifti1Image(np.arange(64 * 64 * 3, dtype=np.int16).reshape(64, 64, 3), np.diag([1.4, 1.4, 8, 1]))
    content = gzip.compress(image.to_bytes())
    extra = content[:3] + bytes([content[3] | 4]) + content[4:10] + (6000).to_bytes(2, "little") + bytes(6000)
    path = tmp_path / "p" / "lge.nii.gz"
    path.parent.mkdir()
    parts = [gzip.compress(image.to_bytes()[:100]), gzip.compress(image.to_bytes()[100:])]
    for whole in (gzip.compress(b"") + content, extra + content[10:], b"".join(parts)):
        path.write_bytes(whole)
        np.testing.assert_array_equal(read_volume(path).array, image.get_fdata())


def test_a_header_is_asked_before_the_rest_of_the_file(tmp_path):
    path = announced(tmp_path / "p" / "cine.nii.gz", (30000, 30000, 30))
    with pytest.raises(DataError, match="header announces") as caught:
        read_volume(path)
    assert "p/cine.nii.gz" in str(caught.value) and "Fix:" in str(caught.value)


def test_the_files_of_a_subject_share_their_memory(cohort, make):
    entry = make.entry(cohort / "p0")
    arrays = {key: nib.load(path).get_fdata().size * 4e-9 for key, path in entry.items() if key != "subject"}
    enough, little = sum(arrays.values()) * 1.01, sum(arrays.values()) * 0.99
    options = {"crop_size": (64, 64), "spacing_mm": 2.0}
    SubjectPreprocessing(**options, memory_gb=enough)(entry)
    with pytest.raises(DataError, match="header announces"):
        SubjectPreprocessing(**options, memory_gb=little)(entry)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", True])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="memory_gb"):
        SubjectPreprocessing(memory_gb=value)
