"""Weights on disk: plain tensors, strict fit, readable refusals; the best epoch is kept."""

import errno
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.bundle_run import BUNDLE
from ignite.engine import Engine, Events
from monai.optimizers import WarmupCosineSchedule
from scripts.conventions import ConfigError, DataError
from scripts.runtime import weights
from scripts.runtime.folder_lock import LOCK_FILE, locked, unlock
from scripts.runtime.weights import WeightsLoader, load_network_weights, load_weights, save_network_weights
from scripts.training.checkpoint import TrainingCheckpoint
from scripts.training.run_log import RunLog
from torch import nn


def network(width: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


def test_weights_are_plain_cpu_tensors_and_come_back_equal(tmp_path):
    save_network_weights(network(), tmp_path / "model.pt")
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(type(v) is torch.Tensor and v.device.type == "cpu" for v in stored.values())
    other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    WeightsLoader(str(tmp_path / "model.pt"), other)(Engine(lambda *_: None))
    assert all(
        torch.equal(a, b) for a, b in zip(other.state_dict().values(), network().state_dict().values(), strict=True)
    )


def test_weights_saved_under_ddp_fit(tmp_path):
    state = {f"module.{k}": v for k, v in network().state_dict().items()}
    other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    load_network_weights(other, state, tmp_path / "model.pt")
    assert torch.equal(other[0].weight, network()[0].weight)


def test_weights_of_another_network_are_refused_with_the_first_five_differences(tmp_path):
    save_network_weights(network(4), tmp_path / "model.pt")
    with pytest.raises(DataError) as caught:
        WeightsLoader(str(tmp_path / "model.pt"), network(3))(Engine(lambda *_: None))
    message = str(caught.value)
    assert "the weights do not fit the network (3 differences)" in message
    assert "0.weight: shape (4, 2) in the file, (3, 2) in the network" in message
    assert "Fix: use the config (network_def) these weights were trained with" in message
    assert len(message.splitlines()) <= 10


def test_missing_damaged_and_pickled_weights_are_refused_in_words(tmp_path):
    with pytest.raises(DataError, match="no such weights file(.|\n)*--ckpt_dir"):
        load_weights(tmp_path / "model.pt")
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(DataError, match="model.pt: (not a readable weights file|damaged)"):
        load_weights(tmp_path / "model.pt")
    torch.save({"a": Path("x")}, tmp_path / "pickled.pt")
    with pytest.raises(DataError, match="holds more than tensors"):
        load_weights(tmp_path / "pickled.pt")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(DataError, match="holds a list, expected a state dict"):
        load_weights(tmp_path / "list.pt")


def run_with_scores(folder, scores, resume="none", epochs=None, batches=1):
    """A trainer whose evaluator reports one score per epoch; a weight holds the epoch."""
    net = nn.Linear(1, 1, bias=False)
    evaluator = Engine(lambda *_: None)
    trainer = Engine(lambda *_: None)

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate():
        nn.init.constant_(net.weight, trainer.state.epoch)
        evaluator.state.epoch = trainer.state.epoch
        evaluator.state.metrics = {"dice": scores[trainer.state.epoch - 1]}

    checkpoint = TrainingCheckpoint(str(folder), {"network": net}, net, evaluator, "dice", resume)
    checkpoint.attach(trainer)
    trainer.run([0] * batches, max_epochs=epochs or len(scores))
    return trainer, checkpoint


def test_model_holds_the_best_epoch_and_a_nan_score_never_wins(tmp_path):
    run_with_scores(tmp_path, [0.2, 0.6, float("nan"), 0.5])
    assert load_weights(tmp_path / "model.pt")["weight"].item() == 2
    assert load_weights(tmp_path / "last.pt")["epoch"] == 4


def test_a_resumed_run_remembers_the_best_score_before_it(tmp_path):
    run_with_scores(tmp_path, [0.2, 0.6, 0.5, 0.55], epochs=2)
    trainer, checkpoint = run_with_scores(tmp_path, [0.2, 0.6, 0.5, 0.55], resume="auto", epochs=4)
    assert trainer.state.epoch == 4
    assert checkpoint.best == {"score": 0.6, "epoch": 2.0}
    assert load_weights(tmp_path / "model.pt")["weight"].item() == 2


def test_a_run_resumed_on_another_number_of_batches_trains_all_its_epochs(tmp_path, caplog):
    """ignite compares iterations with epochs times batches, and would end early without a word."""
    run_with_scores(tmp_path, [0.1] * 5, epochs=3, batches=8)
    trainer, _ = run_with_scores(tmp_path, [0.1] * 5, resume="auto", epochs=5, batches=2)
    assert trainer.state.epoch == 5
    assert "batches per epoch has changed" in caplog.text


def test_a_fresh_run_keeps_an_earlier_run_aside(tmp_path):
    run_with_scores(tmp_path, [0.9])
    run_with_scores(tmp_path, [0.1, 0.2])
    assert load_weights(tmp_path / "last_previous.pt")["epoch"] == 1
    assert load_weights(tmp_path / "model_previous.pt")["weight"].item() == 1
    assert load_weights(tmp_path / "model.pt")["weight"].item() == 2


def test_without_any_score_the_last_average_is_kept_with_a_warning(tmp_path, caplog):
    run_with_scores(tmp_path, [float("nan"), float("nan")])
    assert load_weights(tmp_path / "model.pt")["weight"].item() == 2
    assert "no validation gave a dice" in caplog.text


def test_a_resumed_schedule_takes_its_length_from_the_new_run(tmp_path):
    """The learning rate must not climb again past the end of the old schedule."""

    def schedule(total):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, WarmupCosineSchedule(optimizer, 2, total)

    def run(total, epochs, resume):
        net, trainer, evaluator = nn.Linear(1, 1), Engine(lambda *_: None), Engine(lambda *_: None)
        optimizer, scheduler = schedule(total)
        objects = {"network": net, "lr_scheduler": scheduler}
        rates = []
        TrainingCheckpoint(str(tmp_path), objects, net, evaluator, "dice", resume).attach(trainer)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: (optimizer.step(), scheduler.step()))
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: rates.append(optimizer.param_groups[0]["lr"]))
        trainer.run([0] * 5, max_epochs=epochs)
        return rates

    run(10, 2, "none")
    rates = run(20, 4, "auto")
    optimizer, scheduler = schedule(20)
    expected = []
    for _ in range(20):
        optimizer.step()
        scheduler.step()
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx(expected[10:])


