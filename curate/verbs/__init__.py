"""The verbs, one a file, in pipeline order.

A verb's Python signature is the only definition of its options: the command line and the sections of a job file are
both made from it. Importing this package must stay cheap: a verb imports what it needs when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from curate.verbs.branch import branch
from curate.verbs.check import check
from curate.verbs.compare import compare
from curate.verbs.demo import demo
from curate.verbs.evaluate import evaluate
from curate.verbs.explain import explain
from curate.verbs.export import export
from curate.verbs.hint import hint
from curate.verbs.import_ import import_
from curate.verbs.judge import judge
from curate.verbs.logprob import logprob
from curate.verbs.pairs import pairs
from curate.verbs.prompts import prompts
from curate.verbs.recipes import recipes
from curate.verbs.report import report
from curate.verbs.reweight import reweight
from curate.verbs.run import run
from curate.verbs.sample import sample
from curate.verbs.show import show
from curate.verbs.sql import sql
from curate.verbs.status import status
from curate.verbs.train import train
from curate.verbs.verify import verify

VERBS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "run": run,
    "import": import_,
    "prompts": prompts,
    "sample": sample,
    "verify": verify,
    "hint": hint,
    "explain": explain,
    "logprob": logprob,
    "judge": judge,
    "branch": branch,
    "reweight": reweight,
    "pairs": pairs,
    "compare": compare,
    "export": export,
    "train": train,
    "evaluate": evaluate,
    "report": report,
    "sql": sql,
    "show": show,
    "status": status,
    "check": check,
    "recipes": recipes,
}
