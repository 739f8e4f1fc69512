"""The stages of dvc.yaml."""

import yaml

from tests.support import ROOT

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
# Those that give the same bytes wherever they run.
DATA_STAGES = ("export", "cache_filter", "contact_sheet", "near_duplicates", "split", "compare_crops", "pack")
