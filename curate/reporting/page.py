"""The page: one HTML file that reads nothing but itself and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from curate.reporting.markup import escape

GENERATOR = '<meta name="generator" content="curate report">'
STYLE = """
:root { color-scheme: light dark; --text: #1b1b1b; --paper: #ffffff; --soft: #666666; --line: #d0d0d0; --tint: #f4f4f4 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e6; --paper: #17191c; --soft: #a0a0a0; --line: #44474c; --tint: #212429 }
}
body { max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; font: 16px/1.5 system-ui, sans-serif;
       color: var(--text); background: var(--paper); overflow-wrap: anywhere }
h1 { font-size: 1.6rem; margin: 1rem 0 0 }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1rem }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .3rem }
.soft, .note { color: var(--soft) }
.note { font-size: .95rem }
figure { margin: 1rem 0 1.5rem }
figure svg { max-width: 100%; height: auto; display: block }
figure svg text { fill: currentColor }
figcaption { max-width: 46rem; margin-top: .3rem }
details { margin: .3rem 0 1rem }
summary { cursor: pointer; color: var(--soft) }
.wide { overflow-x: auto; margin: .5rem 0 1rem }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600 }
.number { text-align: right }
pre, .texts td:first-child { font: .85rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
pre { background: var(--tint); padding: .5rem .8rem; margin: .5rem 0 }
.texts td:first-child { min-width: 16rem }
.texts table { font-size: .8rem }
.texts th, .texts td { padding-right: .6rem }
@media print {
  :root { color-scheme: light; --text: #000000; --paper: #ffffff; --soft: #444444; --line: #bbbbbb; --tint: #f4f4f4 }
  body { max-width: none; padding: 0; font-size: 11pt }
  figure svg, tr { break-inside: avoid }
  h2, h3 { break-after: avoid }
  .wide { overflow: visible }
  details::details-content { content-visibility: visible; block-size: auto }
}
"""
# The hash lets this one style sheet through; a style, script, image or address that a text might smuggle in stays dead.
POLICY = "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """Return the whole page; ``sections`` are HTML, ``title`` and ``lead`` text."""
    policy = POLICY.format(hash=base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode())
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{GENERATOR}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(lead)}</p>\n' + "\n".join(sections) + "\n</body>\n</html>\n"
    )
