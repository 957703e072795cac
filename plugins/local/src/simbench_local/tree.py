"""Options as a tree of tokens: what must be fed to the model to score all of them in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["OptionTree", "ancestors"]

Ints = NDArray[np.int64]


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
class OptionTree:
    """The options of an item, each a sequence of at least one token, none the beginning of another.

    ``nodes`` are the tokens that must be fed: every token that some option goes on from. ``parents`` are
    positions in ``nodes``, -1 for those directly behind the forced text. Scoring row 0 is the last forced
    token, scoring row i + 1 is node i; ``edges`` (e, 2) are the distinct (scoring row, token) pairs whose
    log-probabilities are needed, ``paths`` (k, e) says which of them make up each of the k options.
    """

    options: tuple[tuple[int, ...], ...]

    @cached_property
    def _walk(self) -> tuple[list[int], list[int], dict[tuple[int, int], int], list[list[int]]]:
        nodes: list[int] = []
        parents: list[int] = []
        place: dict[tuple[int, ...], int] = {}
        edges: dict[tuple[int, int], int] = {}
        steps: list[list[int]] = []
        for option in self.options:
            row, taken = 0, []
            for depth, token in enumerate(option):
                taken.append(edges.setdefault((row, token), len(edges)))
                if depth + 1 == len(option):
                    break
                path = option[: depth + 1]
                if path not in place:
                    place[path] = len(nodes)
                    nodes.append(token)
                    parents.append(row - 1)
                row = place[path] + 1
            steps.append(taken)
        return nodes, parents, edges, steps

    @property
    def nodes(self) -> list[int]:
        """Tokens to feed."""
        return self._walk[0]

    @property
    def parents(self) -> list[int]:
        """Position of each node's parent among the nodes; -1: the forced text."""
        return self._walk[1]

    @cached_property
    def depth(self) -> Ints:
        """How many tokens behind the last forced token each node stands, from 1."""
        depth: list[int] = []
        for parent in self.parents:
            depth.append(1 if parent < 0 else depth[parent] + 1)
        return np.array(depth, dtype=np.int64)

    @cached_property
    def edges(self) -> Ints:
        """(e, 2): scoring row and token."""
        return np.array(list(self._walk[2]), dtype=np.int64)

    @cached_property
    def paths(self) -> NDArray[np.float64]:
        """(k, e): 1 where an option uses an edge."""
        paths = np.zeros((len(self.options), len(self.edges)))
        for option, taken in enumerate(self._walk[3]):
            paths[option, taken] = 1.0
        return paths

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """(k, nodes): the nodes that lie on an option's own path."""
        kept = np.zeros((len(self.options), len(self.nodes)), dtype=np.bool_)
        seen = ancestors(self.parents)
        for option, taken in enumerate(self._walk[3]):
            row = int(self.edges[taken[-1], 0])
            if row:
                kept[option] = seen[row - 1]
        return kept

    @cached_property
    def lengths(self) -> Ints:
        """(k,): tokens of each option."""
        return np.array([len(option) for option in self.options], dtype=np.int64)

    @cached_property
    def last(self) -> Ints:
        """(k,): the last token of each option, which is not among the nodes."""
        return np.array([option[-1] for option in self.options], dtype=np.int64)
