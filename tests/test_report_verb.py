"""``curate report`` end to end: what it reads, what it leaves out, what it refuses, and that its page is harmless."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.job import read_job, steps
from curate.parts import Footer, read_footer, write_part
from curate.verbs.report_folders import labels
from stored import small_dataset

EVIL = "</td></svg><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def curate(*arguments: object) -> Any:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def imported(
    folder: Path, n_correct: list[int], size: int = 8, policy: str = "tiny", evil: str = "", version: str | None = None
) -> Dataset:
    """Import one group a number of correct samples, judge them, and rank them by their stored log-probs."""
    source = folder.parent / f"{len(list(folder.parent.iterdir()))}.jsonl"
    with source.open("w") as file:
        for group, right in enumerate(n_correct):
            for index in range(size):
                row = {
                    "prompt_id": f"p{group}",
                    "prompt": f"say {group}{evil}",
                    "prompt_ids": [1],
                    "answer": str(group),
                    "group": group,
                    "sample_index": index,
                    "completion": str(group) if index < right else f"no {index}{evil}",
                    "completion_ids": [2, index],
                    "logprobs": [-0.1, -0.1 * (index + 1)],
                    "logprob_semantics": "processed",
                    "temperature": 1.0,
                    "top_p": 1.0,
                    "policy": policy,
                    "policy_version": version,
                }
                file.write(json.dumps(row) + "\n")
    curate("import", source, "--to", folder)
    curate("verify", folder, "--verifier", "exact")
    curate("logprob", folder, "--from-sampler")
    return Dataset(folder)


def trained(data: Dataset, scorer: str, rise: float) -> None:
    """Write likelihoods as of a trained policy: the sampler's, the later samples of a group higher by ``rise``."""
    rules = contract("likelihoods")
    for name in data.parts(TableRef("samples")):
        path = data.part(TableRef("likelihoods", "sampler"), name)
        shift = rise * (pl.col("sample_index") - 1)
        frame = pl.read_parquet(path).with_columns(sum_logprob=pl.col("sum_logprob") + shift - 1e-3)
        frame = frame.with_columns(mean_logprob=pl.col("sum_logprob") / pl.col("n_tokens"))
        columns = {c: frame[c].to_arrow(compat_level=pl.CompatLevel.oldest()) for c in rules.schema.names}
        footer = Footer(rules.hash, "job", read_footer(path).inputs, {})
        write_part(
            data.part(TableRef("likelihoods", scorer), name), rules.rows(columns), rules, footer, data.private / "tmp"
        )


