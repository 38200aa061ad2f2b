"""A stand-in for the networks of the independent reader."""

from types import SimpleNamespace

import numpy as np


class Threshold:
    """A network of two classes by brightness; keeps what it was given."""

    def __init__(self, classes):
        self.classes, self.seen = classes, []

    def get_inputs(self):
        return [SimpleNamespace(name="image")]

    def run(self, _, feed):
        (image,) = feed.values()
        self.seen.append(image)
        scores = np.zeros((1, self.classes, *image.shape[2:]), np.float32)
        scores[:, 1], scores[:, 0] = image[:, 0], 0.5
        return [scores]


def onnxruntime():
    """The module as far as it is used: the ACDC network has four classes, the EMIDEC network five."""
    return SimpleNamespace(
        SessionOptions=SimpleNamespace,
        InferenceSession=lambda path, *_, **__: Threshold(4 if "acdc" in path else 5),
    )
