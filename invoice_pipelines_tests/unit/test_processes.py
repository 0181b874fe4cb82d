"""What processes say of themselves to those who started them."""

import subprocess
import sys

CHILD = "from invoice_pipelines.processes import peak_memory; print(peak_memory())"
PARENT = f"""
import subprocess, sys
held = bytearray(400_000_000)
held[:: 4096] = b"x" * len(held[:: 4096])
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, check=True, text=True).stdout)
"""


def test_a_process_counts_its_own_memory_and_not_that_of_who_started_it() -> None:
    """Or a pool started by a large process would take each of its processes for worn out after one document."""
    alone = int(subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True).stdout)
    below = int(subprocess.run([sys.executable, "-c", PARENT], capture_output=True, check=True).stdout)
    assert 0 < below < alone + 100_000_000
