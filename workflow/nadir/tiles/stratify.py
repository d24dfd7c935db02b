"""Dividing groups among splits so that every split gets its share of every class.

The start is iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011,
doi:10.1007/978-3-642-23808-6_10): groups that hold most of a rare class are placed first, each
where it is missed most. A seeded local search of moves and swaps then lowers the deviation.
"""

from __future__ import annotations

import numpy as np

_ABSENT = 10.0  # weight of a class that a split lacks, far above any deviation of shares
_WANTED = 0.5  # weight where a class has too few groups to be everywhere
_BORDER = 0.1  # loss if all neighbours were in different splits: less than a point of each share
_RESTARTS = 8
_SWEEPS = 60
_SWAP_TRIES = 200
_MANY = 500  # groups from which on chance evens out, and one short search does


class _State:
    """An assignment of groups, with what is needed to judge changes quickly."""

    def __init__(
        self,
        shares: np.ndarray,
        fractions: np.ndarray,
        need: np.ndarray,
        neighbours: np.ndarray | None,
    ) -> None:
        self.shares = shares  # (groups, columns), each column adds up to 1
        self.present = shares > 0
        self.fractions = fractions
        self.need = need  # (splits, columns) penalty where a split lacks a class
        self.split = np.full(len(shares), -1)
        self.sums = np.zeros((len(fractions), shares.shape[1]))
        self.count = np.zeros((len(fractions), shares.shape[1]), np.int64)
        self.beside: list[list[int]] = [[] for _ in shares]
        pairs = [] if neighbours is None else neighbours.tolist()
        for one, other in pairs:
            self.beside[one].append(other)
            self.beside[other].append(one)
        self.border = _BORDER / max(1, len(pairs))  # loss of two neighbours in different splits
        self.alike = np.zeros((len(shares), len(fractions)))  # neighbours of a group by split

    def put(self, group: int, split: int) -> None:
        """Move a group to a split (-1: to none)."""
        for place, sign in ((self.split[group], -1), (split, 1)):
            if place >= 0:
                self.sums[place] += sign * self.shares[group]
                self.count[place] += sign * self.present[group]
                self.alike[self.beside[group], place] += sign
        self.split[group] = split

    def loss(self) -> float:
        """Return the squared deviations of shares plus the penalties of absent classes."""
        deviation = ((self.sums - self.fractions[:, None]) ** 2).sum()
        together = self.alike[np.arange(len(self.split)), self.split].sum() / 2
        return float(deviation + self.need[self.count == 0].sum() - self.border * together)

    def gains(self, groups: np.ndarray, old: int, new: int) -> np.ndarray:
        """Return by how much the loss changes if each of `groups` moved alone from old to new."""
        part, here = self.shares[groups], self.present[groups]
        change = 2 * part * (self.sums[new] - self.sums[old] - self._aim(new, old)) + 2 * part**2
        lost = here & (self.count[old] == 1)
        won = here & (self.count[new] == 0)
        parted = self.alike[groups, old] - self.alike[groups, new]
        return change.sum(1) + lost @ self.need[old] - won @ self.need[new] + self.border * parted

    def _aim(self, new: int, old: int) -> float:
        return float(self.fractions[new] - self.fractions[old])


