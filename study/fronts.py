"""Fronts of rows that come one at a time: what non-dominated sorting says of all so far, without sorting anew.

A row that joins a front pushes those that it dominates there to the next front, they push others, and so on; with two
objectives each front is a staircase, where those that are pushed lie side by side. Of 10,000 rows a newcomer takes a
fraction of a millisecond.

    Zhang et al. 2015, An efficient approach to nondominated sorting (the front of a row by binary search)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt

from analysis.front import front_numbers
from study.decision import dominates


class Fronts:
    """Front numbers of rows, (n, m) with m from 1 to 3, in order of arrival; smaller is better in every objective.

    With three objectives each front that a newcomer moves is looked through; with one, all rows are sorted anew.
    """

    def __init__(self, objectives: int) -> None:
        self._rows = np.empty((16, objectives))
        self._numbers = np.empty(16, np.int64)
        self._count = 0
        self._levels: list[_Stairs] = []

    @property
    def rows(self) -> npt.NDArray[np.float64]:
        """(n, m), a view."""
        return self._rows[: self._count]

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """(n,), a view: 0 for the front, 1 for that of the rest, ...; -1 for rows that are not finite."""
        return self._numbers[: self._count]

    def add(self, row: npt.NDArray[np.float64]) -> None:
        """Take in one more row."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._numbers = np.concatenate([self._numbers, np.empty_like(self._numbers)])
        self._rows[self._count], self._numbers[self._count] = row, -1
        self._count += 1
        if not np.isfinite(row).all():
            return
        if len(row) == 2:
            self._join(float(row[0]), float(row[1]))
        elif len(row) == 1:
            finite = np.isfinite(self.rows).all(axis=1)
            self.numbers[finite] = front_numbers(self.rows[finite])
        else:
            self._push(row)

    def _push(self, row: npt.NDArray[np.float64]) -> None:
        numbers = self.numbers
        level = int(numbers[dominates(self.rows, row)].max(initial=-1)) + 1
        moved = np.array([self._count - 1])
        while len(moved):
            there = np.flatnonzero(numbers == level)
            numbers[moved] = level
            below = np.any([dominates(one, self.rows[there]) for one in self.rows[moved]], axis=0)
            moved, level = there[below], level + 1

    def _join(self, first: float, second: float) -> None:
        low, high = 0, len(self._levels)
        while low < high:
            middle = (low + high) // 2
            if self._levels[middle].dominates(first, second):
                low = middle + 1
            else:
                high = middle
        moved = _Stairs([first], [-second], [self._count - 1])
        for level in range(low, len(self._levels)):
            self._numbers[moved.rows] = level
            if not (moved := self._levels[level].take(moved)).rows:
                return
        self._numbers[moved.rows] = len(self._levels)
        self._levels.append(moved)


class _Stairs:
    """One front of two objectives, or neighbours on it: the first rises along it, and so does the second, negated."""

    def __init__(self, firsts: list[float], seconds: list[float], rows: list[int]) -> None:
        self.firsts, self.seconds, self.rows = firsts, seconds, rows

    def dominates(self, first: float, second: float) -> bool:
        """Whether anyone on the front is nowhere worse than this point, and somewhere better."""
        at = bisect_right(self.firsts, first) - 1  # Of those whose first is no worse, the one with the best second.
        return at >= 0 and -self.seconds[at] <= second and (self.firsts[at] < first or -self.seconds[at] < second)

    def take(self, moved: _Stairs) -> _Stairs:
        """Take neighbours in; those that they dominate are given back, neighbours as well."""
        start = bisect_left(self.firsts, moved.firsts[0])
        while start < len(self.rows) and (self.firsts[start], self.seconds[start]) == (
            moved.firsts[0],
            moved.seconds[0],
        ):
            start += 1  # Equals stay.
        end = max(start, bisect_right(self.seconds, moved.seconds[-1]))
        pushed = _Stairs(self.firsts[start:end], self.seconds[start:end], self.rows[start:end])
        self.firsts[start:end], self.seconds[start:end] = moved.firsts, moved.seconds
        self.rows[start:end] = moved.rows
        return pushed
