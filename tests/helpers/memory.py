"""The most memory that a piece of Python takes, in a process of its own."""

import os
import subprocess
import sys

from helpers.bundle_run import BUNDLE

_TOLD = "PEAK_KB="


def peak_mb(code: str) -> tuple[subprocess.CompletedProcess, float]:
    """What became of ``code``, run in bundle/, and its largest resident set in MB."""
    whole = f"import atexit, resource, sys; atexit.register(lambda: sys.stdout.write('{_TOLD}' + str("
    whole += f"resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)));\n{code}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", whole], cwd=BUNDLE, env=environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    return done, float(done.stdout.rpartition(_TOLD)[2]) / 1024
