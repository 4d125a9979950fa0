"""Peak memory of a piece of code, run in a separate process."""

import subprocess
import sys

# Not ru_maxrss: a child inherits that of its parent.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))
"""


def run_and_measure(code: str, *arguments: str) -> list[int]:
    """Run code that prints integers, and return these. It may call peak(), the process's peak in MB."""
    command = [sys.executable, "-c", PEAK + code, *arguments]
    return [int(word) for word in subprocess.run(command, capture_output=True, check=True).stdout.split()]
