"""The page in a real browser: what it says of photos and of what is none, to whom, and in which language."""

import re
import typing

import pytest
from PIL import Image

from stages.answering.cropped import Trouble
from tests.support.chromium import Page, chromium, needs_chromium
from tests.support.contrast import LEAST, contrasts
from tests.support.photo_page import HOSTILE, PhotoPage, serving_photos, write_model
from tests.support.pictures import picture
from tests.support.used import photo

pytestmark = [pytest.mark.slow, needs_chromium]

ANSWERED = "photos.length && photos.every(each => each.said)"
LOADED = "[...document.querySelectorAll('main img')].every(image => image.complete && image.naturalWidth)"
HEADLINE = "document.querySelector('#result h1').textContent"
SHOWN = "document.body.innerText"
LINES = "[...document.querySelectorAll('.line')].map(each => [...each.children].map(part => part.innerText))"
OUTSIDE = """[...document.querySelectorAll('body *')].filter(each => {
  if (!each.checkVisibility() || each.closest('#told, .rail, .square')) return false;
  const { left, right } = each.getBoundingClientRect();
  const isCut = each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline';
  return left < -0.5 || right > innerWidth + 0.5 || isCut;
}).map(each => each.outerHTML.slice(0, 100))"""
SMALL = """[...document.querySelectorAll('button:not(.quiet)')]
  .filter(each => each.checkVisibility() && each.offsetHeight < 44).map(each => each.outerHTML)"""
