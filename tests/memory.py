"""Peak memory of a piece of code in a process of its own."""

import subprocess
import sys

# Not ru_maxrss: a child inherits its parent's.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))
"""


def run(code: str, *arguments: str) -> list[int]:
    """Runs code that may call peak(), the process's peak in MB, and prints integers."""
    command = [sys.executable, "-c", PEAK + code, *arguments]
    return [int(word) for word in subprocess.run(command, capture_output=True, check=True).stdout.split()]
