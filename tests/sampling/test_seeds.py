"""Seeds of samples: golden numbers, for every dataset on disk holds some."""

from curate.sampling.seeds import branch_seeds, sample_seeds


def test_golden_seeds() -> None:
    assert sample_seeds(0, -6664124937949616144, 3) == [
        2267708009890150579,
        2267708009890150580,
        2267708009890150581,
    ]


def test_a_seed_follows_from_job_seed_group_and_index_alone() -> None:
    assert sample_seeds(3, 7, 8)[:4] == sample_seeds(3, 7, 4)
    assert len({sample_seeds(job, group, 1)[0] for job in range(20) for group in range(20)}) == 400
    assert all(0 <= seed < 2**63 for seed in sample_seeds(-1, -(2**63), 5))


def test_golden_seeds_of_continuations() -> None:
    assert branch_seeds(0, -6664124937949616144, 2, 1, 2) == [790943196743867298, 790943196743867299]
    assert branch_seeds(0, -6664124937949616144, -1, 0, 1) == [258713427507954172]
