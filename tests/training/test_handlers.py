"""Small training handlers: batch preparation, reseeding, clipping, NaN stop, validation metrics."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from monai.engines.utils import IterationEvents
from scripts.clinical.agreement import dice, infarct_size_error
from scripts.conventions import ConfigError, SSDiffError
from scripts.diffusion.prepare_batch import SubjectBatch, TrainingBatch
from scripts.diffusion.process import JointProcess
from scripts.runtime.distributed import OnceOnRankZero
from scripts.training.metrics import SubjectMeasure, additional_metrics, slices_as_batch
from scripts.training.optimisation import AveragedWeights, GradientClipping, StopOnNan
from scripts.training.run_log import RunLog
from scripts.training.seeding import EpochSeeder

CPU = torch.device("cpu")


def batch(size: int = 200) -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.rand(size, 4, 4, 4, generator=generator),
        "lge": torch.rand(size, 1, 4, 4, generator=generator),
        "label": torch.randint(0, 4, (size, 1, 4, 4), generator=generator),
        "available": torch.ones(size, 2),
        "vendor": torch.full((size,), 3),
        "subject": ["a"] * size,
    }


def test_training_batch_hides_sequences_and_vendors_at_the_given_rates():
    prepare = TrainingBatch(JointProcess(), sequence_dropout=0.1, vendor_dropout=0.5)
    prepare.seed(0)
    _, _, _, arguments = prepare(batch(), CPU)
    assert 0.03 < 1 - arguments["available"].mean() < 0.2
    assert set(arguments["vendor"].tolist()) == {0, 3}
    assert 0.35 < (arguments["vendor"] == 0).float().mean() < 0.65


def test_training_batch_noises_the_clean_state_to_its_timestep():
    process = JointProcess()
    prepare = TrainingBatch(process, motion_dropout=0.0)
    prepare.seed(1)
    image, targets, _, arguments = prepare(batch(), CPU)
    assert torch.equal(targets["state"], process.clean_state(batch()["lge"], batch()["label"]))
    signal, spread = process.signal_and_noise(arguments["timesteps"])
    noise = (arguments["state"] - signal * targets["state"]) / spread
    assert abs(noise.mean()) < 0.05
    assert abs(noise.std() - 1) < 0.05
    assert torch.equal(image, batch()["image"])


def test_two_draws_show_every_slice_at_full_noise_and_at_less():
    process = JointProcess(full_noise_share=0.5)
    prepare = TrainingBatch(process, sequence_dropout=0.0, motion_dropout=0.0, draws=2)
    prepare.seed(1)
    data = batch(8)
    image, targets, _, arguments = prepare(data, CPU)
    partial, full = arguments["timesteps"].chunk(2)
    assert (full == 999).all() and (partial < 999).all() and partial.max() > 500 > partial.min()
    for name, found in (("image", image), ("lge", targets["lge"]), ("label", targets["label"])):
        first, second = found.chunk(2)
        assert torch.equal(first, data[name]) and torch.equal(second, data[name])
    assert len(arguments["state"]) == len(arguments["vendor"]) == len(arguments["available"]) == 16
    noises = targets["noise"].chunk(2)
    assert not torch.equal(*noises)


@pytest.mark.parametrize("draws", [1, 2])
def test_speed_counts_slices_however_often_each_is_drawn(tmp_path, draws):
    log = RunLog(str(tmp_path), SimpleNamespace(terms={"mask_ce": 0.5}), optimizer=None, evaluator=None)
    engine = Engine(lambda *_: [{"loss": torch.tensor(2.0)}] * (4 * draws))
    log.attach(engine)
    seen = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: seen.append((log.images, dict(log.sums))))
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: engine.terminate())
    engine.run([[{}] * 4])
    assert seen == [(4, {"loss": 8.0, "mask_ce": 2.0})]


@pytest.mark.parametrize("draws", [0, 1.5, "2"])
def test_an_impossible_number_of_draws_is_named(draws):
    with pytest.raises(ConfigError, match=f"draws: found {draws!r}"):
        TrainingBatch(JointProcess(), draws=draws)


def test_training_batch_draws_the_same_again_after_reseeding():
    prepare, draws = TrainingBatch(JointProcess()), []
    for _ in range(2):
        prepare.seed(4)
        draws.append(prepare(batch(), CPU)[3])
    assert all(torch.equal(draws[0][k], draws[1][k]) for k in draws[0])


def test_a_sequence_that_was_not_acquired_stays_missing():
    data = batch()
    data["available"][:, 1] = 0
    prepare = TrainingBatch(JointProcess(), sequence_dropout=0.0)
    prepare.seed(0)
    assert (prepare(data, CPU)[3]["available"] == torch.tensor([1.0, 0.0])).all()


def test_motion_is_hidden_at_its_rate_and_only_motion():
    prepare = TrainingBatch(JointProcess(), motion_dropout=0.3)
    prepare.seed(0)
    data = batch()
    image, targets, _, _ = prepare(data, CPU)
    still = ~image[:, 2:].flatten(1).any(dim=1)
    assert 0.2 < still.float().mean() < 0.4
    assert torch.equal(image[:, :2], data["image"][:, :2]) and torch.equal(image[~still], data["image"][~still])
    assert torch.equal(targets["image"], image) and torch.equal(data["image"], batch()["image"])


def test_a_hidden_sequence_is_never_shown_in_training_or_evaluation():
    prepare = TrainingBatch(JointProcess(), sequence_dropout=0.0, hidden=["t2_stir"])
    prepare.seed(0)
    assert (prepare(batch(), CPU)[3]["available"] == torch.tensor([1.0, 0.0])).all()
    subject = batch(1) | {"available_slices": torch.ones(1, 2, 5)}
    shown = SubjectBatch(hidden=["cine"])(subject, CPU)[3]["available"]
    assert shown.shape == (1, 2, 5) and not shown[:, 0].any() and shown[:, 1].all()


def test_a_network_may_be_given_the_lge_in_place_of_the_sequences():
    data = batch()
    prepare = TrainingBatch(JointProcess(), image_key="lge")
    prepare.seed(0)
    image, _, _, arguments = prepare(data, CPU)
    assert torch.equal(image, data["lge"]) and arguments["available"].shape == (200, 1)
    image, _, _, arguments = SubjectBatch(image_key="lge")(batch(1), CPU)
    assert torch.equal(image, batch(1)["lge"]) and arguments["available"].tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hidden": ["t1"]}, "hidden: found t1"), ({"image_key": "label"}, "image_key: found 'label'")],
)
def test_unknown_sequences_and_keys_are_refused(options, message):
    for kind in (lambda **o: TrainingBatch(JointProcess(), **o), SubjectBatch):
        with pytest.raises(ConfigError, match=message):
            kind(**options)


def test_subject_batch_passes_a_subject_without_reference():
    data = {k: v for k, v in batch(1).items() if k not in ("lge", "label")}
    image, label, _, arguments = SubjectBatch()(data, CPU)
    assert label is None
    assert torch.equal(image, data["image"])
    assert arguments["subject"] == ["a"]


class Recorder:
    """A dataset that remembers its epochs."""

    def __init__(self):
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


def draws_per_epoch(seed: int, first: int = 0) -> list[tuple]:
    dataset, prepare, drawn = Recorder(), TrainingBatch(JointProcess()), []
    engine = Engine(
        lambda *_: drawn.append(
            (torch.rand(1).item(), np.random.rand(), torch.rand(1, generator=prepare.generator).item())
        )
    )
    EpochSeeder(seed, prepare, dataset).attach(engine)
    engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", first))
    engine.run([0], max_epochs=3)
    assert dataset.epochs == list(range(first + 1, 4))
    return drawn


def test_random_state_follows_from_seed_and_epoch_alone():
    whole = draws_per_epoch(7)
    assert len(set(whole)) == 3
    assert draws_per_epoch(7, first=1) == whole[1:]
    assert draws_per_epoch(8)[0] != whole[0]


def as_process(monkeypatch, rank):
    """What torchrun makes of this process."""
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: rank)


def test_processes_share_the_shuffle_but_not_the_noise(monkeypatch):
    first = draws_per_epoch(7)
    as_process(monkeypatch, 1)
    second = draws_per_epoch(7)
    assert [d[:2] for d in first] == [d[:2] for d in second]
    assert all(a[2] != b[2] for a, b in zip(first, second, strict=True))


def test_gradients_are_clipped_to_the_norm_before_the_step():
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.full((4,), 10.0)
    engine = Engine(lambda e, _: e.fire_event(IterationEvents.BACKWARD_COMPLETED))
    engine.register_events(*IterationEvents)
    GradientClipping([parameter], 1.0).attach(engine)
    engine.run([0])
    assert parameter.grad.norm() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_what_to_do(value):
    engine = Engine(lambda *_: [{"loss": torch.tensor(value)}])
    StopOnNan().attach(engine)
    with pytest.raises(SSDiffError, match=f"the loss became {value} in epoch 1.(.|\n)*smaller --learning_rate"):
        engine.run([0, 0], max_epochs=2)


def test_a_finite_loss_does_not_stop():
    engine = Engine(lambda *_: [{"loss": torch.tensor(1.0)}])
    StopOnNan().attach(engine)
    assert engine.run([0, 0], max_epochs=2).iteration == 4


def test_output_transforms_give_slices():
    item = {"a": torch.arange(12.0).reshape(1, 2, 2, 3), "b": torch.zeros(1, 2, 2, 3)}
    first, second = slices_as_batch("a", "b")([item])
    assert first.shape == second.shape == (3, 1, 2, 2)
    assert torch.equal(first[1, 0], item["a"][0, ..., 1])


def label(infarct: int, viable: int) -> torch.Tensor:
    values = [3] * infarct + [2] * viable + [0] * (100 - infarct - viable)
    return torch.tensor(values).reshape(1, 10, 10, 1)


def test_subject_measures_average_over_measurable_subjects_only():
    metric = SubjectMeasure(infarct_size_error)
    metric(y_pred=[label(10, 40)], y=[label(5, 45)])
    metric(y_pred=[label(0, 0)], y=[label(5, 45)])
    metric(y_pred=[label(0, 50)], y=[label(10, 40)])
    assert float(metric.aggregate()) == pytest.approx((10 + 20) / 2)


def test_an_infarct_found_in_a_healthy_subject_counts_against_the_dice():
    metric = SubjectMeasure(dice, ["infarct"])
    metric(y_pred=[label(10, 40)], y=[label(10, 40)])
    metric(y_pred=[label(10, 40)], y=[label(0, 50)])
    metric(y_pred=[label(0, 50)], y=[label(0, 50)])
    assert float(metric.aggregate()) == pytest.approx(0.5)


def test_a_subject_s_availability_per_slice_reaches_the_sampler():
    data = batch(1) | {"available_slices": torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])}
    assert torch.equal(SubjectBatch()(data, CPU)[3]["available"], data["available_slices"])


def test_an_action_for_one_process_runs_once_without_a_distributed_run():
    calls = []
    OnceOnRankZero(SimpleNamespace(run=lambda: calls.append(1))).run()
    assert calls == [1]


def test_averages_start_from_what_was_loaded_before_and_a_resumed_run_may_still_replace_them():
    network = torch.nn.Linear(2, 1)
    averaged = EMAHandler(network, momentum=0.5)
    trainer = Engine(lambda *_: None)
    trainer.add_event_handler(Events.STARTED, lambda _: torch.nn.init.constant_(network.weight, 7.0))
    AveragedWeights(averaged).attach(trainer)
    seen = []
    trainer.add_event_handler(Events.STARTED, lambda _: seen.append(averaged.ema_model.weight.clone()))
    trainer.add_event_handler(Events.STARTED, lambda _: averaged.ema_model.weight.fill_(3.0))
    trainer.run([0], max_epochs=1)
    assert seen[0].tolist() == [[7.0, 7.0]]
    assert averaged.ema_model.weight.tolist() == [[5.0, 5.0]]


def test_metrics_of_a_validation_may_be_left_out_by_name():
    assert "val_ms_ssim" not in additional_metrics(["val_ms_ssim"]) and "val_ssim" in additional_metrics(
        ["val_ms_ssim"]
    )
    with pytest.raises(ConfigError, match="val_fid"):
        additional_metrics(["val_fid"])


def log_of(folder):
    """A run log whose engine runs epochs of two batches."""
    log = RunLog(str(folder), SimpleNamespace(terms={}), SimpleNamespace(param_groups=[{"lr": 0.1}]), Engine(print))
    engine = Engine(lambda *_: [{"loss": torch.tensor(2.0)}] * 4)
    log.attach(engine)
    return log, engine


def test_rows_of_a_resumed_run_come_from_its_state_and_files_lost_on_the_way_are_written_again(tmp_path):
    log, engine = log_of(tmp_path)
    engine.run([[{}] * 4] * 2, max_epochs=3)
    whole, stored = (tmp_path / "training_log.csv").read_text(), log.state_dict()
    assert [row["epoch"] for row in stored["rows"]] == [1, 2, 3]
    for name in ("training_log.csv", "progress.png"):
        (tmp_path / name).unlink()
    resumed, again = log_of(tmp_path)

    @again.on(Events.STARTED)
    def restore():
        resumed.load_state_dict(stored)
        again.state.epoch, again.state.iteration = 3, 6

    again.run([[{}] * 4] * 2, max_epochs=3)
    assert (tmp_path / "training_log.csv").read_text() == whole and (tmp_path / "progress.png").is_file()
