"""Python sources as trees."""

from __future__ import annotations

import ast
import gc


def parse(source: str) -> ast.Module:
    """Return the tree of a source, built with the collector off.

    CPython 3.11 counts the depth of the tree in one place for the whole interpreter (gh-106905): a collection in between that runs
    Python code which parses too ends in "SystemError: AST constructor recursion depth mismatch".
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collecting:
            gc.enable()
