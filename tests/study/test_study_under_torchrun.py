"""A folder of studies in two processes: imported once, inferred in shares, and every failure in one report."""

import json
import shutil

import pydicom
import pytest
from helpers.bundle_run import run_bundle
from helpers.dicom_phantom import DESCRIPTIONS, files
from helpers.study_jobs import IMPORT, another_patient, failed_cases, only_folder, run, summary
from helpers.tiny_inference import TINY, flags

pytestmark = pytest.mark.slow

CONFIG = "['configs/inference.json','configs/study.json','configs/multi_gpu_inference.json']"


@pytest.fixture(scope="module")
def three_studies(study_folder, tmp_path_factory):
    """Two good ones and one without a cine."""
    folder = tmp_path_factory.mktemp("three")
    shutil.copytree(study_folder, folder / "first")
    another_patient(study_folder, folder / "second")
    for path in files(another_patient(study_folder, folder / "third")):
        image = pydicom.dcmread(path)
        if image.SeriesDescription == DESCRIPTIONS["siemens"][0]:
            path.unlink()
    return folder


def test_what_fails_before_and_after_the_processes_gather_is_in_the_report(
    study_folder, three_studies, weights, tmp_path
):
    assert run(IMPORT, study_folder, tmp_path / "alone", tmp_path) == 0
    first = only_folder(tmp_path / "alone").name
    foreign = tmp_path / f"out/{first}/dicom/virtual_lge/notes.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("a reader's own file, so that the export of this study is refused")
    tiny = {key: value for key, value in TINY.items() if key != "device"}
    settings = flags(
        dicom_dir=three_studies, output_dir=tmp_path / "out", ckpt_dir=weights, key_file=tmp_path / "site.key", **tiny
    )
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = run_bundle("--config_file", CONFIG, *settings, launcher=launcher, CUDA_VISIBLE_DEVICES="")
    assert done.returncode != 0 and "exitcode  : 2" in done.stderr, done.stderr[-3000:]
    rows = {row["stage"]: row for row in failed_cases(tmp_path / "out")}
    assert set(rows) == {"import", "DICOM export"}
    assert "cine" in rows["import"]["reason"] and rows["DICOM export"]["subject"] == first
    assert foreign.read_text().startswith("a reader's own")
    subjects = json.loads((tmp_path / "out/run.json").read_text())["subjects"]
    assert subjects == {"written": 2, "written_earlier": 0, "failed": 2}
    written = [row["subject"] for row in summary(tmp_path / "out") if row["status"] == "written"]
    (second,) = set(written) - {first}
    assert (tmp_path / f"out/{second}/dicom/label_seg.dcm").is_file()
    assert done.stdout.count("2 studies imported") == 1