GRAY_AND_BLACK = """(() => {
  document.body.innerHTML = '<p>gray</p><p>black</p>';
  document.body.style.background = '#fff';
  document.body.firstChild.style.color = '#777';
  document.body.lastChild.style.color = '#000';
})()"""
PASTE = """(() => {{
  const data = new DataTransfer();
  {}
  dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data }}));
}})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser"), of_this_machine=True) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_photos(write_model(tmp_path_factory.mktemp("model"))) as served:
        yield served


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Photos of which the model says one thing or another, and what is none."""
    folder = tmp_path_factory.mktemp("files")
    for of in ("species", "other species", "genus", "nothing"):
        (folder / f"{of}.jpg").write_bytes(photo(of, 400, 300))
    (folder / "broken.jpg").write_bytes(photo("species", 400, 300)[:700])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"<html>not found</html>")
    (folder / "IMG_1204.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500))
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(60_000_000)
    return folder


def opened(browser, server: PhotoPage, language: str = "en-US", width: int = 1400, **look: bool) -> Page:
    page = browser.open("about:blank")
    page.prefer(language)
    page.resize(width, 900, **look)
    browser.load(page._session, "Page.navigate", url=server.url)
    page.until("document.body.dataset.ready")
    return page


def drop(page: Page, *paths) -> None:
    page.drop(*paths)
    page.until(ANSWERED)


def test_a_photo_is_shown_with_its_square_what_is_said_and_whose_the_examples_are(browser, server, files):
    page = opened(browser, server)
    drop(page, files / "species.jpg")
    page.until(LOADED)
    assert page.run(HEADLINE) == "Abies alba"
    assert page.run("document.querySelector('.eyebrow').textContent") == "Species"
    answer = server.identify((files / "species.jpg").read_bytes())[1]
    lines = page.run(LINES)
    for (name, share), species in zip(lines, answer["species"], strict=True):
        assert name == species["name"]
        assert abs(int(share.strip("<> %")) / 100 - species["probability"]) <= 0.0101
    bars = page.run("[...document.querySelectorAll('.guess .rail div')].map(each => each.style.width)")
    assert [float(bar.rstrip("%")) for bar in bars] == pytest.approx(
        [100 * species["probability"] for species in answer["species"]], abs=0.01
    )
    # The square lies on the photo where the server says, in its pixels.
    box = (
        "(each => [each.left, each.top, each.width, each.height])(document.querySelector('{}').getBoundingClientRect())"
    )
    left, top, width, height = page.run(box.format("#frame img"))
    found = page.run(box.format(".square"))
    x, y, side = answer["seen"]
    scale = width / answer["width"]
    assert height == pytest.approx(scale * answer["height"], abs=1)
    assert found == pytest.approx([left + scale * x, top + scale * y, scale * side, scale * side], abs=1)
    assert width > 600
    # Examples with photographer and license, and the source one click away; nobody's name where nobody is named.
    captions = page.run("[...document.querySelectorAll('.example')].map(each => each.innerText)")
    captions = [caption.replace("\xa0", " ") for caption in captions]
    assert captions[0].endswith("· CC BY-SA")
    assert captions[0].startswith("ann\ufffd <img src=x")
    assert captions[2] == "nobody named · CC0"
    assert page.run("[...document.querySelectorAll('.example a')].map(each => each.href)") == [
        "https://photos.example/0", "https://photos.example/1"
    ]  # fmt: skip
    assert "No openly licensed example photo." in page.run("document.querySelector('.guess:nth-child(2)').innerText")
    # Names of strangers are text.
    assert page.run("document.title") == "What plant is this?"
    assert page.run("document.querySelectorAll('[onerror], [src=x]').length") == 0
    assert HOSTILE[4:] not in page.run("document.body.innerHTML")
    # It can be hidden, and comes back.
    page.run("document.getElementById('toggle').click()")
    assert page.run("document.querySelector('.square')") is None
    page.run("document.getElementById('toggle').click()")
    assert page.run("document.querySelectorAll('.square').length") == 1
    assert page.run(SHOWN).count("Never rely on this answer") == 1
    assert page.asked
    assert all(address.startswith(server.url) for address in page.asked)
    assert page.errors == []


@pytest.mark.parametrize(
    ("language", "other", "genus", "nothing", "warning"),
    [
        ("en-US", "es", "Genus Abies", "I do not know", "eaten"), ("es-ES", "en", "Género Abies", "No lo sé", "comer"),
        ("de-DE", "es", "Genus Abies", "I do not know", "eaten"), ("es-AR", "en", "Género Abies", "No lo sé", "comer"),
    ],
)  # fmt: skip
def test_it_says_genus_alone_or_that_it_does_not_know_in_the_reader_s_language(
    browser, server, files, language, other, genus, nothing, warning
):
    page = opened(browser, server, language)
    for file, headline in (("genus", genus), ("nothing", nothing)):
        drop(page, files / f"{file}.jpg")
        assert page.run(HEADLINE) == headline
        assert warning in page.run("document.querySelector('#result .warning').innerText")
    assert page.run("document.getElementById('told').textContent").startswith(nothing)
    before = page.run(SHOWN)
    page.run(f"document.querySelector('[data-language={other}]').click()")
    assert page.run("document.documentElement.lang") == other
    assert page.run(HEADLINE) == {"es": "No lo sé", "en": "I do not know"}[other]
    # All that is said is said in the other one, but for names.
    kept = {*before.splitlines()} & {*page.run(SHOWN).splitlines()}
    more = {line for line in kept if not re.fullmatch(r"|English|Español|A\w+ \w+|Betula \w+|[\d<> %]+|.*CC.*", line)}
    assert not more
    # What a person chose is kept, and what a browser prefers is not taken for that.
    page.reload()
    page.until("document.body.dataset.ready")
    assert page.run("document.documentElement.lang") == other
    page.run("localStorage.clear()")
    assert page.errors == []


def test_both_languages_have_all_words_and_all_troubles_of_a_photo(browser, server):
    page = opened(browser, server)
    keys = "language => Object.entries(WORDS[language]).map(([key, words]) => [key, typeof words, Object.keys(words)])"
    english, spanish = (page.run(f"({keys})('{language}')") for language in ("en", "es"))
    assert [entry[:2] for entry in english] == [entry[:2] for entry in spanish]
    troubles = [set(page.run(f"Object.keys(WORDS.{language}.troubles)")) for language in ("en", "es")]
    assert troubles[0] == troubles[1]
    assert troubles[0] >= {*typing.get_args(Trouble), "too_large", "busy", "cut", "failed", "gone", "unreadable"}


@pytest.mark.parametrize(
    ("name", "said", "spanish"),
    [
        ("broken.jpg", "no photo that can be read", "No es una foto"), ("text.jpg", "damaged or cut off", "dañado"),
        ("empty.jpg", "file is empty", "está vacío"), ("large.jpg", "At most 50 MB", "como mucho 50 MB"),
        ("IMG_1204.HEIC", "Most Compatible", "El más compatible"),
    ],
)  # fmt: skip
def test_what_is_no_photo_is_said_with_what_to_do_and_the_next_one_is_answered(
    browser, server, files, name, said, spanish
):
    page = opened(browser, server)
    drop(page, files / name)
    assert page.run("document.body.dataset.state") == "trouble"
    assert said in page.run("document.getElementById('result').innerText")
    assert said in page.run("document.getElementById('told').textContent")
    page.run("document.querySelector('[data-language=es]').click()")
    assert spanish in page.run("document.getElementById('result').innerText")
    page.run("localStorage.clear()")
    sent = [address for address in page.asked if address.endswith("/photo")]
    assert len(sent) == (0 if name == "large.jpg" else 1)
    drop(page, files / "species.jpg")
    assert page.run(HEADLINE) == "Abies alba"
    assert page.errors == []


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_nothing_is_cut_and_fingers_hit_the_buttons(browser, server, files, width):
    page = opened(browser, server, width=width, by_touch=True, dark=width == 320)

    def looks_well() -> None:
        page.until(LOADED)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run(OUTSIDE) == []
        assert page.run(SMALL) == []

    looks_well()
    assert page.run("document.querySelector('#start .camera').checkVisibility()")
    assert page.run("document.getElementById('camera').getAttribute('capture')") == "environment"
    assert not page.run("document.querySelector('.by-mouse').checkVisibility()")
    for name in ("species.jpg", "nothing.jpg", "IMG_1204.HEIC"):
        drop(page, files / name)
        looks_well()
    # The photo is as wide as the phone, and what is said begins on the first screen.
    page.run("take([photos[0].file])")
    page.until(ANSWERED)
    page.until(LOADED)
    assert page.run("document.querySelector('#frame').offsetWidth") >= width - 50
    assert page.run("document.querySelector('#result h1').getBoundingClientRect().bottom") < 900
    background = page.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(19, 22, 15)") == (width == 320)
    assert page.errors == []


def test_by_the_keyboard_alone(browser, server, files):
    page = opened(browser, server)
    page.choose_by_hand()
    focused = "document.activeElement"

    def go_to(label: str) -> None:
        for _ in range(20):
            page.press("Tab")
            if page.run(f"{focused}.textContent") == label:
                assert page.run(f"getComputedStyle({focused}).outlineStyle") == "solid"
                return
        raise AssertionError(label)

    go_to("Choose a photo")
    page.press("Enter")
    page.choose(files / "genus.jpg")
    page.until(ANSWERED)
    assert page.run(HEADLINE) == "Genus Abies"
    go_to("Hide it")
    page.press("Enter")
    assert page.run("document.querySelector('.square')") is None
    assert page.run(f"{focused}.textContent") == "Show it"
    page.press("Enter")
    go_to("Another photo")
    page.press("Enter")
    page.choose(files / "species.jpg", files / "nothing.jpg")
    page.until(f"photos.length === 3 && {ANSWERED}")
    assert page.run(HEADLINE) == "Abies alba"
    for _ in range(3):
        page.press("Tab")
    page.press("Enter")  # the last one in the strip
    assert page.run(HEADLINE) == "I do not know"
    page.run("document.activeElement.blur()")
    go_to("Español")
    page.press("Enter")
    assert page.run(HEADLINE) == "No lo sé"
    page.run("localStorage.clear()")
    assert page.errors == []


def test_ten_at_once_are_answered_each_and_can_be_gone_through(browser, server, files):
    page = opened(browser, server)
    said = {
        "species.jpg": "Abies alba", "other species.jpg": "Betula pendula", "genus.jpg": "Genus Abies",
        "nothing.jpg": "I do not know", "IMG_1204.HEIC": "HEIC photos cannot be read",
    }  # fmt: skip
    names = [*said, *said]
    drop(page, *(files / name for name in names))
    for place, name in enumerate(names):
        page.run(f"document.querySelectorAll('#strip button')[{place}].click()")
        assert page.run(HEADLINE) == said[name]
        label = page.run(f"document.querySelectorAll('#strip button')[{place}].getAttribute('aria-label')")
        # Chromium gives the second of two names a number.
        assert re.match(rf"Photo {place + 1}: {name[:4]}[^:]*\. {said[name]}", label), label
    assert page.run("document.querySelectorAll('#strip [aria-current=true]').length") == 1
    assert len([address for address in page.asked if address.endswith("/photo")]) == 10
    assert page.errors == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_can_be_read_and_all_that_is_shown_has_a_name(browser, server, files, dark):
    page = opened(browser, server, dark=dark)
    states = {"start": None} | {name: name for name in ("species.jpg", "genus.jpg", "nothing.jpg", "empty.jpg")}
    for file in states.values():
        if file:
            drop(page, files / file)
            page.until(LOADED)
        found = contrasts(page)
        assert len(found) > 5
        assert {text: ratio for text, ratio in found.items() if ratio < LEAST} == {}
        named = [(role, name) for role, name in page.accessible() if role in ("button", "link", "image", "heading")]
        assert len(named) > 3
        assert [role for role, name in named if not name.strip()] == []
    page.run("(() => { current.state = 'waiting'; show(); noFile(); })()")
    assert {text: ratio for text, ratio in contrasts(page).items() if ratio < LEAST} == {}
    # The measure itself: gray on white has 4.48, black on white 21.
    page.run(GRAY_AND_BLACK)
    assert contrasts(page) == pytest.approx({"gray": 4.48, "black": 21}, abs=0.005)


def test_pictures_have_texts_that_say_what_they_are(browser, server, files):
    page = opened(browser, server)
    drop(page, files / "species.jpg")
    images = [name for role, name in page.accessible() if role == "image"]
    assert images[0] == "Your photo: species.jpg"
    assert set(images[1:]) == {"Example photo of Abies alba", "Example photo of Abies balsamea"}


def test_a_paste_is_taken_and_what_is_no_file_is_said(browser, server, files):
    page = opened(browser, server)
    page.run(PASTE.format("data.setData('text/plain', 'a');"))
    assert page.run("document.getElementById('notice').textContent").startswith("That was no file")
    page.run("document.querySelector('[data-language=es]').click()")
    assert page.run("document.getElementById('notice').textContent").startswith("Eso no era un archivo")
    page.run("localStorage.clear()")
    content = list(photo("genus", 400, 300))
    page.run(PASTE.format(f"data.items.add(new File([new Uint8Array({content})], 'a.jpg'));"))
    page.until(ANSWERED)
    assert page.run(HEADLINE) == "Género Abies"
    assert not page.run("document.getElementById('notice').checkVisibility()")
    assert page.errors == []


def test_a_folder_is_said_to_be_one(browser, server, files):
    page = opened(browser, server)
    drop(page, files)
    assert "It is a folder" in page.run("document.getElementById('result').innerText")


def test_what_the_browser_does_not_show_or_turns_otherwise_is_shown_as_the_model_sees_it(browser, server, tmp_path):
    Image.fromarray(picture(300, 200)).save(tmp_path / "a.tiff")
    page = opened(browser, server)
    drop(page, tmp_path / "a.tiff")
    page.until(LOADED)
    assert page.run("document.querySelector('#frame img').src").startswith("data:image/jpeg")
    assert "does not show this kind of file" in page.run("document.getElementById('caption').textContent")
    assert page.run("document.querySelector('.square')") is None
    turned = Image.fromarray(picture(300, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    drop(page, tmp_path / "turned.jpg")
    page.until(LOADED)
    assert page.run("[photos[1].said.width, photos[1].said.height]") == [200, 300]
    assert page.run("document.querySelector('#frame img').naturalWidth") == 200
    assert page.run("document.querySelectorAll('.square').length") == 1
    assert page.errors == []


def test_a_server_that_is_gone_is_said(browser, tmp_path, files):
    with serving_photos(write_model(tmp_path, examples=False)) as server:
        page = opened(browser, server)
        drop(page, files / "species.jpg")
        assert "There are no example photos beside this model." in page.run(SHOWN)
        assert page.run("document.querySelectorAll('.example, .none').length") == 0
    drop(page, files / "genus.jpg")
    page.until(f"photos.length === 2 && {ANSWERED}")
    assert "make serve" in page.run("document.getElementById('result').innerText")
