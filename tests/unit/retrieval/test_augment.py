"""How training pictures are changed."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.config.retrieval_experiments import RetrievalAugment
from nadir.retrieval.augment import Shown, augment, erased, jittered

NOTHING = RetrievalAugment(flip="none")
ALL = RetrievalAugment(
    turn=180, quarter_turns=True, turn_others=30, turn_together=90, flip="each", zoom=1.3,
    shift=0.1, jitter=0.3, erasing=0.5, weather=0.5,
)  # fmt: skip


def picture(seed: int = 0, side: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def shown(epoch: int = 0, view: int = 0, place: int = 0, overhead: bool = False) -> Shown:
    return Shown(0, epoch, view, place, overhead)


def test_nothing_asked_for_changes_nothing() -> None:
    assert (augment(picture(), NOTHING, shown(overhead=True)) == picture()).all()


def test_changes_are_a_function_of_their_arguments() -> None:
    given = picture()
    kept = given.copy()
    once = [augment(given, ALL, shown(epoch)) for epoch in range(8)]
    again = [augment(given, ALL, shown(epoch)) for epoch in range(8)]
    assert all((one == two).all() for one, two in zip(once, again, strict=True))
    assert (given == kept).all()
    assert len({one.tobytes() for one in once}) == 8


def test_quarter_turns_lose_no_pixel() -> None:
    cfg = RetrievalAugment(flip="none", quarter_turns=True)
    turned = {augment(picture(), cfg, shown(k, overhead=True)).tobytes() for k in range(40)}
    assert turned == {np.rot90(picture(), k).tobytes() for k in range(4)}
    assert (augment(picture(), cfg, shown(3, overhead=False)) == picture()).all()


@pytest.mark.parametrize(("flip", "alike"), [("together", True), ("each", False)])
def test_views_are_mirrored_alike_or_each(flip: str, alike: bool) -> None:
    cfg = RetrievalAugment(flip=flip)
    found = []
    for place in range(40):
        pair = [augment(picture(), cfg, shown(0, view, place)) for view in (0, 1)]
        mirrored = [(one == picture()[:, ::-1]).all() for one in pair]
        assert all(m or (one == picture()).all() for m, one in zip(mirrored, pair, strict=True))
        found.append(mirrored[0] == mirrored[1])
    assert all(found) == alike


def test_turns_together_are_the_same_for_all_views() -> None:
    cfg = RetrievalAugment(flip="none", turn_together=180)
    one, other = (augment(picture(), cfg, shown(0, view, 5, view == 1)) for view in (0, 1))
    assert (one == other).all() and (one != picture()).any()


def test_light_keeps_grey_grey_without_tint() -> None:
    changed = [jittered(picture(), 0.4, np.random.default_rng(k)).mean() for k in range(20)]
    assert max(changed) > picture().mean() * 1.1 and min(changed) < picture().mean() * 0.9
    assert abs(int(jittered(picture(), 0.0, np.random.default_rng(0)).sum()) - picture().sum()) < 9


def test_a_rectangle_is_erased() -> None:
    shares = []
    for k in range(30):
        gone = (erased(picture(side=60), np.random.default_rng(k)) != picture(side=60)).any(2)
        rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert gone.sum() > 0.9 * box
        shares.append(box / 3600)
    assert min(shares) > 0.01 and max(shares) < 0.33


def test_weathers_come_to_views_that_do_not_look_down() -> None:
    cfg = RetrievalAugment(flip="none", weather=1.0, weathers=("dark",))
    assert augment(picture(), cfg, shown()).mean() < 0.6 * picture().mean()
    assert (augment(picture(), cfg, shown(overhead=True)) == picture()).all()