def test_an_unknown_key_metric_is_refused_with_the_known_ones(tmp_path):
    net, evaluator, trainer = nn.Linear(1, 1), Engine(lambda *_: None), Engine(lambda *_: None)
    TrainingCheckpoint(str(tmp_path), {"network": net}, net, evaluator, "auc").attach(trainer)
    evaluator.state.epoch, evaluator.state.metrics = 1, {"dice": 0.1}
    with pytest.raises(ConfigError, match="key_metric_name: found 'auc', expected one of: dice"):
        trainer.run([0], max_epochs=1)


def test_a_checkpoint_of_other_parts_is_refused(tmp_path):
    run_with_scores(tmp_path, [0.9])
    net, trainer = nn.Linear(1, 1, bias=False), Engine(lambda *_: None)
    objects = {"network": net, "optimizer": torch.optim.SGD(net.parameters())}
    TrainingCheckpoint(str(tmp_path), objects, net, Engine(lambda *_: None), "dice", "auto").attach(trainer)
    with pytest.raises(DataError, match="found no state of optimizer"):
        trainer.run([0], max_epochs=2)


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    run_with_scores(tmp_path, [0.9])
    before = (tmp_path / "last.pt").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device(.|\n)*free space"):
        run_with_scores(tmp_path, [0.1, 0.95], resume="auto")
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".part")]


def flipped(content, place, bit):
    """The bytes with one bit the other way about."""
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


