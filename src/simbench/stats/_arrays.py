"""Types and small helpers that every module of :mod:`simbench.stats` shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simbench.arrays import Bools, Floats, Ints

__all__ = [
    "Bools",
    "Floats",
    "Ints",
    "as_codes",
    "as_weights",
    "at_once",
    "distinct_rows",
    "inverse",
    "one_hot",
    "ratio",
    "row_chunks",
    "solve",
]

T = TypeVar("T")
CHUNK_BYTES = 16 * 2**20
"""Working arrays stay near this size: small enough for a cache, large enough for BLAS."""
LEAST_ROWS = 32
"""But so many rows at least share one reading of what is the same for all of them."""


def as_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Return ``weights`` as a float matrix (R, n); None means one row of ones. Floats of four bytes stay so.

    Raises:
        ValueError: another shape, or a weight that is negative or not finite.
    """
    if weights is None:
        return np.ones((1, n))
    given: NDArray[Any] = np.atleast_2d(np.asarray(weights))
    matrix: Floats = given if given.dtype == np.float32 else given.astype(np.float64, copy=False)
    if matrix.ndim != 2 or matrix.shape[1] != n:
        raise ValueError(f"weights must have shape (R, {n}), one column per row of data, found {matrix.shape}")
    # One pass each, with no temporary array: NaN makes both comparisons false.
    if matrix.size and not (matrix.min() >= 0 and matrix.max() < np.inf):
        raise ValueError("weights must be finite and not negative")
    return matrix


def as_codes(codes: ArrayLike, n_codes: int, what: str = "codes") -> Ints:
    """Return ``codes`` as integers (n,) in ``-1 .. n_codes - 1``, where -1 means missing.

    Raises:
        ValueError: a code out of range, or an array that is not one-dimensional and whole-numbered.
    """
    given: NDArray[Any] = np.asarray(codes)
    array = given.astype(np.int64)
    if array.ndim != 1 or not np.array_equal(array, given):
        raise ValueError(f"{what} must be a one-dimensional array of whole numbers")
    if array.size and (array.min() < -1 or array.max() >= n_codes):
        raise ValueError(
            f"{what} must lie in -1 .. {n_codes - 1}, found {array.min()} .. {array.max()}; -1 means missing"
        )
    return array


def distinct_rows(columns: Sequence[Floats], most: int) -> tuple[Ints, Ints] | None:
    """Where every different row of some columns (n,) first stands (u,), and which of these each row (n,) equals.

    None where u > ``most``.

    Rows are told apart by a random combination of their columns and then compared: the answer is exact, but equal
    rows may count as different.
    """
    keys = np.zeros(len(columns[0]))
    for column, factor in zip(columns, np.random.default_rng(0).random(len(columns)), strict=True):
        keys += factor * column
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    if len(first) > most or not all(np.array_equal(column[first][place], column) for column in columns):
        return None
    return first.astype(np.int64), place.astype(np.int64)


def one_hot(codes: Ints, n_codes: int) -> Floats:
    """Return the indicator matrix (n, n_codes); a missing code (-1) has a row of zeros."""
    matrix = np.zeros((codes.size, n_codes))
    known = np.flatnonzero(codes >= 0)
    matrix[known, codes[known]] = 1.0
    return matrix


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Divide; where the denominator is 0 or either side is NaN the result is NaN, without a warning."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=(bottom != 0) & ~np.isnan(bottom))
    return result


def row_chunks(rows: int, floats_per_row: int) -> Iterator[slice]:
    """Cut ``rows`` into slices whose working arrays of ``floats_per_row`` each stay near 16 MB, if not too thin."""
    step = max(LEAST_ROWS, CHUNK_BYTES // (8 * max(1, floats_per_row)))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def at_once(work: Callable[[slice], T], chunks: Iterable[slice]) -> list[T]:
    """What ``work`` returns for every chunk, in their order: on all cores, where there is more than one chunk."""
    parts = list(chunks)
    if len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(os.cpu_count()) as cores:
        return list(cores.map(work, parts))


def solve(matrices: Floats, right: Floats) -> Floats:
    """Solve R linear systems: (R, p, p) and (R, p) -> (R, p)."""
    return np.asarray(np.linalg.solve(matrices, right[..., None])[..., 0], dtype=np.float64)


def inverse(matrices: Floats) -> Floats:
    """Invert R matrices (R, p, p)."""
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
