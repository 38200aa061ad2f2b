"""A patient's name in every text of studies, in folder names and headers: none of it in what training writes."""

import json

import mlflow
import nibabel as nib
import numpy as np
import pytest
from helpers.dicom_canaries import CANARY, TRACES, plant, traces
from helpers.dicom_phantom import files
from helpers.mlflow_server import mlflow_server
from helpers.tiny_inference import run_here
from helpers.tiny_training import train
from nibabel.processing import resample_from_to
from scripts.phantom.dicom.writer import write_dicom_subject
from scripts.phantom.parameters import PhantomParameters
from scripts.phantom.subject import make_subject
from scripts.runtime.provenance import public_config


def add_label(folder, phantom):
    """The phantom's label on the grid of the imported cine, and canaries where a reader may find texts."""
    cine = nib.load(folder / "cine.nii.gz").slicer[..., 0]
    label = resample_from_to(nib.Nifti1Image(phantom.volumes["label"], phantom.affine), cine, order=0)
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj, np.uint8), cine.affine), folder / "label.nii.gz")
    for path in folder.glob("*.nii.gz"):
        image = nib.load(path)
        whole = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        for field in ("descrip", "aux_file", "intent_name"):
            whole.header[field] = CANARY.encode()
        nib.save(whole, path)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"patient_name": CANARY, "vendor": CANARY}))


def imported(number, data, folder):
    """Name of a planted study, imported below ``data`` and made fit for training."""
    phantom = make_subject(number, 3, PhantomParameters(phases=4, slices=5, vendor="siemens"))
    source = write_dicom_subject(phantom, folder / f"dicom {CANARY} {number}")
    plant(source, f"1.2.3.{number}")
    assert len(traces(source)) >= len(files(source))
    known = set(data.iterdir()) if data.is_dir() else set()
    assert run_here("import_study.json", dicom_dir=source, output_dir=data, key_file=folder / "site.key") == 0
    (new,) = (path for path in set(data.iterdir()) - known if path.is_dir() and path.name.startswith("study_"))
    assert traces(new) == []
    add_label(new, phantom)
    return new.name


def write_list(data, **sections):
    """dataset.json of these studies per section, with a key the bundle does not know."""
    sequences = ("cine", "t2_stir", "lge", "label")
    lists = {
        section: [
            {"subject": name, "patient": CANARY, "meta": f"{name}/meta.json"}
            | {sequence: f"{name}/{sequence}.nii.gz" for sequence in sequences}
            for name in names
        ]
        for section, names in sections.items()
    }
    (data / "dataset.json").write_text(json.dumps(lists | {"description": CANARY}))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two folders named after a patient: a study to train on and one to validate with; one more to train on."""
    folder = tmp_path_factory.mktemp("hospital")
    data, extra = folder / "Canaria Vogel" / CANARY, folder / f"more {CANARY}"
    training, validation = imported(1, data, folder), imported(2, data, folder)
    write_list(data, training=[training], validation=[validation], testing=[])
    write_list(extra, training=[imported(3, extra, folder)], validation=[], testing=[])
    return data, extra, validation


@pytest.mark.slow
def test_training_tells_neither_mlflow_nor_its_own_outputs_who_the_patients_are(cohort, tmp_path):
    data, extra, validation = cohort
    assert traces(data) and traces(extra)
    (tmp_path / "server").mkdir()
    output = tmp_path / CANARY
    with mlflow_server(tmp_path / "server") as address:
        # MLflow's own variable wins over tracking_uri, for all of the bundle as for MONAI's handlers
        done = train(data, output, "--epochs", "1", "--mlflow", "true", "--extra_training_dirs", f"['{extra}']",
                     MLFLOW_TRACKING_URI=address)  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        client = mlflow.MlflowClient(address)
        (run,) = client.search_runs([client.get_experiment_by_name("ssdiff_virtual_lge").experiment_id])
        stored = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert {"config.json", "training_log.csv", "panels", "model"} <= stored
    # the search finds what is there: the pseudonym of the validated study is in the name of its panel
    assert [path for path in files(tmp_path / "server") if validation in path.name]
    assert traces(tmp_path / "server") == []
    assert traces(output) == []
    # on screen, MONAI repeats the arguments as they were typed ("INFO - > key: value"), and training its folders and
    # the commands that go on from it; no line says more
    said = [line for line in (done.stdout + done.stderr).splitlines() if " - INFO - > " not in line]
    for typed in (output, extra, data):
        said = [line.replace(str(typed), "") for line in said]
    assert not [line for line in said if any(word in line for word in TRACES)]


@pytest.mark.parametrize("address", ["https://name:secret@mlflow.site.org:5000", "http://mlflow.site.org:5000"])
def test_the_password_in_a_server_s_address_is_in_no_record(address):
    assert public_config({"tracking_uri": address}) == {"tracking_uri": "mlflow.site.org:5000"}
