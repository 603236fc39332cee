"""BLAS gets one thread before NumPy is loaded, so that a fit is as fast on any number of cores."""

import os
import subprocess
import sys

CODE = """
import sys
from stroma.cli import main
assert "numpy" not in sys.modules, "too late for the environment to be read"
sys.argv = ["stroma", "list", "populations"]
try:
    main.run()
except SystemExit:
    pass
import os
print(os.environ["OPENBLAS_NUM_THREADS"])
"""


def run(**environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    found = subprocess.run([sys.executable, "-c", CODE], env=kept | environment, capture_output=True, text=True,
                           check=True)
    return found.stdout.split()[-1]


def test_one_thread_unless_the_environment_says_otherwise() -> None:
    assert run() == "1"
    assert run(OPENBLAS_NUM_THREADS="4") == "4"
