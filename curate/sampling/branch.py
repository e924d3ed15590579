"""Rows that have drawn the same tokens after the same prompt share one node: the model reads every prefix once."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Branches(NamedTuple):
    """The nodes after a draw.

    ``nodes`` (R,) is each row's node; ``tokens`` (U,) the token of each node, ``order`` (U,) the node it grew from, and
    ``moved`` the nodes u with order[u] != u, none of which is in ``order``: a cache copies only these.
    """

    nodes: torch.Tensor
    tokens: torch.Tensor
    order: torch.Tensor
    moved: torch.Tensor


def branch(nodes: torch.Tensor, tokens: torch.Tensor, n_tokens: int) -> Branches:
    """Return one node for every distinct (node, token) of ``nodes`` (R,) and ``tokens`` (R,), token ids below ``n_tokens``.

    The first child of a node takes its place, where that is still in range; the others take the places left free.
    """
    pairs, of_row = torch.unique(nodes * n_tokens + tokens, return_inverse=True)
    parents, drawn = pairs // n_tokens, pairs % n_tokens
    n_nodes = len(pairs)
    is_first = torch.ones_like(parents, dtype=torch.bool)
    is_first[1:] = parents[1:] != parents[:-1]
    stays = is_first & (parents < n_nodes)
    is_free = torch.ones_like(is_first)
    is_free[parents[stays]] = False
    moved = is_free.nonzero().squeeze(-1)
    places = torch.where(stays, parents, 0)
    places[~stays] = moved
    order, ordered = torch.empty_like(parents), torch.empty_like(drawn)
    order[places], ordered[places] = parents, drawn
    return Branches(places[of_row], ordered, order, moved)
