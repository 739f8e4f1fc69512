"""Photos are answered in batches, and what is no photo neither breaks their order nor is held back for long."""

from collections.abc import Iterator
from itertools import islice

import pytest

from stages.answering.answered import answer_photos
from stages.answering.asking import Asked
from stages.answering.cropped import crop_photo
from stages.answering.model_folder import load_used_model
from stages.answering.photo_files import Source
from stages.answering.preparing import PreparedPhoto
from stages.learning.processes import make_accelerator
from tests.support.used import photo, used_model


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return Asked(load_used_model(used_model(tmp_path_factory.mktemp("used"))), make_accelerator())


def files(asked: Asked, kinds: str) -> Iterator[PreparedPhoto]:
    """One file after another: ``p`` is a photo, ``t`` one with trouble, and any other none."""
    cropped = crop_photo(photo("species"), asked.model.preprocessing)
    for number, kind in enumerate(kinds):
        source = Source(f"{number}{kind}")
        if kind == "t":
            yield PreparedPhoto(source, trouble="empty", message="it is empty")
        else:
            yield PreparedPhoto(source, cropped if kind == "p" else None, is_photo=kind == "p")


@pytest.mark.parametrize("batch_photos", [1, 2, 3, 16])
@pytest.mark.parametrize("kinds", ["", "p", "t", "ppppp", "tp-ptpp--", "--t", "p" * 3 + "-" * 40 + "p" * 2])
def test_each_has_what_came_of_it_in_its_place(asked, kinds, batch_photos):
    found = list(answer_photos(files(asked, kinds), asked, batch_photos=batch_photos))
    assert [one.source.name for one in found] == [f"{number}{kind}" for number, kind in enumerate(kinds)]
    assert [(one.answer is not None, one.trouble, one.is_photo) for one in found] == [
        (kind == "p", "empty" if kind == "t" else "", kind != "-") for kind in kinds
    ]


@pytest.mark.parametrize("first", ["", "p"])
def test_what_is_no_photo_is_not_held_back_till_a_batch_is_full(asked, first):
    """A folder of a million other files, with a photo among them: memory and time go with those that are held."""
    taken = 0

    def counted() -> Iterator[PreparedPhoto]:
        nonlocal taken
        for one in files(asked, first + "t" * 5000):
            taken += 1
            yield one

    assert len(list(islice(answer_photos(counted(), asked, batch_photos=16), 2))) == 2
    assert taken <= 300
