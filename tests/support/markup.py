"""HTML as a browser takes it: its tags with their attributes, and its text."""

from collections import Counter
from html.parser import HTMLParser

# Attributes by which a page asks for something, or runs something.
ASKING = {"src", "href", "srcset", "action", "poster", "data", "background", "formaction"}


class Markup(HTMLParser):
    """A page that was read."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._unseen = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self._unseen += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.text += data

    def asks_for(self) -> list[str]:
        """Give the addresses that it would ask others for."""
        return [value for name, value in self.attributes if name in ASKING and not value.startswith(("data:", "#"))]

    def runs(self) -> list[str]:
        """Name the attributes that run something."""
        return [name for name, value in self.attributes if name.startswith("on") or value.startswith("javascript:")]