def stratify(
    counts: np.ndarray,
    fractions: tuple[float, ...],
    seed: int,
    neighbours: np.ndarray | None = None,
) -> np.ndarray:
    """Divide groups among splits.

    Args:
        counts: (groups, classes) pixel counts; the groups' sizes matter as one more class of
            double weight.
        fractions: Shares of the splits; training first, a share of 0 gets nothing.
        seed: Seed of ties and of the local search.
        neighbours: (m, 2) pairs of groups that had better share a split, because a buffer costs
            tiles wherever splits meet; None for none.

    Returns:
        (groups,) int: position of the split in `fractions`. Classes that occur in at least as
        many groups as there are splits are placed in all of them where the search finds a way;
        rarer ones in training first, then in the last split (test).
    """
    fraction = np.asarray(fractions, float)
    active = np.flatnonzero(fraction > 0)
    if not len(counts):
        return np.zeros(0, np.int64)
    totals = counts.sum(axis=0)
    shares = counts[:, totals > 0] / totals[totals > 0]
    size = counts.sum(axis=1, keepdims=True)
    weights = size / max(1, size.sum()) if size.sum() else np.full(size.shape, 1 / len(size))
    columns = np.concatenate([shares, weights, weights], axis=1)
    groups_with = (columns > 0).sum(axis=0)
    need = np.zeros((len(active), columns.shape[1]))
    order = [0, *range(len(active) - 1, 0, -1)]  # training, test, validation
    for column, groups in enumerate(groups_with):
        need[:, column] = _ABSENT if groups >= len(active) else 0
        if groups < len(active):
            need[order[:1], column] = _ABSENT
            need[order[1:groups], column] = _WANTED
    best, best_loss = None, np.inf
    for restart in range(_RESTARTS):
        rng = np.random.default_rng([seed, restart])
        state = _State(columns, fraction[active], need, neighbours)
        _greedy(state, rng, jitter=restart > 0)
        _improve(state, rng)
        loss = state.loss()
        if loss < best_loss - 1e-12:
            best, best_loss = state.split.copy(), loss
        if len(columns) > _MANY:
            break
    assert best is not None
    return active[best]


def _greedy(state: _State, rng: np.random.Generator, jitter: bool) -> None:
    """Place groups that hold most of some class first, each where the loss falls most."""
    rarity = state.shares.max(axis=1)
    if jitter:
        rarity = rarity * rng.uniform(0.5, 1.5, len(rarity))
    tie = rng.permutation(len(rarity))
    for group in np.lexsort((tie, -rarity)):
        after = ((state.sums + state.shares[group] - state.fractions[:, None]) ** 2).sum(1)
        before = ((state.sums - state.fractions[:, None]) ** 2).sum(1)
        won = (state.need * (state.present[group] & (state.count == 0))).sum(1)
        together = state.border * state.alike[group]
        state.put(int(group), int(np.argmin(after - before - won - together)))


def _improve(state: _State, rng: np.random.Generator) -> None:
    """Move single groups, then swap pairs, while that lowers the loss."""
    splits = range(len(state.fractions))
    for _ in range(_SWEEPS if len(state.split) <= _MANY else 2):
        moved = _move(state, splits)
        swapped = _swap(state, rng)
        if not moved and not swapped:
            return


def _move(state: _State, splits: range) -> bool:
    """Do the best single moves until none helps; return whether one was done."""
    any_move = False
    for _ in range(min(4 * len(state.split), _MANY)):
        best = (-1e-12, -1, -1)
        for old in splits:
            groups = np.flatnonzero(state.split == old)
            if len(groups) < 2:  # the last group of a split stays
                continue
            for new in splits:
                if new != old:
                    gains = state.gains(groups, old, new)
                    at = int(np.argmin(gains))
                    if gains[at] < best[0]:
                        best = (float(gains[at]), int(groups[at]), new)
        if best[1] < 0:
            return any_move
        state.put(best[1], best[2])
        any_move = True
    return any_move


def _swap(state: _State, rng: np.random.Generator) -> bool:
    """Try to exchange groups with all groups of other splits; return whether one was exchanged."""
    any_swap = False
    tried = rng.permutation(len(state.split))[:_SWAP_TRIES]
    for group in tried:
        old = int(state.split[group])
        start = state.loss()
        for new in range(len(state.fractions)):
            if new == old:
                continue
            state.put(int(group), new)
            others = np.flatnonzero(state.split == new)
            others = others[others != group]
            gain = state.gains(others, new, old) if len(others) else np.zeros(0)
            if len(others) and state.loss() + gain.min() < start - 1e-12:
                state.put(int(others[np.argmin(gain)]), old)
                any_swap = True
                break
            state.put(int(group), old)
    return any_swap
