"""Which photos somebody means, and their bytes."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answering.photo_files import NoPhotoError, ReadingError, Source, find_photos, read_photo
from tests.support.image_server import image, image_server, status
from tests.support.pictures import encoded, jpeg, picture

PHOTO = jpeg(picture(40, 30))


def names(folder: Path, *words: str) -> list[str]:
    return [source.name.replace(f"{folder}/", "") for source in find_photos([*words] or [str(folder)]).sources]


def trouble(source: Source) -> tuple[str, str]:
    with pytest.raises(ReadingError) as caught:
        read_photo(source)
    assert "\n" not in str(caught.value)
    return caught.value.trouble, str(caught.value)


def write(folder: Path, *files: str, content: bytes = PHOTO) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_folder_is_all_its_files_in_the_order_of_their_names(tmp_path):
    write(tmp_path, "b.jpg", "a.jpg", "in/z.jpg", "in/a/1.jpg", ".hidden.jpg", ".folder/x.jpg", "In/B.JPG")
    found = find_photos([str(tmp_path)])
    assert [source.name for source in found.sources] == [
        f"{tmp_path}/{name}" for name in ("a.jpg", "b.jpg", "In/B.JPG", "in/z.jpg", "in/a/1.jpg")
    ]
    assert all(source.in_folder for source in found.sources)
    assert found.hidden == 2
    assert (found.linked, found.unread) == (0, [])


def test_what_was_named_comes_in_that_order_and_as_often(tmp_path):
    write(tmp_path, "b.jpg", "a.jpg", "in/.c.jpg")
    words = [str(tmp_path / "b.jpg"), "https://example.org/x.jpg", str(tmp_path / "a.jpg"), str(tmp_path / "in/.c.jpg")]
    assert names(tmp_path, *words, words[0]) == ["b.jpg", "https://example.org/x.jpg", "a.jpg", "in/.c.jpg", "b.jpg"]
    assert not any(source.in_folder for source in find_photos(words).sources)


def test_other_processes_find_what_was_named_from_here(tmp_path, monkeypatch):
    write(tmp_path, "a.jpg", "in/b.jpg")
    monkeypatch.chdir(tmp_path)
    sources = find_photos(["a.jpg", "in"]).sources
    assert [source.name for source in sources] == ["a.jpg", "in/b.jpg"]
    assert [source.path for source in sources] == [tmp_path / "a.jpg", tmp_path / "in/b.jpg"]


def test_a_link_to_a_folder_is_counted_and_not_followed(tmp_path):
    write(tmp_path, "a/1.jpg")
    (tmp_path / "a/round").symlink_to(tmp_path / "a")
    (tmp_path / "a/2.jpg").symlink_to(tmp_path / "a/1.jpg")
    found = find_photos([str(tmp_path / "a")])
    assert [Path(source.name).name for source in found.sources] == ["1.jpg", "2.jpg"]
    assert found.linked == 1
    (tmp_path / "named").symlink_to(tmp_path / "a")
    assert len(find_photos([str(tmp_path / "named")]).sources) == 2


def test_a_folder_without_files_is_said_each(tmp_path):
    (tmp_path / "none").mkdir()
    write(tmp_path, "hidden/.a.jpg", "some/a.jpg")
    found = find_photos([str(tmp_path / name) for name in ("none", "hidden", "some")])
    assert found.unread == [
        f"{tmp_path}/none: there is no file in it",
        f"{tmp_path}/hidden: there is no file in it (hidden 1)",
    ]
    assert len(found.sources) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_is_said(tmp_path):
    write(tmp_path, "a/1.jpg", "b.jpg")
    (tmp_path / "a").chmod(0)
    (tmp_path / "b.jpg").chmod(0)
    found = find_photos([str(tmp_path)])
    assert found.unread == [f"{tmp_path}/a: Permission denied"]
    assert trouble(found.sources[0]) == ("unreadable", "it cannot be read (Permission denied)")
    (tmp_path / "a").chmod(0o700)


@pytest.mark.parametrize("suffix", ["", ".txt", ".JPG", ".dat"])
@pytest.mark.parametrize(
    "content",
    [
        PHOTO, *(encoded(picture(40, 30), name) for name in ("PNG", "WEBP", "GIF", "TIFF", "AVIF")),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
    ],
)  # fmt: skip
def test_a_photo_in_a_folder_is_one_whatever_its_name(tmp_path, suffix, content):
    write(tmp_path, f"a{suffix}", content=content)
    [source] = find_photos([str(tmp_path)]).sources
    assert read_photo(source) == content


@pytest.mark.parametrize("content", [b"", b"BM is how this text begins", b"{}", b"\0\0\0\x18ftypisom" + bytes(99)])
def test_what_is_no_photo_by_name_and_bytes_is_left_out_of_a_folder_and_read_where_it_is_named(tmp_path, content):
    write(tmp_path, "a.txt", "a", "a.jpg", content=content)
    for source in find_photos([str(tmp_path)]).sources:
        if source.name.endswith(".jpg"):
            assert read_photo(source) == content
        else:
            with pytest.raises(NoPhotoError):
                read_photo(source)
    [named] = find_photos([str(tmp_path / "a.txt")]).sources
    assert read_photo(named) == content


@pytest.mark.parametrize("suffix", ["dng", "NEF", "cr2"])
def test_raw_photos_are_no_previews(tmp_path, suffix):
    write(tmp_path, f"a.{suffix}", content=encoded(picture(40, 30), "TIFF"))
    for word in (tmp_path, tmp_path / f"a.{suffix}"):
        [source] = find_photos([str(word)]).sources
        assert trouble(source) == ("raw", f"raw photos (.{suffix.lower()}) are not read: make a JPEG of it")


def test_what_is_not_there_or_no_file_is_said(tmp_path, monkeypatch):
    missing = "there is no such file or folder"
    assert trouble(Source("x", tmp_path / "none.jpg")) == ("missing", missing)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "none")
    assert trouble(find_photos([str(tmp_path)]).sources[0]) == ("missing", missing)
    assert trouble(Source("x", Path("a\0b")))[0] == "unreadable"
    assert trouble(Source("x", tmp_path / ("n" * 300)))[0] == "unreadable"
    os.mkfifo(tmp_path / "pipe.jpg")
    assert trouble(Source("x", tmp_path / "pipe.jpg")) == ("not_a_file", "it is no regular file")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        assert trouble(Source("x", Path("socket.jpg")))[0] == "not_a_file"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.write(PHOTO)
        file.truncate(400_000_001)  # takes no room
    assert trouble(Source("x", tmp_path / "a.jpg")) == ("too_large", "it is larger than 400.0 MB: shrink it")


def test_an_address_is_asked_and_its_secrets_are_not_shown():
    with image_server() as server:
        server.script("/a.jpg?key=topsecret", image(PHOTO))
        server.script("/none.jpg", status(404))
        word = server.url("/a.jpg?key=topsecret").replace("http://", "http://ana:secret@")
        good, bad = find_photos([word, server.url("/none.jpg")]).sources
        assert read_photo(good) == PHOTO
        assert "secret" not in good.name
        assert trouble(bad) == ("address", "the host answered 404 Not Found")


@given(st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_whatever_is_typed_stands_for_something(words):
    """Nothing that is typed is lost without a word: a source that can be asked, or a line."""
    found = find_photos(words)
    assert len(found.sources) + len(found.unread) >= len(words)


def test_pictures_of_answers_are_left_out_of_a_folder_around_them_and_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "predicted/a-1234.jpg", "predicted/b-1234.jpg", "more/predicted/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PHOTO)
    found = find_photos(["."], pictures=Path("predicted"))
    assert [source.name for source in found.sources] == ["a.jpg", "more/predicted/c.jpg"]
    assert found.drawn == 2
    # Who names the folder itself means it.
    assert len(find_photos(["predicted"], pictures=Path("predicted")).sources) == 2
