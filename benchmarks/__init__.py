"""Measures of speed and worth, each of alternatives in one run: ``python -m benchmarks.NAME``."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
