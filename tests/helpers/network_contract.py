"""What every network that answers ``encode`` and ``denoise`` keeps, whatever it is made of.

A test class takes these tests over by inheritance and gives the fixture ``network``: in eval mode, for images of four
channels (cine, T2-STIR, end-diastole, end-systole), of which the second one is T2-STIR.
"""

import io

import pytest
import torch
from scripts.conventions import ConfigError

SEQUENCES = [[0, 2, 3], [1]]


def batch_of(count, height=32, width=32, channels=5):
    """Image (B, 4, H, W) -1..1, noisy state (B, channels, H, W), timesteps (B,): all differ from slice to slice."""
    generator = torch.Generator().manual_seed(count)
    image = torch.rand(count, 4, height, width, generator=generator) * 2 - 1
    state = torch.randn(count, channels, height, width, generator=generator)
    return image, state, torch.randint(1, 1000, (count,), generator=generator)


def answer(network, image, state, timesteps, available=None, vendor=None):
    """One step, (B, channels of the state, H, W)."""
    with torch.no_grad():
        return network.denoise(state, timesteps, network.encode(image, available, vendor))


def copy_of(conditions):
    """The tensors in ``conditions`` as they are at this moment, in one list."""
    return [one.clone() for one in tensors_of(conditions)]


def tensors_of(conditions):
    return [*conditions[:3], *(tensor for group in conditions[3:] for tensor in group)]


class EncodeDenoiseContract:
    """Shapes, missing sequences, unknown vendor, independence of the batch, wrong images."""

    @pytest.mark.parametrize(("count", "height", "width"), [(1, 32, 32), (3, 32, 32), (2, 48, 32), (2, 16, 48)])
    def test_the_answer_has_the_shape_of_the_state_at_every_batch_and_size(self, network, count, height, width):
        image, state, timesteps = batch_of(count, height, width)
        found = answer(network, image, state, timesteps)
        assert found.shape == state.shape and found.dtype == torch.float32 and found.isfinite().all()

    def test_a_slice_is_answered_alike_alone_and_in_any_batch(self, network):
        image, state, timesteps = batch_of(3)
        together, turned = (
            answer(network, image[order], state[order], timesteps[order]) for order in ([0, 1, 2], [2, 0, 1])
        )
        assert torch.allclose(turned, together[[2, 0, 1]], atol=1e-5)
        for i in range(3):
            one = slice(i, i + 1)
            assert torch.allclose(answer(network, image[one], state[one], timesteps[one]), together[one], atol=1e-5)

    @pytest.mark.parametrize("missing", [0, 1], ids=["cine", "T2-STIR"])
    def test_pixels_of_a_missing_sequence_do_not_matter_and_its_absence_does(self, network, missing):
        image, state, timesteps = batch_of(2)
        other = image.clone()
        other[:, SEQUENCES[missing]] = -0.3
        available = torch.ones(2, 2)
        available[:, missing] = 0
        hidden = answer(network, image, state, timesteps, available)
        assert torch.equal(hidden, answer(network, other, state, timesteps, available))
        assert not torch.allclose(hidden, answer(network, image, state, timesteps), atol=1e-4)
        assert not torch.allclose(
            answer(network, image, state, timesteps), answer(network, other, state, timesteps), atol=1e-4
        )

    def test_each_slice_has_its_own_availability(self, network):
        image, state, timesteps = batch_of(2)
        mixed = answer(network, image, state, timesteps, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
        assert torch.allclose(mixed[:1], answer(network, image, state, timesteps)[:1], atol=1e-5)
        without = answer(network, image, state, timesteps, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        assert torch.allclose(mixed[1:], without[1:], atol=1e-5)

    def test_no_sequence_at_all_gives_finite_values(self, network):
        assert answer(network, *batch_of(2), torch.zeros(2, 2)).isfinite().all()

    def test_what_is_not_told_means_all_sequences_and_an_unknown_vendor(self, network):
        told = answer(network, *batch_of(2), torch.ones(2, 2), torch.zeros(2, dtype=torch.long))
        assert torch.equal(answer(network, *batch_of(2)), told)

    def test_conditions_serve_many_steps_and_stay_as_they_are(self, network):
        image, state, timesteps = batch_of(2)
        given = [one.clone() for one in (image, state, timesteps)]
        with torch.no_grad():
            conditions = network.encode(image)
            before = copy_of(conditions)
            first, _, again = (network.denoise(state, t, conditions) for t in (timesteps, timesteps - 1, timesteps))
        assert torch.equal(first, again)
        assert all(torch.equal(a, b) for a, b in zip(before, tensors_of(conditions), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(given, (image, state, timesteps), strict=True))

    def test_conditions_can_be_joined_and_picked_slice_by_slice(self, network):
        image, state, timesteps = batch_of(2)
        with torch.no_grad():
            joined = network.encode(image[:1]).concatenate([network.encode(image[:1]), network.encode(image[1:])])
            order = torch.tensor([1, 0, 1])
            found = network.denoise(state[order], timesteps[order], joined.select(order))
        assert torch.allclose(found, answer(network, image, state, timesteps)[order], atol=1e-5)

    @pytest.mark.parametrize("channels", [3, 5])
    def test_an_image_of_other_channels_is_refused(self, network, channels):
        with pytest.raises(ConfigError, match=f"{channels} channels, expected 4"):
            network.encode(torch.zeros(1, channels, 32, 32))

    @pytest.mark.parametrize(("height", "width"), [(33, 32), (32, 31)])
    def test_a_size_that_does_not_divide_is_answered_at_that_size_or_refused(self, network, height, width):
        image, state, timesteps = batch_of(1, height, width)
        if hasattr(network, "size_divisor"):
            with pytest.raises(ConfigError, match=f"{height}x{width}.* multiples of {network.size_divisor}"):
                network.encode(image)
        else:
            assert answer(network, image, state, timesteps).shape == state.shape


class TrainableContract(EncodeDenoiseContract):
    """A network made of parameters. ``another`` is one of the same structure with other weights."""

    def test_a_call_is_encode_and_one_step(self, network):
        image, state, timesteps = batch_of(2)
        options = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([0, 1])
        with torch.no_grad():
            found = network(image, state, timesteps, *options)
            alone = network(image)
        assert torch.equal(found, answer(network, image, state, timesteps, *options))
        assert alone.shape == state.shape and alone.isfinite().all()

    def test_weights_read_back_give_the_same_answers(self, network, another):
        stream = io.BytesIO()
        torch.save(network.state_dict(), stream)
        stream.seek(0)
        assert not torch.equal(answer(network, *batch_of(2)), answer(another, *batch_of(2)))
        another.load_state_dict(torch.load(stream, weights_only=True))
        assert torch.equal(answer(network, *batch_of(2)), answer(another, *batch_of(2)))

    def test_weights_of_another_structure_are_refused(self, network, another):
        weights = dict(another.state_dict())
        weights.pop(next(iter(weights)))
        with pytest.raises(RuntimeError, match="Missing key"):
            network.load_state_dict(weights)

    def test_a_training_step_sends_a_gradient_to_the_conditions(self, network, another):
        image, state, timesteps = batch_of(2)
        image.requires_grad_()
        another.train().denoise(state, timesteps, another.encode(image)).square().mean().backward()
        assert all(image.grad[:, own].any() for own in SEQUENCES)
