"""The wheel holds its contracts and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_built_wheel_imports_and_checks_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    wheel = next(tmp_path.glob("curate-*.whl"))
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert "curate/schemas/samples.sql" in archive.namelist()
        archive.extractall(site)
    (tmp_path / "rows.csv").write_text("prompt,completion,reward\nq,a,1\nq,b,0\n")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); sys.path.append({sysconfig.get_paths()['purelib']!r})\n"
        f"import curate; assert curate.__file__.startswith({str(site)!r}), curate.__file__\n"
        "from curate.cli import main\n"
        "sys.argv = ['curate', *sys.argv[1:]]; main()"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for arguments in (
        ["import", "rows.csv", "--to", "data"],
        ["reweight", "data", "--recipe", "grpo"],
        ["check", "data"],
    ):
        # -S leaves out the site hooks of the checkout's own editable install
        ran = subprocess.run(
            [sys.executable, "-S", "-c", code, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
    assert "keep every rule" in ran.stderr
