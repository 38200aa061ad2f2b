"""The label map as DICOM SEG: read back on the same voxels, every class described, nothing flipped."""

import highdicom
import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import stack
from helpers.dicom_study import cine_headers
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from scripts.conventions import LABEL_NAMES, DataError
from scripts.dicom.export_results import Results, export_results
from scripts.dicom.geometry import affine_from_stack
from scripts.dicom.segmentation import SEGMENTS, segment_numbers

SHAPE = (9, 7, 4)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
REASON = {"not_measurable": "not of interest here"}
RESULT = {
    "infarct_percent_lv": REASON,
    "structures": {
        name: {"volume": REASON, "mass": REASON}
        for name in ("lv_blood_pool", "lv_myocardium", "viable_myocardium", "infarct")
    },
}


def written(folder, label, geometry="oblique"):
    affine = affine_from_stack(stack(geometry))
    paths = export_results(
        Results(np.zeros(SHAPE, np.float32), label, affine, RESULT), cine_headers(SHAPE, geometry), folder
    )
    return highdicom.seg.segread(paths[-2])


def random_label(codes_present=(0, 1, 2, 3)):
    return np.random.default_rng(1).choice(codes_present, SHAPE).astype(np.uint8)


def codes_of(segmentation):
    """Segment number -> label code, through the segment's label."""
    titles = {segment.title: code for code, segment in SEGMENTS.items()}
    return {item.SegmentNumber: titles[item.SegmentLabel] for item in segmentation.SegmentSequence}


@pytest.mark.slow
@pytest.mark.parametrize("geometry", ["axial", "oblique", "reversed"])
def test_each_voxel_is_read_back_at_its_place_in_space(tmp_path, geometry):
    label = random_label()
    segmentation = written(tmp_path, label, geometry)
    volume = segmentation.get_volume(combine_segments=True)
    # highdicom's array is (slice, row, column) with an affine into LPS: both sides are compared in RAS mm.
    ours, theirs = affine_from_stack(stack(geometry)), LPS_TO_RAS @ volume.affine
    found = 0
    for voxel in np.ndindex(volume.array.shape):
        place = np.linalg.solve(ours, theirs @ np.array([*voxel, 1.0]))[:3]
        index = tuple(np.rint(place).astype(int))
        np.testing.assert_allclose(place, index, atol=1e-3)
        assert codes_of(segmentation).get(volume.array[voxel], 0) == label[index]
        found += 1
    assert found == label.size


@pytest.mark.parametrize("geometry", ["axial", "reversed"])
def test_frames_read_without_highdicom_lie_where_their_own_position_says(tmp_path, geometry):
    label, place = random_label(), stack(geometry)
    written(tmp_path, label, geometry)
    plain = pydicom.dcmread(tmp_path / "label_seg.dcm")
    for frame, group in zip(plain.pixel_array, plain.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        along = (position - place.position_mm) @ place.slice_step_mm / (place.slice_step_mm @ place.slice_step_mm)
        code = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_array_equal(frame.T == 1, label[:, :, round(along)] == code)


def test_the_networks_classes_are_described_without_a_voxel_and_further_ones_only_where_present(tmp_path):
    label = np.zeros(SHAPE, np.uint8)
    label[4, 3, 2] = 2
    segmentation = written(tmp_path / "a", label)
    assert list(codes_of(segmentation).values()) == [1, 2, 3]
    assert segmentation.NumberOfFrames == 1
    assert int(segmentation.get_volume(combine_segments=True).array.sum()) == 2
    further = written(tmp_path / "b", random_label((0, 1, 2, 4, 6)))
    assert codes_of(further) == {1: 1, 2: 2, 3: 3, 4: 4, 5: 6}


def test_a_label_map_without_any_structure_is_written_and_read_as_empty(tmp_path):
    segmentation = written(tmp_path, np.zeros(SHAPE, np.uint8))
    assert list(codes_of(segmentation).values()) == [1, 2, 3]
    assert not segmentation.pixel_array.any()


def test_all_six_classes_keep_their_voxels(tmp_path):
    label = random_label(range(7))
    segmentation = written(tmp_path, label)
    counts = {code: 0 for code in SEGMENTS}
    frames = zip(segmentation.pixel_array, segmentation.PerFrameFunctionalGroupsSequence, strict=True)
    for frame, group in frames:
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        counts[codes_of(segmentation)[number]] += int(frame.sum())
    assert counts == {code: int((label == code).sum()) for code in SEGMENTS}


def test_every_disk_code_has_a_segment_and_its_codes_are_in_pydicoms_dictionaries_unless_private():
    assert list(SEGMENTS) == list(range(1, len(LABEL_NAMES)))
    known = {
        "22298006": codes.cid3121.MyocardialInfarction,
        "49848007": codes.cid12305.LeftVentricleMyocardium,
        "87612001": codes.cid7151.Blood,
        "79654002": codes.SCT.Edema,
    }
    kinds = {code: segment.kind for code, segment in SEGMENTS.items()}
    assert {kind.value: kind for kind in kinds.values() if kind.scheme_designator == "SCT"} == known
    assert [code for code, kind in kinds.items() if kind.scheme_designator != "SCT"] == [4]
    assert {segment.category for segment in SEGMENTS.values()} <= {
        *(codes.cid7150.AnatomicalStructure, codes.cid7150.BodySubstance),
        codes.cid7150.MorphologicallyAbnormalStructure,
    }
    assert len({segment.rgb for segment in SEGMENTS.values()}) == len(SEGMENTS)


def test_the_seg_names_algorithm_sources_and_purpose(tmp_path):
    segmentation = written(tmp_path, random_label())
    images = [pydicom.dcmread(path) for path in sorted((tmp_path / "virtual_lge").iterdir())]
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.SyntheticData == "YES"
    assert "synthetic" in segmentation.SeriesDescription and "research use only" in segmentation.SeriesDescription
    for item in segmentation.SegmentSequence:
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = item.SegmentationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
        assert "RecommendedDisplayCIELabValue" in item
    referenced = {
        instance.ReferencedSOPInstanceUID
        for series in segmentation.ReferencedSeriesSequence
        for instance in series.ReferencedInstanceSequence
    }
    assert referenced == {image.SOPInstanceUID for image in images} | {f"2.25.10{k}" for k in range(SHAPE[2])}


def test_an_unknown_code_is_refused():
    with pytest.raises(DataError, match=r"found codes \[7\], expected 0\.\.6 .*Fix:"):
        segment_numbers(np.array([[[1, 7]]], dtype=np.uint8))


def test_the_private_code_is_explained(tmp_path):
    segmentation = written(tmp_path, random_label((1, 4)))
    item = segmentation.SegmentSequence[3].SegmentedPropertyTypeCodeSequence[0]
    assert Code(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == SEGMENTS[4].kind
    schemes = [one.CodingSchemeDesignator for one in segmentation.CodingSchemeIdentificationSequence]
    assert schemes == [SEGMENTS[4].kind.scheme_designator]
