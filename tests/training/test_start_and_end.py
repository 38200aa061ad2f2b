"""What a training says of its weights at its start and its end."""

import logging

from helpers.bundle_run import BUNDLE
from ignite.engine import Engine
from scripts.training.start_and_end import StartAndEnd


def said(handler, caplog, resumed_after=0):
    engine = Engine(lambda engine, batch: None)
    if resumed_after:
        engine.load_state_dict({"epoch": resumed_after, "epoch_length": 2, "max_epochs": 3})
    handler.attach(engine)
    with caplog.at_level(logging.INFO):
        engine.run(range(2), **({} if resumed_after else {"max_epochs": 3}))
    return caplog.text


def test_new_weights_are_called_new_and_the_end_names_file_and_commands(tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(BUNDLE)
    text = said(StartAndEnd(tmp_path / "c", tmp_path, {"config_file": "configs/train.json"}), caplog)
    assert "new weights" in text and str(tmp_path / "c" / "model.pt") in text
    assert "configs/evaluate.json" in text and "configs/inference.json" in text


def test_weights_that_were_given_are_named_and_no_command_is_guessed_from_python(tmp_path, caplog):
    text = said(StartAndEnd(tmp_path, tmp_path, {}, start_from="mine/model.pt"), caplog)
    assert "mine/model.pt" in text and "new weights" not in text and "monai.bundle" not in text


def test_a_resumed_run_counts_what_is_left(tmp_path, caplog):
    text = said(StartAndEnd(tmp_path, tmp_path, {}), caplog, resumed_after=1)
    assert "2 epochs of 2 batches" in text and "new weights" not in text
