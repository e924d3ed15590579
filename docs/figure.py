"""Draw the README's figure from the dataset of jobs/quickstart.toml.

python docs/figure.py runs/quickstart/dataset docs/advantage-by-rank.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import altair as alt
import polars as pl

from curate.dataset import Dataset


def change_by_rank(data: Dataset) -> pl.DataFrame:
    """Return likelihood rank (1 = most likely, shared ranks rounded down) and mean A(unlikely_grpo) - A(grpo)."""
    query = """
        SELECT floor(likelihood_rank)::INTEGER AS rank, avg(u.advantage - g.advantage) AS change
        FROM advantages g
        JOIN advantages u USING (group_id, sample_index)
        JOIN likelihoods USING (group_id, sample_index)
        JOIN verdicts USING (group_id, sample_index)
        WHERE g.recipe = 'grpo' AND u.recipe = 'unlikely_grpo' AND outcome = 'correct' AND g.advantage IS NOT NULL
        GROUP BY rank ORDER BY rank
    """
    return pl.DataFrame(data.sql(query).to_arrow_table())


def draw(rows: pl.DataFrame) -> alt.Chart:
    return (
        alt.Chart(rows, width=560, height=220)
        .mark_bar()
        .encode(
            x=alt.X(
                "rank:O",
                title="likelihood rank in the group of 16 (1 = what the policy was likeliest to say)",
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("change:Q", title="change of the mean advantage"),
            color=alt.condition("datum.change > 0", alt.value("#4c78a8"), alt.value("#e45756")),
        )
        .properties(title="Correct samples: advantage under unlikely_grpo minus advantage under grpo")
    )


if __name__ == "__main__":
    dataset, target = sys.argv[1:]
    draw(change_by_rank(Dataset(dataset))).save(Path(target))
