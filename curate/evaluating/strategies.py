"""How many strategies a group knows, counted by how often it uses each."""

from __future__ import annotations

import polars as pl


def effective_number(sizes: pl.Expr) -> pl.Expr:
    """Return the effective number of strategies, exp(-sum p ln p), p the shares of the clusters of these sizes.

    ``sizes`` are samples a cluster, each at least 1. 1 where all samples are alike, n where n clusters are equally
    frequent; one sample gives 1, no cluster gives 1 too (an empty sum): ask only where there is one. Source: Hill
    number of order 1, doi 10.2307/1934352.
    """
    p = sizes / sizes.sum()
    return (-(p * p.log()).sum()).exp()


def effective_by_group(clusters: pl.DataFrame) -> pl.DataFrame:
    """Return ``n_clusters`` and ``effective`` of every group_id that has a clustered sample, in the order met.

    ``clusters`` has group_id and cluster, a row a sample; samples whose cluster is null are left out, and so are
    groups that have no other.
    """
    sizes = clusters.drop_nulls("cluster").group_by("group_id", "cluster", maintain_order=True).len()
    return sizes.group_by("group_id", maintain_order=True).agg(
        n_clusters=pl.len().cast(pl.Int64), effective=effective_number(pl.col("len"))
    )
