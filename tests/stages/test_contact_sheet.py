"""The contact sheet shows every verdict, whatever became of the images."""

import hashlib
import json

import numpy as np
import pytest

from stages.contact_sheet import read_tile
from stages.tables.cache_filter import REJECTED
from stages.tables.table import read_table, write_table
from tests.support import ROOT, SAMPLE
from tests.support.pictures import encoded
from tests.support.running import run_here


def test_an_image_too_large_to_decode_is_not_decoded_for_the_sheet(tmp_path):
    content = encoded(np.zeros((300, 400, 3), np.uint8), "PNG")
    (tmp_path / "a.jpg").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    tile = read_tile(tmp_path, "a.jpg", digest, len(content), 0.1, caption="")
    assert (tile.pixels, tile.text) == (None, "400 x\n300 px")
    assert read_tile(tmp_path, "a.jpg", digest, len(content), 0.2, caption="").pixels is not None


@pytest.fixture
def sample(workspace):
    """A workspace with the sample and what the first stages make of it."""
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(SAMPLE)
    for stage in ("export", "cache_filter"):
        assert run_here(stage, workspace).returncode == 0
    return workspace


def test_the_sample_has_every_verdict(sample):
    verdicts = json.loads((sample / "data/reports/cache_filter.json").read_text())["by_verdict"]
    assert set(verdicts) == {
        "sound", "not_in_cache", "empty", "not_an_image", "truncated", "too_small", "blank", "extreme_aspect",
        "nearly_blank", "not_a_photo", "too_blurred", "placeholder",
    }  # fmt: skip


def test_the_contact_sheet_is_the_committed_one_and_needs_no_image(sample):
    result = run_here("contact_sheet", sample)
    assert result.returncode == 0, result.stderr
    picture = sample / "plots/rejected_images.png"
    assert picture.read_bytes() == (ROOT / "plots/rejected_images.png").read_bytes()
    assert picture.stat().st_size < 1_000_000
    # Rejected files are replaced by the next download: a sheet without them is still drawn.
    (sample / "empty").mkdir()
    (sample / "data/sources/sample").unlink()
    (sample / "data/sources/sample").mkdir()
    inventory = SAMPLE / "inventory.parquet"
    (sample / "data/sources/sample/inventory.parquet").write_bytes(inventory.read_bytes())
    result = run_here("contact_sheet", sample, IMAGE_CACHE_DIR=str(sample / "empty"))
    assert result.returncode == 0, result.stderr
    assert picture.read_bytes() != (ROOT / "plots/rejected_images.png").read_bytes()


def test_a_cache_full_of_sound_images_gives_an_empty_sheet(sample):
    rejected = read_table(sample / "data/rejected.parquet", REJECTED).clear()
    write_table(rejected, REJECTED, sample / "data/rejected.parquet")
    assert "0 rejected images" in run_here("contact_sheet", sample).stdout