@pytest.mark.parametrize("sidecar", [True, False])
def test_a_flipped_bit_in_a_tensor_is_refused_with_and_without_the_hash_beside(tmp_path, sidecar):
    path = tmp_path / "model.pt"
    save_network_weights(network(), path)
    content, hash_file = path.read_bytes(), tmp_path / "model.pt.sha256"
    assert hash_file.read_text() == f"{hashlib.sha256(content).hexdigest()}  model.pt\n"
    if not sidecar:
        hash_file.unlink()
    values = network().state_dict()["0.weight"].numpy().tobytes()
    start = content.index(values)
    for n in range(40):
        path.write_bytes(flipped(content, start + n % len(values), n % 8))
        with pytest.raises(DataError, match="(?s)damaged|Fix: copy"):
            load_weights(path)
    path.write_bytes(content)
    assert len(load_weights(path)) == 4


def test_weights_that_are_not_those_of_the_hash_beside_them_are_refused(tmp_path):
    save_network_weights(network(), tmp_path / "model.pt")
    torch.save(network(4).state_dict(), tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"(?s)found SHA-256 .* expected .*model.pt.sha256.*Fix:") as caught:
        load_weights(tmp_path / "model.pt")
    assert len(str(caught.value).splitlines()) <= 10
    (tmp_path / "model.pt.sha256").unlink()
    assert len(load_weights(tmp_path / "model.pt")) == 4


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_process_that_ends_while_weights_are_replaced_leaves_weights_that_load(tmp_path, monkeypatch, step):
    path, steps = tmp_path / "model.pt", itertools.count(1)
    save_network_weights(network(3), path)

    def ending(write):
        def change(*arguments):
            write(*arguments)
            if next(steps) == step:
                raise KeyboardInterrupt

        return change

    for name in ("write_text", "write_bytes"):
        monkeypatch.setattr(f"scripts.runtime.weights.{name}", ending(getattr(weights, name)))
    with pytest.raises(KeyboardInterrupt):
        save_network_weights(network(4), path)
    assert len(load_weights(path)["0.bias"]) == (3 if step == 1 else 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    broken = network()
    broken[0].bias.data[1] = value
    save_network_weights(broken, tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"1 of 4 tensors hold NaN or infinite numbers, the first 0.bias(?s:.)*Fix:"):
        WeightsLoader(str(tmp_path / "model.pt"), network())(Engine(lambda *_: None))


def test_entries_without_a_name_are_refused(tmp_path):
    torch.save({0: torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(DataError, match="entries without a name.*Fix:"):
        load_weights(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": None}, {"rng": None}, {"best": None}, {"iteration": "3"}, {"epoch": -1}, {"rng": torch.zeros(3)},
        {"network": None}, {"network": {"weight": torch.full((1, 1), float("nan"))}},
    ],
)  # fmt: skip
def test_a_state_to_go_on_from_that_lacks_something_is_refused(tmp_path, change):
    run_with_scores(tmp_path, [0.1, 0.2])
    state = torch.load(tmp_path / "last.pt", weights_only=True) | change
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"last.pt: (?s:.)*Fix:"):
        run_with_scores(tmp_path, [0.1, 0.2, 0.3], resume="auto")


def test_an_earlier_run_that_is_kept_takes_its_hash_along(tmp_path):
    run_with_scores(tmp_path, [0.9])
    run_with_scores(tmp_path, [float("nan")], epochs=1)
    for name in ("model.pt", "model_previous.pt"):
        digest, _, file = (tmp_path / f"{name}.sha256").read_text().strip().partition("  ")
        assert file == name and digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def another_process(code):
    """Exit code and errors of a piece of Python in bundle/."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=BUNDLE, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_second_training_into_a_folder_is_refused_while_the_first_one_runs(tmp_path):
    code = "import pathlib; from scripts.runtime.folder_lock import locked; "
    code += f"locked(pathlib.Path({str(tmp_path)!r}), 'ckpt_dir')"
    assert another_process(code)[0] == 0
    lock = locked(tmp_path, "ckpt_dir")
    status, said = another_process(code)
    assert status == 1 and "another run is writing into this folder" in said and "Fix: " in said
    unlock(lock)
    assert another_process(code)[0] == 0


def test_a_lock_ends_with_the_process_that_was_killed(tmp_path):
    code = "import os, pathlib; from scripts.runtime.folder_lock import locked; "
    code += f"lock = locked(pathlib.Path({str(tmp_path)!r}), 'ckpt_dir'); os.kill(os.getpid(), 9)"
    assert another_process(code)[0] == -9
    unlock(locked(tmp_path, "ckpt_dir"))
    assert list(tmp_path.iterdir()) == []


def test_a_training_locks_both_of_its_folders_and_leaves_no_trace(tmp_path):
    seen = []
    net, evaluator, trainer = nn.Linear(1, 1), Engine(lambda *_: None), Engine(lambda *_: None)
    evaluator.state.epoch, evaluator.state.metrics = 1, {"dice": 0.5}
    checkpoint = TrainingCheckpoint(str(tmp_path / "c"), {}, net, evaluator, "dice", output_dir=str(tmp_path / "o"))
    checkpoint.attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: seen.extend(tmp_path.rglob(LOCK_FILE)))
    trainer.run([0], max_epochs=1)
    assert {path.parent.name for path in seen} == {"c", "o"} and not list(tmp_path.rglob(LOCK_FILE))


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0, 3.0], torch.zeros(3, dtype=torch.int32), torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3).to_sparse(), torch.full((3,), 1e300, dtype=torch.float64),
    ],
)  # fmt: skip
def test_what_is_no_plain_tensor_of_numbers_is_refused(tmp_path, value):
    torch.save(network().state_dict() | {"0.bias": value}, tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"0.bias(?s:.)*Fix:"):
        load_network_weights(network(), load_weights(tmp_path / "model.pt"), tmp_path / "model.pt")


def test_a_file_of_an_old_format_without_checksums_is_refused(tmp_path):
    torch.save(network().state_dict(), tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="not a readable weights file.*Fix:"):
        load_weights(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "text", ["{0}\n", "{0}  model.pt\n", "{1} *model.pt\r\n", "\ufeff{1}  model.pt", "\n{0}  model.pt\n\n"]
)
def test_hashes_are_read_as_other_programs_write_them(tmp_path, text):
    save_network_weights(network(), tmp_path / "model.pt")
    digest = hashlib.sha256((tmp_path / "model.pt").read_bytes()).hexdigest()
    (tmp_path / "model.pt.sha256").write_text(text.format(digest, digest.upper()), encoding="utf-8")
    assert len(load_weights(tmp_path / "model.pt")) == 4
    for wrong in ("", f"{digest}  other.pt\n"):
        (tmp_path / "model.pt.sha256").write_text(wrong)
        with pytest.raises(DataError, match="expected none by model.pt.sha256"):
            load_weights(tmp_path / "model.pt")


def test_weights_without_a_hash_leave_none_behind_when_they_are_moved(tmp_path):
    for name in ("a.pt", "b.pt"):
        save_network_weights(network(), tmp_path / name)
    (tmp_path / "a.pt.sha256").unlink()
    torch.save(network(5).state_dict(), tmp_path / "a.pt")
    weights.move_weights(tmp_path / "a.pt", tmp_path / "b.pt")
    assert len(load_weights(tmp_path / "b.pt")["0.bias"]) == 5 and not (tmp_path / "b.pt.sha256").exists()


def test_a_state_without_the_log_of_a_run_can_still_be_gone_on_from(tmp_path):
    run_with_scores(tmp_path, [0.1])
    log = RunLog(str(tmp_path), SimpleNamespace(terms={}), None, None)
    checkpoint = TrainingCheckpoint(
        str(tmp_path), {"network": nn.Linear(1, 1, bias=False)}, nn.Linear(1, 1), None, "", "auto", log
    )
    engine = Engine(lambda *_: None)
    engine.state.epoch_length = 1
    checkpoint.restore(engine)
    assert engine.state.epoch == 1
