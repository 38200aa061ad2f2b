"""The pages of a run and of an evaluation on a phone, in a real browser: read back as a person would see them."""

import numpy as np
import pytest
from helpers.browser import visit
from helpers.inference_run import failed_item, run_inference, subject_item
from helpers.pairs import squares
from helpers.programs import needs
from scripts import conventions
from scripts.evaluation.page import evaluation_html
from scripts.evaluation.transfer_page import transfer_html
from scripts.evaluation.transfer_rows import by_group, summarise_transfer, transfer_row

pytestmark = [pytest.mark.slow, needs("chromium")]
PHONE, LAPTOP = 390, 1366  # CSS pixels
LONG = "a_name_without_any_space_that_is_wider_than_a_phone_" * 2


@pytest.fixture
def profile(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    return folder


def of_a_run(folder):
    """The page of three subjects, one of them failed, all texts as awkward as they come."""
    failed = failed_item("broken", reason=f"/data/{LONG}: truncated")
    run_inference(folder, [subject_item("pat #1 & co", warnings=LONG), failed, subject_item(LONG)], preview=True)
    return folder / "index.html", 2


def of_an_evaluation(folder):
    """The page of one group, its panel taken from a run."""
    run_inference(folder, [subject_item("a")], preview=True)
    summary = {
        "all": {"subjects": 1, "mean_dice_infarct": {"value": 0.5, "low": 0.25, "high": 0.75}},
        "by": {"condition": {LONG: {"subjects": 1, "mean_dice_infarct": {"not_measurable": "no infarct"}}}},
        "panels": [{"rank": "best", "subject": LONG, "score": 0.5, "file": "a/a_preview.png"}],
    }
    (folder / "index.html").write_text(evaluation_html(summary, folder))
    return folder / "index.html", 1


def of_a_transfer(folder):
    """The page of one label map, of a group with a long name, and a failure; its panel taken from a run."""
    run_inference(folder, [subject_item("a")], preview=True)
    facts = {"subject": LONG, "label_drawn_on": "end-diastole", "vendor": LONG}
    rows = [facts | transfer_row(squares(), squares(1), np.diag([2.0, 2.0, 10.0, 1.0]))]
    silent = ("infarct", "segments", "calibration", "virtual_lge", "frechet_distance")
    summary = {
        "all": summarise_transfer(rows),
        "by": by_group(rows, ["label_drawn_on", "vendor"]),
        "failed": {"broken": LONG},
        "panels": [{"rank": "best", "subject": LONG, "score": 0.5, "file": "a/a_preview.png"}],
    } | {name: {"not_measurable": LONG} for name in silent}
    (folder / "index.html").write_text(transfer_html(summary, rows))
    return folder / "index.html", 1


@pytest.mark.parametrize("width", [PHONE, LAPTOP])
@pytest.mark.parametrize("make", [of_a_run, of_an_evaluation, of_a_transfer])
def test_a_page_fits_its_screen_shows_its_images_and_asks_for_nothing_outside_its_folder(
    tmp_path, profile, make, width
):
    page, images = make(tmp_path / "out")
    seen = visit(page, profile, width)
    assert seen.scroll_width <= width
    assert conventions.SIDE_BY_SIDE.disclaimer in seen.text and LONG in seen.text
    assert (seen.images, seen.broken_images, seen.errors) == (images, [], [])
    assert [address for address in seen.requests if not address.startswith(page.parent.as_uri())] == []


def test_a_page_that_is_too_wide_lacks_an_image_and_calls_outside_is_told(tmp_path, profile):
    page = tmp_path / "bad.html"
    page.write_text(
        '<body><div style="width:900px">wide</div><img src="none.png">'
        '<img src="http://127.0.0.1:9/x.png"><script>console.error("told")</script>'
    )
    seen = visit(page, profile, PHONE)
    assert seen.scroll_width >= 900
    assert seen.broken_images == ["none.png", "http://127.0.0.1:9/x.png"]
    assert any("told" in error for error in seen.errors)
    assert "http://127.0.0.1:9/x.png" in seen.requests
