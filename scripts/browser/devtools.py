"""A page of a headless Chromium, driven by its DevTools protocol."""

import asyncio
import base64
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
# All that is shown, also within web components, whose contents `innerText` leaves out.
TEXT = """(() => {
  const words = [];
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) { if (node.textContent.trim()) words.push(node.textContent.trim()); return; }
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.tagName)) return;
      if (getComputedStyle(node).display === 'none') return;
    }
    if (node.shadowRoot) walk(node.shadowRoot);
    if (node.tagName === 'IFRAME' && node.contentDocument) walk(node.contentDocument.body);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return words.join('\\n');
})()"""
# How many elements there are that a selector finds, also within web components.
COUNT = """((selector) => {
  let found = 0;
  const walk = (root) => {
    found += root.querySelectorAll(selector).length;
    root.querySelectorAll('*').forEach((node) => {
      if (node.shadowRoot) walk(node.shadowRoot);
      if (node.tagName === 'IFRAME' && node.contentDocument) walk(node.contentDocument);
    });
  };
  walk(document);
  return found;
})"""

# Click the checkbox that has a label.
CLICK = """((label) => {
  const walk = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.tagName === 'PAPER-CHECKBOX' && node.textContent.trim() === label) { node.click(); return true; }
      if (node.shadowRoot && walk(node.shadowRoot)) return true;
    }
    return false;
  };
  return walk(document);
})"""


def chromium() -> str | None:
    """Chromium's path; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """A page; one call at a time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.number, self.session = socket, 0, {}  # type: ignore[var-annotated]

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol, and wait for its result."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters, **self.session})
        while True:
            message = await self.socket.receive_json(timeout=60)
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    async def visit(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def text(self) -> str:
        """All that the page shows."""
        return str(await self.evaluate(TEXT) or "")

    async def count(self, selector: str) -> int:
        return int(await self.evaluate(f"{COUNT}({selector!r})") or 0)

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def click(self, label: str) -> None:
        """Click the checkbox that has a label.

        Raises:
            LookupError: there is none.
        """
        if not await self.evaluate(f"{CLICK}({label!r})"):
            raise LookupError(f"there is no checkbox {label!r}")

    async def until(self, *words: str, seconds: float = 60) -> str:
        """Wait until the page shows all of these, and return all that it shows.

        Raises:
            TimeoutError: it does not; names what is missing.
        """
        end = time.monotonic() + seconds
        while True:
            text = await self.text()
            if all(word in text for word in words):
                return text
            if time.monotonic() > end:
                missing = [word for word in words if word not in text]
                raise TimeoutError(f"the page does not show {missing}, but:\n{text[:3000]}")
            await asyncio.sleep(0.3)

    async def until_there(self, selector: str, least: int = 1, seconds: float = 60) -> int:
        """Wait until there are so many elements; return how many.

        Raises:
            TimeoutError: there are not.
        """
        end = time.monotonic() + seconds
        while (found := await self.count(selector)) < least:
            if time.monotonic() > end:
                raise TimeoutError(f"{found} of {selector}, not {least}")
            await asyncio.sleep(0.3)
        return found

    async def picture(self) -> bytes:
        """What the window shows, as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def page(width: int = 1400, height: int = 1000) -> AsyncIterator[Page]:
    """A page in a window of some size.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    program = chromium()
    if program is None:
        raise FileNotFoundError("there is no Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--use-angle=swiftshader", "--enable-unsafe-swiftshader", f"--window-size={width},{height}",
             "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        try:
            assert process.stderr is not None
            address = next(line.split()[-1] for line in process.stderr if line.startswith("DevTools listening on"))
            async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
                opened = Page(socket)
                target = (await opened.call("Target.createTarget", url="about:blank"))["targetId"]
                attached = await opened.call("Target.attachToTarget", targetId=target, flatten=True)
                opened.session = {"sessionId": attached["sessionId"]}
                await opened.call("Page.enable")
                await opened.resize(width, height)
                yield opened
        finally:
            process.terminate()
            process.communicate()  # closes its pipe
