"""A real PACS in the loop: the study goes to Orthanc, comes back, is inferred, and its results are found there."""

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest
from helpers.dicom_phantom import files, stacks_in
from helpers.pacs import orthanc
from helpers.programs import needs
from helpers.study_jobs import INFER
from helpers.tiny_inference import run_here, tiny_weights
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject

pytestmark = [pytest.mark.slow, needs("Orthanc")]


def test_a_study_from_the_pacs_has_its_results_on_the_pacs_under_the_same_study(tmp_path):
    sent = write_dicom_subject(
        make_subject(1, 3, PhantomParameters(phases=4, slices=4, vendor="ge"), views=True), tmp_path / "scanner"
    )
    source = pydicom.dcmread(files(sent)[0])
    study, patient = source.StudyInstanceUID, source.PatientID
    with orthanc(tmp_path) as pacs:
        count = pacs.send(sent)
        (answer,) = pacs.find("STUDY", PatientID=patient, StudyInstanceUID="")
        assert answer.StudyInstanceUID == study
        assert pacs.pull(study, {source.SOPClassUID}, tmp_path / "pulled") == count == len(files(sent))

        out = tmp_path / "out"
        code = run_here(
            *INFER, dicom_dir=tmp_path / "pulled", output_dir=out,
            ckpt_dir=tiny_weights(tmp_path), key_file=tmp_path / "site.key", subject="p1",
        )  # fmt: skip
        assert code == 0
        assert pacs.send(out / "p1/dicom") == 4 + 2

        series = pacs.find("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="", SeriesDescription="")
        ours = {one.Modality: one for one in series if "research use only" in one.get("SeriesDescription", "")}
        assert set(ours) == {"MR", "SEG", "SR"}
        assert "VIRTUAL LGE - not acquired" in ours["MR"].SeriesDescription
        images = pacs.find(
            "IMAGE", StudyInstanceUID=study, SeriesInstanceUID=ours["MR"].SeriesInstanceUID, SOPInstanceUID=""
        )
        assert len(images) == 4

        # what a viewer would get back is what was written as NIfTI
        classes = {pydicom.dcmread(path).SOPClassUID for path in files(out / "p1/dicom")}
        pacs.pull(study, classes | {source.SOPClassUID}, tmp_path / "again")
        for path in files(tmp_path / "again"):
            if pydicom.dcmread(path).SeriesInstanceUID != ours["MR"].SeriesInstanceUID:
                path.unlink()
        ((voxels, affine),) = stacks_in(tmp_path / "again").values()
        lge = nib.load(out / "p1/p1_virtual_lge.nii.gz")
        np.testing.assert_allclose(affine, lge.affine, atol=1e-3)
        assert np.abs(voxels[..., 0] / 65535 - np.asarray(lge.dataobj)).max() < 1e-3
    assert json.loads((out / "run.json").read_text())["slices"] == 4
