"""`make bench`: tonelake beside a plain loop and the ideal for this machine, in one run on the same rendered tracks.

python -m tests.benchmarks.throughput [--tracks 300] [--seconds 60]
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from lake.sources import list_sources
from schemas.settings import Settings
from tests.cli import environment
from workers.render.catalogue import render_catalogue

PROBE = """
import resource, sys, time
t = time.perf_counter(); import lancedb; lancedb_s = time.perf_counter() - t
t = time.perf_counter(); import torch; torch_s = time.perf_counter() - t
t = time.perf_counter(); import tokenizers; tokenizers_s = time.perf_counter() - t
print(f"import lancedb {lancedb_s:.2f} s, torch {torch_s:.2f} s, tokenizers {tokenizers_s:.2f} s")
"""
