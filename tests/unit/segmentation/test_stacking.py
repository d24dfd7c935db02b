"""Patches in one tensor: their values, and row after row however they were turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.segmentation.sources import _floats, stacked


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint8, bool])
def test_patches_are_stacked_row_after_row(turned: bool, dtype: type) -> None:
    random = np.random.default_rng(0)
    drawn = [random.integers(0, 2 if dtype is bool else 200, (2, 3, 4)) for _ in range(3)]
    parts = [torch.from_numpy(one.astype(dtype)) for one in drawn]
    if turned:
        parts = [part.transpose(1, 2) for part in parts]
    wanted = np.stack([part.numpy() for part in parts])
    together, floats = stacked(parts), _floats(parts, torch.device("cpu"))
    assert together.is_contiguous() and floats.is_contiguous()
    assert together.dtype == parts[0].dtype and floats.dtype == torch.float32
    np.testing.assert_array_equal(together.numpy(), wanted)
    np.testing.assert_array_equal(floats.numpy(), wanted.astype(np.float32))
