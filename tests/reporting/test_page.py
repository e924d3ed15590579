"""The page around the sections."""

from __future__ import annotations

import base64
import hashlib
import re

from curate.reporting import GENERATOR, page


def test_the_policy_lets_through_this_style_sheet_and_nothing_else() -> None:
    text = page("title", "lead", ["<section>s</section>"])
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert text.index("Content-Security-Policy") < text.index("<title>")


def test_title_and_lead_are_text_and_the_generator_is_named_early() -> None:
    text = page("</title><script>1</script>", "<b>", [])
    assert "<script" not in text
    assert "<title>&lt;/title&gt;" in text
    assert '<p class="soft">&lt;b&gt;</p>' in text
    assert GENERATOR in text[:500]


def test_nothing_is_loaded() -> None:
    text = page("t", "l", [])
    assert not re.search(r"https?:|url\(|@import|<link|<img|src=", text)