def trained_run(folder: Path, before: str | None = None, after: str | None = None) -> Path:
    folder.mkdir(parents=True)
    manifest = {
        "recipe": "grpo",
        "arguments": {"learning_rate": 5e-5},
        "model": {"path": "strong", "fingerprint": before},
        "result": {"fingerprint": after},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    log = [
        {
            "step": s,
            "loss": 0.1,
            "grad_norm": None,
            "drift": 0.01 * s,
            "entropy": 2 - s,
            "tokens": 7,
            "all_tokens": 7 * s,
        }
        for s in (1, 2)
    ]
    summary = {"step": 2, "epochs": 1, "drift": 0.5}
    (folder / "train_log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [*log, summary]) + '{"step": 3, "al'
    )
    return folder


class Page(HTMLParser):
    """The elements and attributes of a page, and the text of its sections."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a training dataset with hostile texts, two evaluations and a training run."""
    folder = tmp_path_factory.mktemp("report")
    data = imported(folder / "train<b>", [0, 2, 4, 8], policy=EVIL, evil=EVIL)
    curate("judge", data.root, "--rule", "arithmetic")
    curate("reweight", data.root, "--recipe", "grpo")
    curate("reweight", data.root, "--recipe", "unlikely_grpo", "--set", "beta_rank=0.25", "--as", "unlikely")
    trained(data, "unlikely-policy", 0.05)
    (folder / "sft").mkdir()
    imported(folder / "sft" / "base", [0, 2, 4, 8, 1])
    (folder / "grpo").mkdir()
    imported(folder / "grpo" / "base", [0, 3, 4, 8, 0])
    run_folder = trained_run(folder / "out" / EVIL.replace("/", "-"))
    result = curate(
        "report",
        data.root,
        folder / "sft/base",
        folder / "grpo/base",
        run_folder,
        "--out",
        folder / "r.html",
        "-k",
        "1,4",
    )
    assert result.stderr.endswith(f"wrote {folder / 'r.html'}: open it in a browser\n")
    return folder / "r.html"


def test_the_sections_come_in_order_with_their_figures(whole: Path) -> None:
    text = whole.read_text()
    assert re.findall(r"<h2>([^<:]*)", text) == [
        "What was read",
        "Headline",
        "Mechanism",
        "pass@k",
        "Training",
        "A few groups to look at",
    ]
    assert (
        text.count("<figure>") == text.count("<figcaption>") == 7
    )  # rank, groups, uplift, strategies, pass@k, drift, entropy
    assert text.count("<details><summary>numbers") == 7
    assert "prompts only: no comparison of methods" in text


def test_what_the_page_says_is_what_the_tables_hold(whole: Path) -> None:
    text = whole.read_text()
    # two of four groups are mixed; unlikely_grpo keeps the same
    assert text.count("<td>2 of 4 (50.0%)</td><td>16 of 32 (50.0%)</td>") == 2
    assert text.count("<td>0.375 [") == 2  # pass@1 of both: 15 of 40 samples
    assert '<td>grpo/base</td><td>sft/base</td><td class="number">1</td>' in text
    # the training dataset is no evaluation
    assert "taken for training data: train&lt;b&gt;" in text
    assert "<td>arguments.learning_rate</td>" in text
    # of the correct samples those of rank 2 and later became likelier
    uplift = text[text.index("unlikely-policy</th>") :]
    rates = re.findall(r'<tr><td class="number">(\d)</td><td class="number">(\d)</td></tr>', uplift)
    assert rates == [("0", "0"), ("1", "0"), *((str(rank), "1") for rank in range(2, 8))]
    assert "mixed: group" in text
    assert "all wrong: group" in text
    assert "all correct: group" in text
    assert "A unlikely" in text


def test_hostile_text_is_text(whole: Path) -> None:
    page = Page(whole)
    assert "script" not in page.tags
    assert not page.tags & {
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "a",
        "image",
        "use",
        "foreignobject",
    }
    assert not {
        name for name in page.attributes if name.startswith("on") or name in ("src", "href", "xlink:href", "style")
    }
    assert "<script>alert(1)</script>" in page.text
    assert page.text.count("</svg>") > 3
    assert "default-src 'none'" in whole.read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_a_browser_shows_it_without_an_error_and_asks_the_network_for_nothing(whole: Path, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    arguments += [f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr"]
    done = subprocess.run(
        [str(CHROMIUM), *arguments, "--dump-dom", whole.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    assert "<h2>pass@k</h2>" in done.stdout
    assert "evil.example" not in log.read_text()


def test_a_report_may_be_replaced_and_another_file_not(tmp_path: Path) -> None:
    data = imported(tmp_path / "d", [1, 2])
    out = tmp_path / "r.html"
    curate("report", data.root, "--out", out)
    curate("report", data.root, "--out", out)
    out.write_text("<html>mine</html>")
    refused = run("report", data.root, "--out", out)
    assert refused.exit_code == 2
    assert "is no report of curate" in refused.stderr
    assert out.read_text() == "<html>mine</html>"
    curate("report", data.root, "--out", out, "--overwrite")
    assert "pass@k" in out.read_text()
    assert not list(tmp_path.glob("*unfinished*"))


def test_places_that_are_refused(tmp_path: Path) -> None:
    data = imported(tmp_path / "d", [1])
    for place, message in [
        (data.root / "samples" / "r.html", "lies in a table"),
        (data.root / ".curate" / "r.html", "lies in a table"),
        (tmp_path / "nowhere" / "r.html", "is not a folder"),
        (data.root, "is a folder"),
    ]:
        refused = run("report", data.root, "--out", place)
        assert refused.exit_code == 2
        assert message in refused.stderr
    assert "neither a dataset" in run("report", tmp_path, "--out", tmp_path / "r.html").stderr
    assert "given twice" in run("report", data.root, f"{data.root}/../d", "--out", tmp_path / "r.html").stderr
    assert "k is 'x'" in run("report", data.root, "--out", tmp_path / "r.html", "-k", "x").stderr


def test_missing_tables_leave_their_section_out_with_the_command_that_fills_it(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "bare")
    curate("report", data.root, "--out", tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    assert f"curate reweight {data.root} --recipe NAME" in text
    assert f"curate verify {data.root} --verifier NAME" in text
    assert "curate evaluate --uplift DIR --model CHECKPOINT" in text
    assert "svg" not in Page(tmp_path / "r.html").tags
    assert "Training" not in text


def test_datasets_of_prompts_alone_and_of_samples_alone_are_shown(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "d")
    shutil.rmtree(data.root / "samples")
    curate("report", data.root, "--out", tmp_path / "r.html")
    assert "has no samples" in Page(tmp_path / "r.html").text
    other = imported(tmp_path / "other", [1, 2])
    shutil.rmtree(other.root / "prompts")
    curate("report", other.root, "--out", tmp_path / "r.html")
    assert "(no text)" in Page(tmp_path / "r.html").text


def test_stale_and_ambiguous_tables_are_named_not_guessed(tmp_path: Path) -> None:
    data = imported(tmp_path / "d", [1, 2])
    curate("verify", data.root, "--verifier", "numeric")
    curate("report", data.root, "--out", tmp_path / "r.html")
    assert "d is left out" in Page(tmp_path / "r.html").text
    assert "several verdicts (exact, numeric): choose one with --verifier NAME" in Page(tmp_path / "r.html").text
    curate("report", data.root, "--out", tmp_path / "r.html", "--verifier", "exact")
    assert "is left out" not in Page(tmp_path / "r.html").text
    data.part(TableRef("verdicts", "exact"), "part-00000.parquet").unlink()
    curate("report", data.root, "--out", tmp_path / "r.html", "--verifier", "exact")
    text = Page(tmp_path / "r.html").text
    assert "verdicts/verifier=exact is not current" in text
    assert "lacks 1 part(s)" in text


def test_datasets_without_a_common_prompt_are_not_compared(tmp_path: Path) -> None:
    one, other = imported(tmp_path / "one", [1, 2]), imported(tmp_path / "other", [1, 2], evil="!")
    curate("report", one.root, other.root, "--out", tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    assert "other is not compared with one: one prompt_id stands for different prompts" in text
    assert "Against" not in text


def test_every_policy_is_compared_with_the_one_it_was_trained_from(tmp_path: Path) -> None:
    kinds = {"strong": [2, 4], "strong-grpo": [4, 4], "strong-other": [8, 0], "early": [0, 1], "early-grpo": [1, 1]}
    (tmp_path / "d").mkdir()
    for name, n_correct in kinds.items():
        imported(tmp_path / "d" / name, n_correct, version=f"v-{name}")
    runs = [("strong", "strong-grpo"), ("strong", "strong-other"), ("early", "early-grpo")]
    folders = [trained_run(tmp_path / "runs" / f"run-{after}", f"v-{before}", f"v-{after}") for before, after in runs]
    datasets = [tmp_path / "d" / name for name in kinds]
    found = curate("report", *datasets, *folders, "--out", tmp_path / "r.html", "-k", "1", "--json")
    pairs = [
        (pair["dataset"], pair["baseline"], pair["difference"]["1"]["value"])
        for pair in json.loads(found.stdout)["pairs"]
    ]
    assert pairs == [
        ("strong-grpo", "strong", 0.125),
        ("strong-other", "strong", 0.125),
        ("strong-other", "strong-grpo", 0.0),
        ("early-grpo", "early", 0.0625),
    ]
    assert (tmp_path / "r.html").read_text().count("with 95 % intervals over prompts as bands") == 4  # aria and caption


def test_the_terminal_shows_the_headline_within_120_columns(tmp_path: Path) -> None:
    data = imported(tmp_path / "strong", [0, 2, 4, 8])
    curate("reweight", data.root, "--recipe", "grpo")
    trained(data, "strong-grpo", 0.05)
    (tmp_path / "e").mkdir()
    datasets = [data.root]
    for name, n_correct in {"heldout-strong": [1, 2, 0], "heldout-strong-unlikely_grpo": [2, 3, 0]}.items():
        datasets.append(imported(tmp_path / "e" / name, n_correct).root)
    shown = curate("report", *datasets, "--out", tmp_path / "r.html", "-k", "1,2,4")
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "strong grpo 2 of 4 (50.0%) +1.278 - 0.0%" in lines  # .75 / .463 and .5 / .535
    assert "strong strong-grpo 14 0.0% 100.0%" in lines
    assert any(line.startswith("minus heldout-strong +.083 [") for line in lines)
    assert max(len(line.rstrip()) for line in shown.stdout.splitlines()) <= 120
    assert "How to read it" in shown.stderr
    assert "prompts only: no comparison of methods" in shown.stderr


def test_a_broken_manifest_or_part_is_an_error_without_a_file(tmp_path: Path) -> None:
    data, folder = imported(tmp_path / "d", [1]), trained_run(tmp_path / "run")
    (folder / "manifest.json").write_text("{")
    broken = run("report", folder, "--out", tmp_path / "r.html")
    assert broken.exit_code == 1
    assert "manifest.json is no JSON" in broken.stderr
    data.part(TableRef("samples"), "part-00000.parquet").write_bytes(b"PAR1")
    broken = run("report", data.root, "--out", tmp_path / "r.html")
    assert broken.exit_code == 1
    assert "cannot be read as a whole Parquet file" in broken.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_run_alone_shows_its_curves(tmp_path: Path) -> None:
    curate("report", trained_run(tmp_path / "run"), "--out", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<figure>") == 2
    rows = re.findall(r"<td>run</td>(.*?)</tr>", text[text.index("<h2>Training</h2>") :])
    cells = [re.findall(r">([^<>]*)</td>", row) for row in rows]
    assert cells[:2] == [["1", "7", "0.01", "0.1", "-"], ["2", "14", "0.02", "0.1", "-"]]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/a/eval"], ["eval"]),
        (["/a/eval", "/b/eval"], ["a/eval", "b/eval"]),
        (["/a/eval", "/b/eval", "/b/base"], ["a/eval", "b/eval", "base"]),
        (["/x/a/eval", "/y/a/eval", "/eval"], ["x/a/eval", "y/a/eval", "//eval"]),
    ],
)
def test_labels_are_as_short_as_tells_them_apart(paths: list[str], expected: list[str]) -> None:
    assert labels([Path(path) for path in paths]) == expected


def test_a_job_gives_the_list_and_is_checked_before_it_runs(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    section = f'[dataset]\npath = "{tmp_path / "d"}"\n[report]\ndatasets = ["a", "b"]\nout = "r.html"\nk = ["1,4"]\n'
    job.write_text(section)
    (step,) = steps(job, read_job(job, []))
    assert step.arguments["datasets"] == [Path("a"), Path("b")]
    job.write_text(section.replace('"b"', '"./a"'))
    with pytest.raises(ConfigError, match="given twice"):
        steps(job, read_job(job, []))


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = imported(tmp_path / "d", [1, 2])
    out = tmp_path / "r.html"
    curate("report", data.root, "--out", out)
    before = out.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused = run("report", data.root, "--out", out)
    assert refused.exit_code == 1
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("*unfinished*"))
