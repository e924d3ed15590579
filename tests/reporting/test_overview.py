"""The section on what was read."""

from __future__ import annotations

from curate.reporting.overview import DatasetFacts, RunFacts, flattened, overview


def test_a_dataset_shows_its_counts_policies_tables_and_notes() -> None:
    facts = DatasetFacts(
        "d",
        "runs/d",
        2,
        3,
        1200,
        [("strong", "abc", 1.0, None), ("<weak>", None, 0.7, 1.0)],
        [("verdicts/verifier=exact", 1200)],
        {"curate": "0.1.0"},
        ["samples is stale"],
    )
    text = overview([facts], [])
    counts = '<td class="number">2</td><td class="number">3</td><td class="number">1,200</td>'
    assert f"<td>d</td>{counts}<td>strong</td><td>abc</td>" in text
    assert "&lt;weak&gt;" in text
    assert "runs/d; samples written by curate 0.1.0" in text
    assert "<td>verdicts/verifier=exact</td>" in text
    assert "<li>samples is stale</li>" in text


def test_a_manifest_is_flat_and_its_absence_said() -> None:
    manifest = {"recipe": "grpo", "arguments": {"lr": 5e-5, "betas": list(range(12))}, "stopped": None}
    assert flattened(manifest) == [
        ("recipe", "grpo"),
        ("arguments.lr", 5e-5),
        ("arguments.betas", "0, 1, 2, 3, 4, 5, 6, 7, ... (12 in all)"),
        ("stopped", None),
    ]
    text = overview([], [RunFacts("a", "out/a", manifest), RunFacts("b", "out/b", None)])
    assert "<td>arguments.lr</td><td>5e-05</td>" in text
    assert "<td>b</td><td>-</td>" in text.replace(' class="number"', "")
    assert "out/b has no manifest.json" in text


def test_the_headlines_of_runs_stand_in_one_table() -> None:
    manifest = {
        "recipe": {"variant": "unlikely", "recipe": "unlikely_grpo"},
        "arguments": {"objective": {"name": "grpo"}, "learning_rate": 5e-5},
        "steps": 12,
        "trained_tokens": 34567,
        "end": {"drift": 0.0123},
        "stopped": "all steps done",
    }
    text = overview([], [RunFacts("a", "out/a", manifest)]).replace(' class="number"', "")
    cells = ("a", "unlikely", "grpo", "5e-05", "12", "34,567", "0.0123", "all steps done")
    assert "".join(f"<td>{cell}</td>" for cell in cells) in text
