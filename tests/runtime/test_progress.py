"""Lines of progress in a log: when they come, what they say, and when they are silent."""

import logging

import pytest
from ignite.engine import Engine
from scripts.runtime import progress
from scripts.runtime.progress import ProgressLines, clock_text


class Clock:
    """Seconds that pass by themselves with every iteration."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run(lines, clock, caplog, epochs, seconds, length=10, begin=0):
    def step(engine, batch):
        clock.now += seconds

    engine = Engine(step)
    lines.attach(engine)
    if begin:
        engine.load_state_dict({"epoch": begin, "epoch_length": length, "max_epochs": epochs})
        engine.run(range(length))
    else:
        with caplog.at_level(logging.INFO):
            engine.run(range(length), max_epochs=epochs)
    return [record.getMessage() for record in caplog.records if record.name == progress.__name__]


def test_a_line_a_minute_says_what_is_done_and_the_time_to_go(caplog):
    clock = Clock()
    said = run(ProgressLines("evaluation", "subjects", clock=clock), clock, caplog, 1, 25.0)
    assert said == [
        "evaluation: 3 of 10 subjects, 25.00 s each; to go 0:02:55",
        "evaluation: 6 of 10 subjects, 25.00 s each; to go 0:01:40",
        "evaluation: 9 of 10 subjects, 25.00 s each; to go 0:00:25",
    ]


def test_a_training_says_its_epoch_and_the_time_of_all(caplog):
    clock = Clock()
    said = run(ProgressLines("training", "batches", epochs=True, every_s=100, clock=clock), clock, caplog, 3, 10.0)
    assert [line.split(":")[0] for line in said] == [
        "training, epoch 1/3",
        "training, epoch 2/3",
        "training, epoch 3/3",
    ]
    assert "10 of 10 batches" in said[0] and "0:00:00 of this epoch, 0:03:20 of all" in said[0]


def test_a_resumed_run_counts_its_own_iterations_only(caplog):
    clock = Clock()
    lines = ProgressLines("training", "batches", epochs=True, every_s=40, clock=clock)
    with caplog.at_level(logging.INFO):
        said = run(lines, clock, caplog, 2, 20.0, begin=1)
    assert said[0] == "training, epoch 2/2: 2 of 10 batches, 20.00 s each; to go 0:02:40 of this epoch, 0:02:40 of all"


@pytest.mark.parametrize("silent", ["terminal", "second process"])
def test_where_a_bar_is_watched_and_in_further_processes_nothing_is_said(silent, caplog, monkeypatch):
    if silent == "terminal":
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    else:
        monkeypatch.setattr(progress, "process_number", lambda: 1)
    clock = Clock()
    lines = ProgressLines("training", "batches", bar=True, clock=clock)
    assert run(lines, clock, caplog, 1, 100.0) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3723.2, "1:02:03"), (86400, "24:00:00")]
)
def test_seconds_are_shown_as_hours_minutes_and_seconds(seconds, text):
    assert clock_text(seconds) == text
