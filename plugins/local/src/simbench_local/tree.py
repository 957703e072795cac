"""Texts as trees of tokens: what several have in common is fed to the model once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Ints

__all__ = ["Forest", "OptionTree", "ancestors"]


def ancestors(parents: Sequence[int]) -> NDArray[np.bool_]:
    """Visibility (n, n) in a forest: a token sees itself and what lies above it.

    ``parents[i]`` is below ``i``, or -1 for a token with nothing above.
    """
    seen = np.eye(len(parents), dtype=np.bool_)
    for token, parent in enumerate(parents):
        if parent >= 0:
            seen[token] |= seen[parent]
    return seen


@dataclass(frozen=True)
class Forest:
    """Sequences of tokens with every beginning that some of them share held once.

    ``tokens[i]`` stands behind token ``parents[i]`` (-1: nothing above), ``paths[s]`` are the positions in
    ``tokens`` that make up sequence s.
    """

    tokens: list[int]
    parents: list[int]
    paths: list[list[int]]

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> Forest:
        """The forest of these sequences, tokens in the order in which they first occur."""
        places: dict[tuple[int, int], int] = {}
        paths = []
        for sequence in sequences:
            path: list[int] = []
            for token in sequence:
                path.append(places.setdefault((path[-1] if path else -1, token), len(places)))
            paths.append(path)
        return cls([token for _, token in places], [parent for parent, _ in places], paths)

    @cached_property
    def depth(self) -> Ints:
        """(n,): how many tokens stand above each."""
        depth: list[int] = []
        for parent in self.parents:
            depth.append(depth[parent] + 1 if parent >= 0 else 0)
        return np.array(depth, dtype=np.int64)


@dataclass(frozen=True)
class OptionTree:
    """The options of an item, each a sequence of at least one token, none the beginning of another.

    ``nodes`` are the tokens that must be fed: every token that some option goes on from. ``parents`` are
    positions in ``nodes``, -1 for those directly behind the forced text. Scoring row 0 is the last forced
    token, scoring row i + 1 is node i; ``edges`` (e, 2) are the distinct (scoring row, token) pairs whose
    log-probabilities are needed, ``paths`` (k, e) says which of them make up each of the k options.
    """

    options: tuple[tuple[int, ...], ...]

    @cached_property
    def _fed(self) -> Forest:
        return Forest.of(option[:-1] for option in self.options)

    @cached_property
    def _walk(self) -> tuple[dict[tuple[int, int], int], list[list[int]]]:
        edges: dict[tuple[int, int], int] = {}
        steps = []
        for option, path in zip(self.options, self._fed.paths, strict=True):
            rows = [0, *(node + 1 for node in path)]
            steps.append([edges.setdefault(edge, len(edges)) for edge in zip(rows, option, strict=True)])
        return edges, steps

    @property
    def nodes(self) -> list[int]:
        """Tokens to feed."""
        return self._fed.tokens

    @property
    def parents(self) -> list[int]:
        """Position of each node's parent among the nodes; -1: the forced text."""
        return self._fed.parents

    @cached_property
    def depth(self) -> Ints:
        """How many tokens behind the last forced token each node stands, from 1."""
        return self._fed.depth + 1

    @cached_property
    def edges(self) -> Ints:
        """(e, 2): scoring row and token."""
        return np.array(list(self._walk[0]), dtype=np.int64)

    @cached_property
    def paths(self) -> NDArray[np.float64]:
        """(k, e): 1 where an option uses an edge."""
        paths = np.zeros((len(self.options), len(self.edges)))
        for option, taken in enumerate(self._walk[1]):
            paths[option, taken] = 1.0
        return paths

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """(k, nodes): the nodes that lie on an option's own path."""
        kept = np.zeros((len(self.options), len(self.nodes)), dtype=np.bool_)
        for option, path in enumerate(self._fed.paths):
            kept[option, path] = True
        return kept

    @cached_property
    def lengths(self) -> Ints:
        """(k,): tokens of each option."""
        return np.array([len(option) for option in self.options], dtype=np.int64)

    @cached_property
    def last(self) -> Ints:
        """(k,): the last token of each option, which is not among the nodes."""
        return np.array([option[-1] for option in self.options], dtype=np.int64)
