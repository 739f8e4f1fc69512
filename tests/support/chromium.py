"""A headless Chromium without a network, or with none but this machine: what a page shows, asks for and complains of.

It is spoken to over its debugging pipe: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install it (Debian: apt-get install chromium) to see that pages are drawn"
)
_WAIT_S = 60.0
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe", "--window-size=1400,1000", "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
)  # fmt: skip
_NOBODY = ("--proxy-server=127.0.0.1:9",)  # as what is asked is a proxy that is not there
ELSEWHERE = "rebound.example"  # a name that points to this machine, as a hostile one may
_THIS_MACHINE = (f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",)
# What a key is called, what it types, and its number, where that is not its letter's.
_KEYS = {
    " ": ("Space", " ", 32), "/": ("Slash", "/", 191), "?": ("Slash", "?", 191), "Enter": ("Enter", "\r", 13),
    "Escape": ("Escape", "", 27), "Shift": ("ShiftLeft", "", 16), "ArrowDown": ("ArrowDown", "", 40),
    "ArrowRight": ("ArrowRight", "", 39), "Tab": ("Tab", "", 9),
}  # fmt: skip


@dataclass
class Page:
    """A page that was opened: what it asked others for, and its errors, until now; and where it asked for files."""

    _browser: "Chromium"
    _session: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    choosers: list[int] = field(default_factory=list)

    def run(self, script: str) -> Any:
        """Give what an expression of JavaScript gives, or the promise that it gives does."""
        found = self._browser.call(
            "Runtime.evaluate", self._session, expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        again = f"({condition}) ? then(true) : Date.now() > end ? then(false) : setTimeout(look, 20)"
        end = f"Date.now() + {500 * _WAIT_S}"
        found = self.run(f"new Promise(then => {{ const end = {end}; const look = () => {again}; look() }})")
        assert found, (condition, self.asked[-20:], self.errors)

    def press(self, key: str, *, shift: bool = False, times: int = 1) -> None:
        """Press a key and let it go, as a person does; held, it comes several times."""
        code, text, number = _KEYS.get(
            key, (f"{'Digit' if key.isdigit() else 'Key'}{key.upper()}", key, ord(key.upper()[0]))
        )
        if shift and key.isdigit():  # as on a keyboard of the United States
            key = text = "!@#$%"[int(key) - 1]
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 * shift}
        for time_ in range(times):
            kind = "keyDown" if text else "rawKeyDown"
            self._send("Input.dispatchKeyEvent", type=kind, text=text, autoRepeat=time_ > 0, **about)
        self._send("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Type a text where the cursor is."""
        self._send("Input.insertText", text=text)

    def choose(self, *paths: Path) -> None:
        """Choose files where the page has asked for some, as a person does in the window that comes up."""
        end = time.monotonic() + _WAIT_S
        while not self.choosers and time.monotonic() < end:
            self.run("0")  # takes what the browser says meanwhile
        self._send(
            "DOM.setFileInputFiles", files=[str(path.resolve()) for path in paths], backendNodeId=self.choosers.pop()
        )

    def choose_by_hand(self) -> None:
        """Let no window come up where the page asks for files: ``choose`` says which."""
        self._send("Page.setInterceptFileChooserDialog", enabled=True)

    def drop(self, *paths: Path, x: int = 200, y: int = 200) -> None:
        """Drag files onto the page and drop them."""
        data = {"items": [], "files": [str(path.resolve()) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def prefer(self, languages: str) -> None:
        """Give the browser a list of languages; what is loaded afterwards sees them."""
        agent = self.run("navigator.userAgent")
        self._send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=languages)

    def resize(self, width: int, height: int, *, dark: bool = False, by_touch: bool = False) -> None:
        """Give the window a size, and the page a color scheme; a phone is used by touch, not by a mouse."""
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=by_touch
        )
        self._send("Emulation.setTouchEmulationEnabled", enabled=by_touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])

    def reload(self) -> None:
        """Load the page again, and wait until it is."""
        self._browser.load(self._session, "Page.reload")

    def _send(self, method: str, **params: Any) -> None:
        self._browser.call(method, self._session, **params)

    def accessible(self) -> list[tuple[str, str]]:
        """Give role and name of all that a screen reader comes upon."""
        nodes = self._browser.call("Accessibility.getFullAXTree", self._session)["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        found = self._browser.call("Page.captureScreenshot", self._session, format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def note(self, method: str, about: dict[str, Any]) -> None:
        """Take an event of the browser."""
        if method == "Network.requestWillBeSent" and not about["request"]["url"].startswith(
            ("file:", "data:", "blob:")
        ):
            self.asked.append(about["request"]["url"])
        elif method == "Page.fileChooserOpened":
            self.choosers.append(about["backendNodeId"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(about["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.errors.append(json.dumps(about["args"])[:500])
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(about["entry"]["text"])


class Chromium:
    """A browser that runs."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._read = b""
        self._number = 0
        self._pages: dict[str, Page] = {}
        self._loaded: set[str] = set()

    def open(self, place: Path | str) -> Page:
        """Open a file or an address and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        address = place if isinstance(place, str) else place.resolve().as_uri()
        self.load(session, "Page.navigate", url=address)
        return page

    def load(self, session: str, method: str, **params: Any) -> None:
        """Ask a page to load something, and wait until it has."""
        self._loaded.discard(session)
        self.call(method, session, **params)
        while session not in self._loaded:
            self._take(self._next())

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask the browser for something and give its answer; events that come before it are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._take(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _take(self, event: dict[str, Any]) -> None:
        session = event.get("sessionId", "")
        if event.get("method") == "Page.loadEventFired":
            self._loaded.add(session)
        elif session in self._pages:
            self._pages[session].note(event.get("method", ""), event.get("params", {}))

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _WAIT_S
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium says nothing"
            got = os.read(self._from, 1 << 20)
            assert got, "Chromium has ended"
            self._read += got
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(folder: Path, *, of_this_machine: bool = False) -> Iterator[Chromium]:
    """Start a browser that keeps its profile in a folder, and end it.

    Args:
        folder: for its profile.
        of_this_machine: whether it may ask servers of 127.0.0.1; without, it has no network at all.
    """
    assert CHROMIUM is not None
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    # Where this user may, in a network of its own with nothing in it; the proxy, which nobody is, stands there anyway.
    alone = (
        ["unshare", "-rn"]
        if not of_this_machine
        and not subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode
        else []
    )
    network = _THIS_MACHINE if of_this_machine else _NOBODY
    command = [*alone, CHROMIUM, *_FLAGS, *network, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", *command],
        pass_fds=(their_in, their_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(their_in)
    os.close(their_out)
    try:
        browser = Chromium(our_out, our_in)
        yield browser
        browser.call("Browser.close")
    finally:
        os.close(our_out)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(our_in)
