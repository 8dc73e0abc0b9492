"""Which of these belongs to which of those: global alignment with gaps, and then what moved. Turns and steps use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

GAP = 350
"""Cost of leaving an item alone, in thousandths: two items are a pair only where that costs less than two gaps."""
NEVER = 1000
"""Cost of a pair that must not be."""
FIRST_BAND = 12
"""How far from the diagonal pairs are looked for at first, in items."""
BAND = 500
"""How far at most; only sequences longer than that notice."""


class Likeness(Protocol[T_contra]):
    """How alike two items are; symmetrical in all it says."""

    def same(self, one: T_contra, other: T_contra) -> bool:
        """Whether nothing at all is different between them."""

    def key(self, item: T_contra) -> str:
        """The item's content as a text; decides nothing but ties."""

    def costs(self, item: T_contra, others: Sequence[T_contra], within: int) -> list[int]:
        """Cost of a pair with each of the others, from 0 for the same to `NEVER`; exact where it is below `within`."""


class Pair(NamedTuple):
    """Items that belong together, by position."""

    recorded: int | None
    """Position on the recorded side; None when the replayed item is new."""
    replayed: int | None
    """Position on the replayed side; None when the recorded item is missing."""
    moved: bool = False
    """Whether it stands in another order than the pairs around it."""


_Ends: TypeAlias = tuple[int | None, int | None]


def align(recorded: Sequence[T], replayed: Sequence[T], likeness: Likeness[T], *, moves_below: int) -> list[Pair]:
    """The alignment of least cost; of what is left alone, items that cost less than `moves_below` are pairs that moved.

    Pairs come in replayed order, what is missing where it was. `align(b, a)` is the mirror image of `align(a, b)`.
    Takes time in proportion to the longer side and to how much differs, at worst to the product of both sides; space in
    proportion to the longer side.
    """
    head = _same_at_start(recorded, replayed, likeness)
    tail = _same_at_start(recorded[head:][::-1], replayed[head:][::-1], likeness)
    one, other = recorded[head : len(recorded) - tail], replayed[head : len(replayed) - tail]
    # Ties are broken the same way in both directions, because both look at the pair of sequences from the same side.
    flipped = _stands_behind(one, other, likeness)
    found = _aligned(other, one, likeness, moves_below) if flipped else _aligned(one, other, likeness, moves_below)
    middle = [Pair(b, a, moved) for a, b, moved in found] if flipped else found
    return [
        *(Pair(place, place) for place in range(head)),
        *(Pair(_plus(pair.recorded, head), _plus(pair.replayed, head), pair.moved) for pair in _ordered(middle)),
        *(Pair(len(recorded) - place, len(replayed) - place) for place in range(tail, 0, -1)),
    ]


def _same_at_start(one: Sequence[T], other: Sequence[T], likeness: Likeness[T]) -> int:
    """How many items are the same before the first that is not."""
    count = 0
    for item, counterpart in zip(one, other, strict=False):
        if not likeness.same(item, counterpart):
            break
        count += 1
    return count


def _stands_behind(one: Sequence[T], other: Sequence[T], likeness: Likeness[T]) -> bool:
    """Whether it is longer, else comes later by its first content that the other has not."""
    if len(one) != len(other):
        return len(one) > len(other)
    keys = zip(map(likeness.key, one), map(likeness.key, other), strict=True)
    return next((key > counterpart for key, counterpart in keys if key != counterpart), False)


def _aligned(one: Sequence[T], other: Sequence[T], likeness: Likeness[T], moves_below: int) -> list[Pair]:
    if not one or not other:
        return [*(Pair(place, None) for place in range(len(one))), *(Pair(None, place) for place in range(len(other)))]
    kept = _least_cost(one, other, likeness)
    moved = dict(_moved(kept, one, other, likeness, moves_below))
    arrived = set(moved.values())
    return [
        *(Pair(here, there, moved=True) for here, there in moved.items()),
        *(
            Pair(here, there)
            for here, there in kept
            if not (_alone(here, there) and (here in moved or there in arrived))
        ),
    ]


def _least_cost(one: Sequence[T], other: Sequence[T], likeness: Likeness[T]) -> list[_Ends]:
    """Needleman and Wunsch's alignment, in a band around the diagonal that is widened until nothing can be cheaper.

    A way that leaves the band leaves items alone, two for each step outwards; once that alone costs more than the way
    that was found inside, every cheapest way lies inside (Ukkonen 1985). Alike sequences are aligned in a narrow band.
    """
    apart, longest = abs(len(one) - len(other)), max(len(one), len(other))
    reach, widest = FIRST_BAND + apart, min(longest, BAND + apart)
    # Only the first try is given up: it has the least chance.
    most = None if reach >= widest else _most(reach, apart)
    while True:
        cost, pairs = _least_cost_within(reach, one, other, likeness, most)
        needed = _reach_for(cost, apart)
        if pairs is not None and (reach >= widest or needed <= reach):
            return pairs
        reach, most = min(needed, widest), None


