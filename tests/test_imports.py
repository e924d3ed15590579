"""The import directions of CONTRIBUTING.md, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import curate
from syntax import parse

PACKAGE = Path(curate.__file__).parent
SPINE = {"errors", "contracts", "query", "parts", "dataset", "journal", "jobrecord", "states", "stage"}
LIBRARIES = {
    "polars",
    "duckdb",
    "torch",
    "transformers",
    "pyarrow",
    "numpy",
    "pydantic",
    "typer",
    "rich",
    "altair",
    "tqdm",
    "orjson",
    "aiohttp",
    "stamina",
    "math_verify",
    "sympy",
    "re2",
    "reasoning_gym",
}

ALLOWED = {  # folder -> (modules of curate beside itself, libraries)
    "reweighting": ({"errors"}, {"polars", "numpy"}),
    "verifying": ({"errors", "records"}, {"math_verify", "sympy", "re2", "reasoning_gym", "orjson", "pydantic"}),
    "judging": ({"errors", "records", "serving"}, {"orjson"}),
    "models": ({"errors"}, {"torch", "transformers"}),
    "likelihood": ({"errors", "records", "models", "serving"}, {"polars", "torch"}),
    "serving": ({"errors"}, {"aiohttp", "stamina", "orjson"}),
    "sampling": ({"errors", "records", "models", "serving"}, {"torch"}),
    "training": (SPINE | {"records", "models"}, {"polars", "pyarrow", "numpy", "torch", "transformers"}),
    "pairing": ({"errors"}, {"polars"}),
    "evaluating": ({"errors", "records"}, {"polars", "numpy"}),
    "reporting": ({"errors", "records", "console"}, {"polars", "altair"}),
    "tasks": ({"errors", "records"}, {"reasoning_gym"}),
    "importing": ({"errors", "records", "ids"}, {"polars", "pyarrow", "numpy", "orjson"}),
    "checking": (set(), {"polars", "numpy"}),
    "exporting": (SPINE, {"polars", "pyarrow"}),
}


def imports(path: Path) -> set[str]:
    """Return every imported module of a file, inside functions too, but for those of type checkers."""
    found: set[str] = set()
    for node in ast.walk(parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "curate":
                found |= {f"curate.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_it_may(folder: str) -> None:
    modules, libraries = ALLOWED[folder]
    for path in (PACKAGE / folder).rglob("*.py"):
        for name in imports(path):
            top, *rest = name.split(".")
            if top == "curate" and rest:
                assert rest[0] in modules | {folder}, f"{path.name} imports {name}"
            elif top in LIBRARIES:
                assert top in libraries, f"{path.name} imports {name}"


def importers_of(library: str) -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if library not in source:
            continue
        tree = parse(source)
        guarded = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if node not in guarded and any(name.split(".")[0] == library for name in names):
                found.add(path.relative_to(PACKAGE).as_posix())
    return found


def test_duckdb_is_imported_by_contracts_and_query_alone() -> None:
    assert importers_of("duckdb") == {"contracts.py", "query.py"}


def test_torch_is_imported_by_models_scorer_sampler_trainer_and_online_use_alone() -> None:
    files = importers_of("torch") - {"likelihood/model.py", "torch.py"}
    assert {path.split("/")[0] for path in files} <= {"models", "sampling", "training"}


@pytest.mark.parametrize(
    "library", ["torch", "transformers", "polars", "duckdb", "pyarrow", "numpy", "pydantic", "rich", "altair"]
)
def test_the_command_line_s_help_loads_no_heavy_library(library: str) -> None:
    code = (
        "import sys\nsys.argv = ['curate', '--help']\nfrom curate.cli import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    print('loaded:', {library!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("loaded: False")
