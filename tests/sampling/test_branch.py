"""Nodes: a worked case, and laws over random ones."""

import random

import torch

from curate.sampling.branch import Branches, branch


def branches(nodes: list[int], tokens: list[int]) -> Branches:
    return branch(torch.tensor(nodes), torch.tensor(tokens), 10)


def test_rows_that_drew_the_same_share_a_node() -> None:
    # node 0 goes on with token 7 alone; node 1 ended; node 2 with 4 and 5, its first child too far down to stay
    found = branches([0, 0, 2, 2, 2], [7, 7, 5, 4, 4])
    assert found.order.tolist() == [0, 2, 2]
    assert found.tokens.tolist() == [7, 5, 4]
    assert found.nodes.tolist() == [0, 0, 1, 2, 2]
    assert found.moved.tolist() == [1]


def test_one_row() -> None:
    found = branches([0], [3])
    assert (found.nodes.tolist(), found.tokens.tolist(), found.order.tolist(), found.moved.tolist()) == (
        [0],
        [3],
        [0],
        [],
    )


def test_the_last_node_alone_moves_to_the_front() -> None:
    found = branches([5, 5], [1, 1])
    assert (found.order.tolist(), found.moved.tolist(), found.nodes.tolist()) == ([5], [0], [0, 0])


def test_every_row_keeps_its_history_and_only_what_moves_is_copied() -> None:
    rng = random.Random(0)
    for _ in range(300):
        n_nodes, n_rows = rng.randint(1, 12), rng.randint(1, 30)
        nodes = [rng.randrange(n_nodes) for _ in range(n_rows)]
        tokens = [rng.randrange(rng.choice([1, 3, 10])) for _ in range(n_rows)]
        found = branches(nodes, tokens)
        order = found.order.tolist()
        for row, node in enumerate(found.nodes.tolist()):
            assert (order[node], found.tokens[node]) == (nodes[row], tokens[row])
        assert len(order) == len(set(zip(nodes, tokens, strict=True)))
        assert found.moved.tolist() == [place for place, source in enumerate(order) if source != place]
        assert not set(found.moved.tolist()) & set(order)
