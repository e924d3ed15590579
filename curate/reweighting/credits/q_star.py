"""Token credit from two models' log-probs: what a model trained by DPO says of each token beside its reference."""

from __future__ import annotations

import polars as pl

from curate.errors import ContractError
from curate.reweighting.pieces import Credit

LOGPROBS, REF_LOGPROBS = "logprobs", "ref_logprobs"


def implicit_credit(beta: float, *, weigh: bool) -> Credit:
    """Give token_credit c_t = beta * (logprobs_t - ref_logprobs_t), and with ``weigh`` token advantages of it.

    Those are A * w_t with w = T * softmax(sign(A) * c): their mean over the completion is A, a token that the model finds
    better than its reference does gets more of a positive advantage and less of a negative one.
    """

    def tokens(frame: pl.DataFrame) -> pl.DataFrame:
        rows = frame.select(
            pl.col(LOGPROBS, REF_LOGPROBS).cast(pl.List(pl.Float64)), pl.col("advantage").cast(pl.Float64)
        ).with_row_index("row")
        if rows.filter(pl.col(LOGPROBS).list.len() != pl.col(REF_LOGPROBS).list.len()).height:
            raise ContractError(
                "two scorers differ in how many tokens a completion has: score again with one tokenizer"
            )
        credit = beta * (pl.col(LOGPROBS) - pl.col(REF_LOGPROBS))
        scored = rows.filter(pl.all_horizontal(pl.col(LOGPROBS, REF_LOGPROBS).list.len() > 0))
        long = scored.explode(LOGPROBS, REF_LOGPROBS).with_columns(credit=credit)
        signed = pl.col("advantage").sign() * pl.col("credit")
        raised = (signed - signed.max()).exp()
        of_row = long.group_by("row", maintain_order=True).agg(
            token_credit="credit", token_advantages=pl.col("advantage") * pl.len() * raised / raised.sum()
        )
        made = rows.select("row").join(of_row, on="row", how="left", maintain_order="left")
        return made.select("token_credit", *(["token_advantages"] if weigh else []))

    return Credit(tokens, (LOGPROBS, REF_LOGPROBS))
