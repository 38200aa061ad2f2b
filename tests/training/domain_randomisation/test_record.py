"""augmentation.jsonl: a line per slice trained on; a new run begins anew, a resumed one goes on."""

import json

import pytest
import torch
from ignite.engine import Engine
from scripts.conventions import ConfigError
from scripts.training.domain_randomisation.randomisation import RECORD
from scripts.training.domain_randomisation.record import AugmentationRecord

BATCH = {"subject": ["a", "b"], "slice": torch.tensor([3, 0]), RECORD: ['{"geometry": {}}', '{"lung_offset": {}}']}


def run(folder, epochs=2, resumed_from=0, batch=BATCH, **options):
    engine = Engine(lambda engine, batch: None)
    record = AugmentationRecord(str(folder), **options)
    record.attach(engine)
    if resumed_from:
        engine.load_state_dict({"epoch_length": 1, "max_epochs": epochs, "epoch": resumed_from})
    engine.run([batch], max_epochs=epochs)
    return [json.loads(line) for line in record.path.read_text().splitlines()] if record.path.exists() else None


def test_every_slice_has_a_line(tmp_path):
    lines = run(tmp_path / "new")
    assert [(line["epoch"], line["subject"], line["slice"]) for line in lines] == [
        (1, "a", 3), (1, "b", 0), (2, "a", 3), (2, "b", 0)
    ]  # fmt: skip
    assert lines[1]["changes"] == {"lung_offset": {}}
    assert len(run(tmp_path / "new")) == 4
    assert len(run(tmp_path / "new", epochs=3, resumed_from=2)) == 6


def test_a_run_that_goes_on_after_an_interruption_has_no_step_twice(tmp_path):
    """As where epoch 3 was cut off in its second line, and is trained again from the checkpoint of epoch 2."""
    run(tmp_path)
    with (tmp_path / "augmentation.jsonl").open("a") as file:
        file.write('{"epoch": 3, "subject": "a", "slice": 3, "changes": {}}\n{"epoch": 3, "subj')
    lines = run(tmp_path, epochs=3, resumed_from=2)
    assert [line["epoch"] for line in lines] == [1, 1, 2, 2, 3, 3] and lines[4]["changes"]
    assert [path.name for path in tmp_path.iterdir()] == ["augmentation.jsonl"]


def test_a_line_says_which_phase_was_shown_with_whose_references(tmp_path):
    drawn = {"shown_phase": ["end_diastole", "lge"], "shown_reference": ["lge", "lge"]}
    first, second = run(tmp_path, epochs=1, batch=BATCH | drawn)
    assert (first["shown_phase"], first["shown_reference"], second["shown_phase"]) == ("end_diastole", "lge", "lge")


def test_a_record_of_slices_that_nothing_changes_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="record_augmentation: found true, and slices without 'augmentation'"):
        run(tmp_path, batch={key: BATCH[key] for key in ("subject", "slice")})


def test_nothing_is_written_unless_asked(tmp_path):
    assert run(tmp_path / "off", enabled="false") is None and not (tmp_path / "off").exists()
    with pytest.raises(ConfigError, match="record_augmentation"):
        AugmentationRecord(str(tmp_path), enabled="perhaps")
