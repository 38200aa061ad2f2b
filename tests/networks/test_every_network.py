"""Every network that can be trained passes the shared checks; a new one, or a new variant, is one line below."""

import pytest
import torch
from helpers.network_contract import SEQUENCES, TrainableContract
from monai.networks.nets import BasicUNet
from scripts.networks.direct import DirectNetwork, TwoStageNetwork
from scripts.networks.ssdiff_unet import SSDiffUNet
from scripts.networks.trunk import TrunkUNet


def ssdiff(**options):
    small = {
        "channels": (16, 32),
        "attention_levels": (False, True),
        "num_head_channels": 16,
        "token_channels": 24,
        "sequence_channels": SEQUENCES,
    }
    return SSDiffUNet(**(small | options))


def trunk(**options):
    small = {
        "trunk_channels": (16, 16, 32),
        "trunk_attention_levels": (False, False, True),
        "channels": (16, 32),
        "attention_levels": (False, True),
        "num_head_channels": 16,
        "token_channels": 24,
        "sequence_channels": SEQUENCES,
    }
    return TrunkUNet(**(small | options))


def backbone(channels):
    return BasicUNet(2, channels, 8, features=(8, 8, 8, 8, 8, 8))


NETWORKS = {
    "SSDiffUNet": ssdiff,
    "SSDiffUNet, one level": lambda: ssdiff(channels=(16,), attention_levels=(True,)),
    "SSDiffUNet, three levels": lambda: ssdiff(channels=(16, 16, 32), attention_levels=(True, False, True)),
    "SSDiffUNet, two blocks a level": lambda: ssdiff(num_res_blocks=2),
    "SSDiffUNet, no stem": lambda: ssdiff(stem_factor=1),
    "SSDiffUNet, as published": lambda: ssdiff(map_levels=1, one_token=True),
    "SSDiffUNet, decoders apart": lambda: ssdiff(cross_fusion=False),
    "SSDiffUNet, refined": lambda: ssdiff(refine_channels=8),
    "TrunkUNet": trunk,
    "TrunkUNet, denoiser at full resolution": lambda: trunk(stem_factor=1),
    "TrunkUNet, denoiser deeper than the trunk": lambda: trunk(
        trunk_channels=(16, 16), trunk_attention_levels=(False, True), stem_factor=4
    ),
    "TrunkUNet, refined, decoders apart": lambda: trunk(refine_channels=8, cross_fusion=False),
    "DirectNetwork": lambda: DirectNetwork(backbone(6), 8, SEQUENCES),
    "DirectNetwork, LGE only": lambda: DirectNetwork(backbone(6), 8, SEQUENCES, tasks=("lge",)),
    "TwoStageNetwork": lambda: TwoStageNetwork(backbone(6), backbone(1), 8, SEQUENCES),
}


def made(name, seed):
    """In eval mode; layers that start at zero are moved off it, as after some training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = NETWORKS[name]()
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.05)
    return network.eval()


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return made(request.param, seed=0)


@pytest.fixture
def another(request):
    return made(request.node.callspec.params["network"], seed=1)


class TestEveryNetwork(TrainableContract):
    """The checks are those of tests/helpers/network_contract.py."""
