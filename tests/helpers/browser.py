"""A page as headless Chromium shows it: its width, what it asks for, what its console says."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers.programs import find

# Without these Chromium talks to servers of its own.
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
_IMAGES = """Promise.all([...document.images].map(image => {
    image.loading = "eager";
    return image.decode().then(() => null, () => image.getAttribute("src"));
})).then(names => JSON.stringify(names.filter(name => name !== null)))"""


@dataclass(frozen=True)
class Visit:
    """What a page did in a window of ``width`` CSS pixels."""

    scroll_width: int  # of the whole page; more than the window's means scrolling sideways
    text: str
    requests: list[str]  # addresses, the page's own first
    errors: list[str]  # of the console
    images: int
    broken_images: list[str]


class _Pipe:
    """Chromium's DevTools protocol over two pipes: JSON messages that end with a zero byte."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._left, self._count = write, read, b"", 0
        self.events: list[dict] = []

    def _next(self) -> dict:
        while b"\0" not in self._left:
            part = os.read(self._read, 1 << 16)
            if not part:
                raise ConnectionError("Chromium ended")
            self._left += part
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """Result of a method; events that come before it are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self.events.append(answer)
        if "error" in answer:
            raise ConnectionError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait(self, method: str) -> None:
        while all(event.get("method") != method for event in self.events):
            self.events.append(self._next())


@contextmanager
def _chromium(profile: Path, seconds: float) -> Iterator[_Pipe]:
    """A browser with an empty profile; it ends with the block, or after ``seconds``."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Chromium reads its descriptor 3 and writes its descriptor 4.
    shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    command = [find("chromium"), *_OPTIONS, *_QUIET, f"--user-data-dir={profile}", "about:blank"]
    with (profile / "chromium.log").open("w") as log:
        browser = subprocess.Popen(
            ["/bin/bash", "-c", shell, "bash", *command], pass_fds=(theirs_in, theirs_out), stdout=log, stderr=log
        )
    for descriptor in (theirs_in, theirs_out):
        os.close(descriptor)
    alarm = threading.Timer(seconds, browser.kill)
    alarm.start()
    try:
        yield _Pipe(ours_out, ours_in)
    finally:
        alarm.cancel()
        browser.terminate()
        browser.wait(timeout=20)
        for descriptor in (ours_out, ours_in):
            os.close(descriptor)


def visit(page: Path, profile: Path, width: int = 390, seconds: float = 60) -> Visit:
    """Opens a file in a phone-wide window; ``profile`` is an empty folder.

    Raises:
        ConnectionError: the browser ended, or did not answer within ``seconds``.
    """
    with _chromium(profile, seconds) as browser:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            browser.call(f"{domain}.enable", session)
        window = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        browser.call("Emulation.setDeviceMetricsOverride", session, **window)
        browser.call("Page.navigate", session, url=page.as_uri())
        browser.wait("Page.loadEventFired")

        def value(expression: str):
            asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
            return browser.call("Runtime.evaluate", session, **asked)["result"]["value"]

        broken = json.loads(value(_IMAGES))
        scroll_width = value("document.documentElement.scrollWidth")
        text, images = value("document.body.innerText"), value("document.images.length")
        happened = [(event.get("method"), event.get("params", {})) for event in browser.events]
    return Visit(
        scroll_width=scroll_width,
        text=text,
        requests=[what["request"]["url"] for method, what in happened if method == "Network.requestWillBeSent"],
        errors=[json.dumps(what) for method, what in happened if _is_error(method, what)],
        images=images,
        broken_images=broken,
    )


def _is_error(method: str, what: dict) -> bool:
    return (
        method == "Runtime.exceptionThrown"
        or (method == "Runtime.consoleAPICalled" and what["type"] in ("error", "assert"))
        or (method == "Log.entryAdded" and what["entry"]["level"] == "error")
    )
