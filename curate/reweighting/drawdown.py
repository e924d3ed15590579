"""Draw-down: a group that a stopping rule sampled on trains on a fixed number of its samples."""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

from curate.errors import ConfigError, ContractError
from curate.reweighting.order import GROUP, KEY
from curate.reweighting.recipe import CORRECT

STOPPING = ("stopping_rule", "n_initial")
DRAWN_TO = pl.col("drawn_to")


def drawn_to(frame: pl.DataFrame, draw: int | None) -> pl.Series | None:
    """Return G, the most samples that a row's group trains on; null a row where no rule drew the group.

    G is ``draw``, else the group's n_initial. Null for the whole frame where it has no ``stopping_rule``. Raises
    ConfigError for a ``draw`` below 2 (a group of one does not train) or above n_initial (groups that met the rule at
    once have no more, so there would be no fixed number), ContractError for a rule without n_initial.
    """
    if draw is not None and draw < 2:
        raise ConfigError(f"draw is {draw}: a group of fewer than 2 samples does not train")
    if "stopping_rule" not in frame.columns or frame["stopping_rule"].null_count() == frame.height:
        return None
    is_ruled = pl.col("stopping_rule").is_not_null()
    n_initial = pl.col("n_initial") if "n_initial" in frame.columns else pl.lit(None, pl.Int32)
    found = frame.select(
        drawn_to=pl.when(is_ruled).then(n_initial if draw is None else pl.lit(draw)).cast(pl.Int64),
        n_initial=pl.when(is_ruled).then(n_initial).cast(pl.Int64),
        is_ruled=is_ruled,
    )
    n_unknown = found.filter(is_ruled=True)["n_initial"].null_count()
    if n_unknown:
        raise ContractError(f"n_initial is null where stopping_rule is not: {n_unknown} rows")
    least = found["n_initial"].min()
    if draw is not None and isinstance(least, int) and draw > least:
        raise ConfigError(
            f"draw is {draw}, more than the {least} samples of a group that met its stopping rule at once"
        )
    return found["drawn_to"]


def is_initial(frame: pl.DataFrame) -> pl.Series:
    """Say which samples were drawn before a stopping rule looked: the first n_initial; all where no rule drew the group."""
    if "n_initial" not in frame.columns:
        return pl.repeat(True, frame.height, dtype=pl.Boolean, eager=True)
    return frame.select((pl.col("sample_index") < pl.col("n_initial")).fill_null(True)).to_series()


def draw_down(samples: pl.DataFrame) -> pl.DataFrame:
    """Add ``surplus``, true for the judged samples that do not train, and null what the recipe reads of those.

    Reads the key, ``group``, ``correct`` and ``drawn_to`` = G. A group of N > G judged samples keeps exactly G: of its
    rarer outcome (the correct ones where both are as many) all, up to G/2 rounded down; the rest of the other outcome.
    Inside an outcome the samples come in the order of a hash of (group_id, sample_index), so neither the order of the
    rows, nor other groups, nor likelihoods decide, and every recipe trains on the same ones. From G = 2 on both
    outcomes survive where both were there. A group of G judged samples or fewer loses nothing.

    What that does to the estimate: the rule looked at outcomes alone, so, given its outcomes, a group's correct
    completions are independent draws of the policy's correct ones, likewise its wrong ones, and a hash picks without
    looking. Only the mix of the two is not the policy's: m = kept correct / G stands where the pass rate p would. A
    prompt's expected update under grpo is G sqrt(m (1 - m)) (mean gradient of the correct - mean gradient of the
    wrong), eps and ddof aside: its direction is that of the pass rate's gradient as ever, but its length is that of a
    prompt with m >= 1/G, and the prompt trains up to max_samples / G times as often as without the rule. Hard prompts
    weigh more, on purpose; undrawn, a lone success of N = 128 would weigh (N-1)/sqrt(N) = 11.2 and its prompt N rows.
    Neither m nor a mean reward of such groups estimates the pass rate: the first n_initial samples do.
    """
    n_judged = CORRECT.count().over(GROUP)
    is_over = samples.select((CORRECT.is_not_null() & (n_judged > DRAWN_TO)).fill_null(False)).to_series()
    over = samples.filter(is_over)
    places = pl.Series("place", [_hash(*key) for key in over.select(KEY).iter_rows()], pl.UInt64)
    n_correct = CORRECT.sum().over(GROUP)
    n_wrong = CORRECT.count().over(GROUP) - n_correct
    n_rare = pl.min_horizontal(n_correct, n_wrong, DRAWN_TO // 2)
    kept_alike = pl.when((n_correct <= n_wrong) == CORRECT).then(n_rare).otherwise(DRAWN_TO - n_rare)
    left = over.with_columns(places).select(pl.col("place").rank("ordinal").over(GROUP, "correct") > kept_alike)
    surplus = pl.repeat(False, samples.height, dtype=pl.Boolean, eager=True)
    inputs = pl.exclude(*KEY, GROUP, "initial", "drawn_to", "surplus")
    return samples.with_columns(surplus=surplus.scatter(is_over.arg_true(), left.to_series())).with_columns(
        pl.when(~pl.col("surplus")).then(inputs).name.keep()
    )


def _hash(group_id: object, sample_index: object) -> int:
    digest = blake2b(f"{group_id}|{sample_index}".encode(), digest_size=8, person=b"drawdown").digest()
    return int.from_bytes(digest, "big")


def capped(advantage: pl.Expr) -> pl.Expr:
    """Cut the advantage of a group with ``drawn_to`` = G at +-sqrt(G); others keep theirs.

    It comes last, after damping and clamps, so that the bound holds for what is stored. A lone success under grpo has
    (G-1)/sqrt(G), below it: the cap acts on estimators that do not divide by a std, with rewards of any size.
    """
    return pl.when(DRAWN_TO.is_not_null()).then(advantage.clip(-DRAWN_TO.sqrt(), DRAWN_TO.sqrt())).otherwise(advantage)
