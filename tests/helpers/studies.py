"""A study as DICOM and small weights for the jobs that take it in."""

import pytest
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject

from helpers.tiny_inference import tiny_weights


@pytest.fixture(scope="session")
def phantom():
    return make_subject(1, 3, PhantomParameters(phases=5, slices=5, vendor="siemens"))


@pytest.fixture(scope="session")
def study_folder(phantom, tmp_path_factory):
    return write_dicom_subject(phantom, tmp_path_factory.mktemp("dicom"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))
