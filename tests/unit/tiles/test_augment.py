"""The eight symmetries: a group, applied alike to everything."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.tiles.augment import COPIES, COUNT, NAMES, compose, inverse, transform, transform_all

IMAGE = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)


def test_all_eight_differ_and_have_names():
    forms = {transform(IMAGE, t).tobytes() for t in range(COUNT)}
    assert len(forms) == COUNT == len(NAMES)


def test_named_ones():
    square = np.array([[1, 2], [3, 4]])
    assert transform(square, 1).tolist() == [[2, 4], [1, 3]]
    assert transform(square, 4).tolist() == [[2, 1], [4, 3]]
    assert transform(square, 6).tolist() == [[3, 4], [1, 2]]
    assert transform(square, 5).tolist() == square.T.tolist()
    assert COPIES == (1, 2, 3, 4, 6)


@pytest.mark.parametrize("one", range(COUNT))
def test_inverse_and_composition(one):
    assert (transform(transform(IMAGE, one), inverse(one)) == IMAGE).all()
    for other in range(COUNT):
        both = transform(transform(IMAGE, one), other)
        assert (both == transform(IMAGE, compose(other, one))).all()


def test_image_and_labels_stay_together():
    labels = IMAGE[0, 0]
    image, turned = transform_all((IMAGE, labels), 5)
    assert (image[0, 0] == turned).all() and image.flags.c_contiguous
    assert transform(np.zeros((3, 2, 5)), 1).shape == (3, 5, 2)
    with pytest.raises(ValueError, match=r"not in 0..7"):
        transform(IMAGE, 8)


def test_same_on_torch():
    torch = pytest.importorskip("torch")
    for t in range(COUNT):
        tensor = torch.from_numpy(IMAGE)
        mirrored = torch.flip(tensor, (-1,)) if t >= 4 else tensor
        assert (torch.rot90(mirrored, t % 4, (-2, -1)).numpy() == transform(IMAGE, t)).all()
