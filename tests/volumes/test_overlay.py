"""A result lies where its cine lies in programs that read headers by ITK's rules, and keeps what nibabel reads."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from scripts.volumes.nifti_writing import nifti_bytes
from scripts.volumes.reading import read_volume

SHAPE, SIZE = (40, 36, 3), (1.4, 1.4, 8.0)


def corners(path):
    """Physical points (8, 3) of the outer voxels as ITK gives them, LPS mm."""
    import itk

    header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
    header.SetFileName(str(path))
    header.ReadImageInformation()
    axes = range(3)
    turn = np.array([list(header.GetDirection(axis))[:3] for axis in axes]).T
    step = np.array([header.GetSpacing(axis) for axis in axes])
    last = np.array([header.GetDimensions(axis) for axis in axes]) - 1
    voxels = np.array(list(itertools.product((0, 1), repeat=3))) * last
    return np.array([header.GetOrigin(axis) for axis in axes]) + (voxels * step) @ turn.T


def cine_file(path, matrix, forms, order=(0, 1, 2)):
    """A cine whose header has the s-form and q-form of ``forms``, {name: (matrix, code)}; pixdim is true."""
    array = np.random.default_rng(0).normal(size=(*SHAPE, 2)).astype(np.float32).transpose(*order, 3)
    image = nib.Nifti1Image(np.ascontiguousarray(array), None)
    size = np.linalg.norm(matrix[:3, :3], axis=0)
    image.set_qform(*forms.get("qform", (matrix, 0)))
    image.set_sform(*forms.get("sform", (matrix, 0)))
    header = image.header.copy()
    header["pixdim"][1:4] = size
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image.dataobj, None, header), path)
    return path


def _cases(true, slices=2):
    unit, sheared, moved = true.copy(), true.copy(), true.copy()
    unit[:3, :3] /= np.linalg.norm(true[:3, :3], axis=0)
    sheared[:3, slices] += true[:3, slices - 1] / 1.4
    moved[:3, 3] += 15
    return {
        "both forms": {"sform": (true, 1), "qform": (true, 1)},
        "no code": {},
        "q-form": {"qform": (true, 1)},
        "s-form": {"sform": (true, 1)},
        "sheared s-form": {"sform": (sheared, 1), "qform": (true, 1)},
        "unit s-form": {"sform": (unit, 2)},
        "unit s-form, q-form": {"sform": (unit, 2), "qform": (true, 1)},
        "two places": {"sform": (true, 2), "qform": (moved, 1)},
        "template space": {"sform": (true, 4), "qform": (true, 3)},
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", _cases(np.eye(4)))
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_result_and_cine_overlay(tmp_path, make, case, order):
    matrix = make.affine(SHAPE, SIZE)[:, [*order, 3]]
    forms = _cases(matrix, order.index(2))[case]
    path = cine_file(tmp_path / "p/cine.nii", matrix, forms, order)
    volume = read_volume(path, phases=True)
    assert volume.array.shape[2:] == (3, 2)
    grid = volume.file_grid
    content = nifti_bytes(grid.array(volume.array[..., 0]), grid.affine(volume.grid.affine), grid.header)
    (tmp_path / "p/result.nii.gz").write_bytes(content)
    np.testing.assert_allclose(corners(tmp_path / "p/result.nii.gz"), corners(path), atol=1e-3)
    cine, result = nib.load(path), nib.load(tmp_path / "p/result.nii.gz")
    np.testing.assert_allclose(result.affine, cine.affine, atol=1e-5)
    assert result.shape == cine.shape[:3] and nib.aff2axcodes(result.affine) == nib.aff2axcodes(cine.affine)
    for name in ("sform_code", "qform_code"):
        assert result.header[name] == cine.header[name]
    np.testing.assert_allclose(np.asarray(result.dataobj), np.asarray(cine.dataobj)[..., 0], rtol=1e-6)


def test_a_header_that_differs_by_rounding_gives_the_same_bytes(tmp_path, make):
    matrix = make.affine(SHAPE, SIZE)
    path = make.write(tmp_path / "p/cine.nii", np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), matrix)
    volume = read_volume(path)
    label = np.ones(SHAPE, np.uint8)
    header = {**volume.file_grid.header, "quatern_b": np.nextafter(volume.file_grid.header["quatern_b"], 1)}
    assert nifti_bytes(label, volume.grid.affine, header) == nifti_bytes(label, volume.grid.affine)
