"""Training on a smaller field of view than inference shows is said, where the network depends on it."""

import pytest
from scripts.training.field_of_view import FieldOfView
from torch import nn

OVER_THE_IMAGE = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4))
IN_GROUPS = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4))
NOT_OVER_THE_IMAGE = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    ("network", "crop_pixels", "said"),
    [
        (OVER_THE_IMAGE, 96, True),
        (IN_GROUPS, 72, True),
        (OVER_THE_IMAGE, None, False),
        (OVER_THE_IMAGE, 128, False),
        (NOT_OVER_THE_IMAGE, 96, False),
    ],
)
def test_a_smaller_field_is_said_once_with_both_sizes(network, crop_pixels, said, caplog):
    FieldOfView(network, crop_pixels, (128, 128))()
    assert len(caplog.records) == said
    if said:
        assert {str(crop_pixels), "128"} <= set(caplog.text.replace(",", " ").split())
