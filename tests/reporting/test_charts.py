"""Charts: what is drawn, and that no text of the data means anything to the renderer."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import polars as pl
import pytest

from curate.reporting import charts

HOSTILE = ['</svg><script>alert("x")</script>', "a' onload='alert(1)", "datum.y \x07\u202e", "{{x}} ]]> <!--"]


def curve(names: list[str], n: int = 4) -> pl.DataFrame:
    rows = [
        {"name": name, "x": 2**i, "y": i / n, "low": i / n - 0.1, "high": i / n + 0.1, "is_flagged": i == n - 1}
        for name in names
        for i in range(n)
    ]
    return pl.DataFrame(rows)


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_lines_have_their_names_ticks_and_titles_as_text() -> None:
    shown = texts(charts.svg(charts.lines(curve(["base", "grpo"]), x="k", y="pass@k", x_log=True)))
    assert {"k", "pass@k", "base", "grpo", "1", "2", "4", "8"} <= set(shown)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    bars = pl.DataFrame({"name": [name, "b"], "y": [0.5, 0.2]})
    stacked = pl.DataFrame({"name": [name, name], "kind": ["trains", "all_wrong"], "y": [0.5, 0.5]})
    words = curve([name]).with_columns(x=pl.lit(name))
    for chart in (
        charts.lines(curve([name, "b"]), x="k", y="y", x_log=True),
        charts.lines(words, x="rank", y="y", x_kind="O", zero=True),
        charts.bars(bars, x="share", percent=True),
        charts.bars(stacked, x="share", percent=True),
    ):
        svg = charts.svg(chart)
        tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(svg).iter()}
        assert tags <= {"svg", "g", "path", "rect", "line", "text", "title", "desc", "defs", "clipPath"}
        assert not re.search(r"<[^>]*\son[a-z]+=", svg)
        assert "href" not in re.sub(r">[^<]*<", "><", svg)
        assert name.replace("\x07", "\\x07").replace("\u202e", "\\x202e")[:12] in " ".join(texts(svg))


def test_lines_of_one_chart_differ_in_colour_dash_and_shape() -> None:
    names = [f"line {i}" for i in range(20)]
    spec = charts.lines(curve(names), x="k", y="y").to_dict()
    line, points = spec["layer"][-2]["encoding"], spec["layer"][-1]["encoding"]
    scales = [line["color"]["scale"], line["strokeDash"]["scale"], points["shape"]["scale"]]
    assert [scale["domain"] for scale in scales] == [names] * 3
    looks = list(zip(*(scale["range"] for scale in scales), strict=True))
    assert len({str(look) for look in looks}) == 20
    assert len({look[0] for look in looks[:7]}) == len({look[2] for look in looks[:7]}) == 7


def test_flagged_points_are_hollow_and_long_lines_have_no_points() -> None:
    few = charts.svg(charts.lines(curve(["a"]), x="k", y="y"))
    assert few.count('fill-opacity="0"') == 1
    many = curve(["a"]).head(1).select(pl.all().repeat_by(50).explode())
    assert len(charts.lines(many, x="k", y="y").to_dict()["layer"]) == 2  # band and line


def test_a_null_leaves_a_gap_and_an_empty_chart_is_drawn() -> None:
    gap = curve(["a"]).with_columns(y=pl.when(pl.col("x") != 2).then("y")).drop("low", "high")
    assert "NaN" not in charts.svg(charts.lines(gap, x="k", y="y"))
    assert charts.svg(charts.bars(curve(["a"]).clear(), x="y")).startswith("<svg")


def test_the_background_is_the_page_s_own() -> None:
    svg = charts.svg(charts.bars(pl.DataFrame({"name": ["a"], "y": [1.0]}), x="y"))
    assert 'fill="white"' not in svg
    assert " id=" not in svg  # several charts share one page
