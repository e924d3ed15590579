"""Stored log-probs need no model: the package imports without torch."""

import subprocess
import sys


def test_the_package_imports_without_torch() -> None:
    program = "import sys, curate.likelihood; print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
