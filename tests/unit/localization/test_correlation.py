"""Weighted correlation by FFT against the sums it stands for, and peaks to parts of a cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.localization import correlation
from nadir.localization.correlation import correlate, refine_peak, spectrum


def slow(reference, valid, template, weight):
    """Return the score at every offset from its definition, in double precision."""
    rows, columns = reference.shape[1:]
    high, wide = weight.shape
    shown = np.ones((rows, columns)) if valid is None else valid
    usual = (reference**2).sum() / max(shown.sum(), 1)
    out = np.empty((rows - high + 1, columns - wide + 1))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            part = reference[:, y : y + high, x : x + wide]
            there = weight * shown[y : y + high, x : x + wide]
            overlap = there.sum() / weight.sum()
            if overlap < correlation._LEAST_OVERLAP:
                out[y, x] = -1
                continue
            floor = correlation._FAINT * usual * weight.sum() * overlap
            under = (there * (part**2).sum(0)).sum() + floor
            own = (there * (template**2).sum(0)).sum()
            dot = (there * (template * part).sum(0)).sum()
            out[y, x] = dot / np.sqrt(under * own) * np.sqrt(overlap)
    return out


def made(seed, channels=3, rows=23, columns=19, high=9, wide=7, holes=False):
    random = np.random.default_rng(seed)
    valid = (random.random((rows, columns)) > 0.35).astype(float) if holes else None
    if holes:
        valid[:11, :9] = 0  # offsets at which next to nothing is shown
    reference = random.standard_normal((channels, rows, columns))
    reference = reference if valid is None else reference * valid
    template, weight = random.standard_normal((channels, high, wide)), random.random((high, wide))
    return reference, valid, template, weight


def tensor(*values):
    found = [None if v is None else torch.from_numpy(np.asarray(v, np.float32)) for v in values]
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(
    "shape", [(3, 23, 19, 9, 7), (1, 16, 16, 16, 16), (2, 13, 31, 13, 5), (4, 11, 17, 1, 1)]
)
def test_scores_equal_the_sums_at_every_offset(shape, holes):
    reference, valid, template, weight = made(1, *shape, holes=holes)
    r, v, t, w = tensor(reference, valid, template, weight)
    found = correlate(spectrum(r, v), t, w).numpy()
    expected = slow(reference, valid, template, weight)
    assert found.shape == expected.shape
    assert found == pytest.approx(expected, abs=2e-4)


def test_a_place_that_shows_next_to_nothing_is_out_of_the_question():
    reference, valid, template, weight = made(1, holes=True)
    found = correlate(spectrum(*tensor(reference, valid)), *tensor(template, weight))
    assert not valid[:9, :7].any() and found[0, 0] == -1
    assert (found > -1).float().mean() > 0.8


@pytest.mark.parametrize("holes", [False, True])
def test_many_templates_on_one_reference(holes):
    reference, valid, _, _ = made(2, holes=holes)
    parts = [made(10 + k)[2:] for k in range(3)]
    templates, weights = tensor(np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts]))
    r, v = tensor(reference, valid)
    found = correlate(spectrum(r, v), templates, weights).numpy()
    assert found.shape == (3, 15, 13)
    for k, (template, weight) in enumerate(parts):
        assert found[k] == pytest.approx(slow(reference, valid, template, weight), abs=2e-4)


@pytest.mark.parametrize("holes", [False, True])
def test_each_template_on_its_own_reference_and_all_on_all(holes):
    cases = [made(20 + k, holes=holes) for k in range(3)]
    references = tensor(np.stack([c[0] for c in cases]))
    valids = tensor(np.stack([c[1] for c in cases])) if holes else None
    templates, weights = tensor(np.stack([c[2] for c in cases]), np.stack([c[3] for c in cases]))
    own = correlate(spectrum(references, valids), templates, weights).numpy()
    every = correlate(
        spectrum(references[:, None], None if valids is None else valids[:, None]),
        templates,
        weights,
    ).numpy()
    assert own.shape == (3, 15, 13) and every.shape == (3, 3, 15, 13)
    for k, case in enumerate(cases):
        assert own[k] == pytest.approx(slow(*case), abs=2e-4)
        for other in range(3):
            expected = slow(case[0], case[1], *cases[other][2:])
            assert every[k, other] == pytest.approx(expected, abs=2e-4)


def test_what_weights_leave_out_does_not_count():
    reference, _, template, weight = made(3)
    weight[:, :3] = 0
    other = template.copy()
    other[:, :, :3] = 50
    index = spectrum(tensor(reference))
    one, two = (correlate(index, *tensor(t, weight)) for t in (template, other))
    assert torch.allclose(one, two, atol=1e-4)


def test_what_lies_in_holes_does_not_count():
    reference, valid, _, _ = made(4, holes=True)
    whole = np.ones_like(valid)
    whole[5:9, 12:] = 0
    shown = np.random.default_rng(0).standard_normal(reference.shape) * whole
    template = shown[:, 3:12, 8:15].copy()
    template[:, 2:6, 4:] = 9.0  # what the photo shows where the reference has a hole
    found = correlate(spectrum(*tensor(shown, whole)), *tensor(template, np.ones((9, 7)))).numpy()
    assert np.unravel_index(found.argmax(), found.shape) == (3, 8)
    overlap = whole[3:12, 8:15].mean()
    assert 0.8 * np.sqrt(overlap) < found.max() <= np.sqrt(overlap) + 1e-5


def test_scores_know_neither_the_height_of_a_template_nor_that_of_the_reference():
    reference, _, template, weight = made(5)
    usual = correlate(spectrum(tensor(reference)), *tensor(template, weight))
    for given in ((3 * reference, template), (reference, 7 * template)):
        found = correlate(spectrum(tensor(given[0])), *tensor(given[1], weight))
        assert torch.allclose(found, usual, atol=1e-5)
    flipped = correlate(spectrum(tensor(-reference)), *tensor(template, weight))
    assert torch.allclose(flipped, -usual, atol=1e-5)
    assert usual.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("at", [(0, 0), (14, 12), (0, 12), (7, 5)])
def test_a_cut_is_found_where_it_was_cut(at):
    reference = made(6)[0]
    y, x = at
    cut = reference[:, y : y + 9, x : x + 7]
    found = correlate(spectrum(tensor(reference)), *tensor(cut, np.ones((9, 7)))).numpy()
    assert np.unravel_index(found.argmax(), found.shape) == at


def bowl(row, column, bends=(0.02, 0.05), shape=(9, 12)):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return 0.8 - bends[0] * (y - row) ** 2 - bends[1] * (x - column) ** 2


def test_peaks_of_quadratic_surfaces_are_exact():
    at = np.array([[4.0, 5.0], [3.3, 6.45], [6.51, 1.2], [1.0, 9.8]])
    best, row, column = refine_peak(torch.from_numpy(np.stack([bowl(*one) for one in at])))
    assert row.numpy() == pytest.approx(at[:, 0], abs=1e-9)
    assert column.numpy() == pytest.approx(at[:, 1], abs=1e-9)
    assert best.numpy() == pytest.approx([bowl(*one).max() for one in at])


def test_peaks_at_a_border_have_no_parts_there():
    surfaces = np.stack([bowl(-0.4, 5.3), bowl(8.3, 11.4), bowl(4.2, 0.0) + 0])
    _, row, column = refine_peak(torch.from_numpy(surfaces))
    assert row.tolist() == pytest.approx([0, 8, 4.2])
    assert column.tolist() == pytest.approx([5.3, 11, 0])


def test_flat_maps_and_single_cells_have_a_peak():
    for shape in ((2, 1, 1), (2, 5, 1), (2, 4, 6)):
        best, row, column = refine_peak(torch.full(shape, 0.25))
        assert best.tolist() == [0.25, 0.25]
        assert (row >= 0).all() and (row <= shape[1] - 1).all() and torch.isfinite(column).all()
