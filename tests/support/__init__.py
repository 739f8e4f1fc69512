"""What tests share, one subject a file."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data/sources/sample"