def _reach_for(cost: int, apart: int) -> int:
    """How far from the diagonal a way of this cost may lead; all that lead farther cost more."""
    return apart + (cost // GAP - apart) // 2 + 1


def _most(reach: int, apart: int) -> int:
    """The most that a way may cost which needs no more than this reach."""
    return (2 * (reach - apart - 1) + apart + 2) * GAP - 1


def _least_cost_within(
    reach: int, one: Sequence[T], other: Sequence[T], likeness: Likeness[T], most: int | None = None
) -> tuple[int, list[_Ends] | None]:
    """The cost of the cheapest way that never goes farther from the diagonal, and the way.

    most: once it must cost more, it is given up, and the cost is a guess, rather too high, from what it cost so far.
    """
    far = GAP * (len(one) + len(other) + 1)
    best = [place * GAP for place in range(len(other) + 1)]
    rows: list[tuple[int, bytearray]] = []
    for row, item in enumerate(one, 1):
        low, high = max(1, row - reach), min(len(other), row + reach)
        costs = likeness.costs(item, other[low - 1 : high], 2 * GAP + 1)
        if row > 1 and high == row + reach:
            best[high] = far  # just come into the band: nothing is known above it
        diagonal, best[low - 1] = best[low - 1], row * GAP if low == 1 else far
        left = best[low - 1]
        turns = bytearray(len(costs))
        for step, cost in enumerate(costs):
            above = best[low + step]
            if diagonal + cost <= GAP + above and diagonal + cost <= GAP + left:
                left = diagonal + cost
            elif above <= left:
                left, turns[step] = GAP + above, 1
            else:
                left, turns[step] = GAP + left, 2
            best[low + step], diagonal = left, above
        rows.append((low, turns))
        if most is not None:
            ahead = len(other) - len(one) + row
            cheapest = min(best[place] + GAP * abs(ahead - place) for place in range(low - 1, high + 1))
            if cheapest > most:
                return cheapest * len(one) // row * 5 // 4, None
    return best[-1], [*_traced_back(rows, len(one), len(other))][::-1]


def _traced_back(rows: Sequence[tuple[int, bytearray]], row: int, column: int) -> Iterator[_Ends]:
    """The steps of the cheapest way, the last one first."""
    while row and column:
        low, turns = rows[row - 1]
        turn = turns[column - low]
        row, column = row - (turn != 2), column - (turn != 1)
        yield (row if turn != 2 else None, column if turn != 1 else None)
    yield from ((place, None) for place in range(row - 1, -1, -1))
    yield from ((None, place) for place in range(column - 1, -1, -1))


def _moved(
    pairs: Sequence[_Ends], one: Sequence[T], other: Sequence[T], likeness: Likeness[T], below: int
) -> Iterator[tuple[int, int]]:
    """Items left alone on both sides that belong together all the same, the surest first."""
    lost = [here for here, there in pairs if here is not None and there is None]
    new = [there for here, there in pairs if there is not None and here is None]
    if not lost or not new:
        return
    places = [other[place] for place in new]
    found = (
        (cost, here, there)
        for here in lost
        for there, cost in zip(new, likeness.costs(one[here], places, below), strict=True)
        if cost < below
    )
    gone: set[int] = set()
    come: set[int] = set()
    for _, here, there in sorted(found):
        if here not in gone and there not in come:
            gone.add(here)
            come.add(there)
            yield here, there


def _ordered(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """By the replayed side; what is missing before the first kept pair behind it, and there before what is new."""
    missing = sorted((pair for pair in pairs if pair.replayed is None), key=lambda pair: pair.recorded or 0)
    new: list[Pair] = []
    for pair in sorted((pair for pair in pairs if pair.replayed is not None), key=lambda pair: pair.replayed or 0):
        if pair.recorded is None or pair.moved:
            new.append(pair)
            continue
        while missing and (missing[0].recorded or 0) < pair.recorded:
            yield missing.pop(0)
        yield from (*new, pair)
        new = []
    yield from (*missing, *new)


def _alone(here: int | None, there: int | None) -> bool:
    return here is None or there is None


def _plus(place: int | None, offset: int) -> int | None:
    return None if place is None else place + offset
