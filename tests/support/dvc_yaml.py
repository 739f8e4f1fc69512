"""The stages of dvc.yaml."""

from stages.runtime.yaml_files import read_yaml
from tests.support import ROOT

PIPELINE = read_yaml(ROOT / "dvc.yaml")
STAGES = PIPELINE["stages"]
# Those that give the same bytes wherever they run.
DATA_STAGES = ("export", "cache_filter", "contact_sheet", "near_duplicates", "split", "compare_crops", "pack")
