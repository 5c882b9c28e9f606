"""``damontui serve``: who may open the page, what can be done on it, and what is left of a browser that went."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from damontui import cli
from damontui.commands.page_server import own_origins
from tests.prometheus import free_port, need, until

BROWSER = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
BROWSER += "--disable-component-update --disable-sync --remote-debugging-port=0 --window-size=1200,800"


class Served:
    """The program that serves made-up memory, and what is said of it."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        command = [sys.executable, "-m", "damontui", "serve", *(words or ("demo",)), "--listen", str(self.port)]
        command += ["--log", str(self.log)]
        environ = os.environ | {"DAMONTUI_LOG": "debug", "PYTHONPATH": os.getcwd()}
        self.said = folder / "said"
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=environ)
        until(lambda: self.get()[0] == 200, 60.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, str(answer.headers["Content-Security-Policy"])
        except urllib.error.HTTPError as error:
            return error.code, ""

    def children(self) -> list[int]:
        """Its screens."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                    if int(fields[1]) == self.process.pid and fields[0] != "Z":
                        found.append(int(name))
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    try:
        yield made
    finally:
        made.kill()


class Look:
    """A browser's end of the line."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen = b""

    async def until(self, *words: str, limit: float = 60.0) -> str:
        """Read on until all words were drawn."""

        async def read() -> str:
            while True:
                text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen.decode("utf-8", "replace"))
                if all(word in text for word in words):
                    return text
                message = await self.socket.receive()
                assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                self.seen += message.data if isinstance(message.data, bytes) else message.data.encode()

        return await asyncio.wait_for(read(), limit)

    async def press(self, keys: str) -> None:
        self.seen = b""
        await self.socket.send_json(["stdin", keys])


@contextlib.asynccontextmanager
async def looking(served: Served, origin: str | None = None) -> AsyncIterator[Look]:
    async with aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{served.port}/ws?width=120&height=36"
        async with session.ws_connect(url, origin=origin or served.url) as socket:
            yield Look(socket)


def test_a_browser_sees_the_screen_and_leaves_nothing(served: Served) -> None:
    async def play() -> None:
        async with looking(served) as one:
            await one.until("synthetic memory")
            assert len(served.children()) == 1
            await one.socket.send_json(["resize", {"width": 100, "height": 30}])
            await one.press("?")
            await one.until("esc")

    asyncio.run(play())
    until(lambda: not served.children())
    assert "leaving" in served.log.read_text()


def test_what_writes_or_switches_is_left_out(served: Served) -> None:
    async def play() -> None:
        async with looking(served) as one:
            await one.until("synthetic memory")
            for keys in ("r", "\x13", "e", "t", "\x10", "\x1a"):  # record, shot, switch, target, palette, suspend
                await one.press(keys)
            await one.press("?")
            await one.until("esc")

    before = sorted(os.listdir(served.folder))
    asyncio.run(play())
    assert sorted(os.listdir(served.folder)) == before
    said = served.log.read_text()
    assert "switch demo" not in said


def test_another_page_gets_nothing(served: Served) -> None:
    status, policy = served.get()
    assert status == 200
    assert "default-src 'none'" in policy
    assert "google" not in policy
    assert served.get(Host="evil.example")[0] == 403
    assert served.get(Host=f"localhost:{served.port}")[0] == 200
    assert served.get(Origin="http://evil.example")[0] == 403
    assert served.get("/static/../../../etc/passwd")[0] in (403, 404)

    async def play(origin: str) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with looking(served, origin):
                pass

    for origin in (
        "http://evil.example",
        "null",
        f"https://127.0.0.1:{served.port}",
        f"http://127.0.0.1:{served.port + 1}",
    ):
        asyncio.run(play(origin))
    assert served.children() == []


def test_a_socket_without_an_origin_is_refused(served: Served) -> None:
    async def play() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(f"ws://127.0.0.1:{served.port}/ws")

    asyncio.run(play())


def test_a_server_that_is_killed_takes_its_screens_along(served: Served) -> None:
    children: list[int] = []

    async def play() -> None:
        async with looking(served) as one:
            await one.until("synthetic memory")
            children.extend(served.children())
            served.kill()

    asyncio.run(play())
    assert len(children) == 1
    until(lambda: not Path(f"/proc/{children[0]}/exe").exists())
    assert "leaving" in served.log.read_text()


def test_a_signal_ends_it_and_its_screens(served: Served) -> None:
    async def play() -> None:
        async with looking(served) as one:
            await one.until("synthetic memory")
            served.process.send_signal(signal.SIGTERM)
            while not one.socket.closed:
                await asyncio.wait_for(one.socket.receive(), 60)

    asyncio.run(play())
    assert served.process.wait(60) == 143
    assert "leaving" in served.log.read_text()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--listen", "0.0.0.0:1"], 2, "--url"),
        (["--listen", ":1"], 2, "names no address"),
        (["demo", "--url", "javascript:alert(1)"], 2, "no address of a page"),
        (["demo", "--session"], 2, "damontui serve itself"),
        (["-"], 2, "through a pipe"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", *words]) == status
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


def test_a_port_that_is_taken_is_one_sentence(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "demo", "--listen", str(served.port)]) == 1
    err = capsys.readouterr().err.strip()
    assert "cannot listen on 127.0.0.1 port" in err
    assert "\n" not in err


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["serve", "demo"]) == 1
    assert "pip install 'damontui[web]'" in capsys.readouterr().err


def test_names_of_this_machine() -> None:
    assert own_origins("127.0.0.1", 1) == ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1")
    assert own_origins("192.0.2.7", 1) == ("http://192.0.2.7:1",)


# -- a real browser


class Chromium:
    """A browser's tab, over its own protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.number = 0
        self.answered: list[str] = []
        """Addresses from which the page got something."""
        self.drawn = ""
        """What came for its terminal."""
        self.typed = ""
        """What its terminal sent: keys, and the mouse as a terminal has it."""

    async def call(self, method: str, **words: Any) -> Any:
        self.number += 1
        number = self.number
        await self.socket.send_json({"id": number, "method": method, "params": words})
        while True:
            message = await asyncio.wait_for(self.socket.receive_json(), 60)
            if message.get("method") == "Network.responseReceived":
                self.answered.append(message["params"]["response"]["url"])
            if message.get("method") == "Network.webSocketFrameReceived":
                frame = message["params"]["response"]
                if frame["opcode"] == 2:
                    self.drawn += base64.b64decode(frame["payloadData"]).decode("utf-8", "replace")
            if message.get("method") == "Network.webSocketFrameSent":
                words = json.loads(message["params"]["response"]["payloadData"])
                self.typed += words[1] if words[0] == "stdin" else ""
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def value(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def until(self, expression: str, drawn: str = "", typed: str = "") -> None:
        for _ in range(600):
            if await self.value(expression) and drawn in self.drawn and typed in self.typed:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{expression} did not come true; drawn last: {self.drawn[-300:]!r}")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


def colours(png: bytes) -> int:
    """How many different colours a picture has."""
    import io

    import matplotlib.image

    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
    return len({tuple(one) for row in pixels[::4, ::4] for one in row.tolist()})


def test_in_chromium(served: Served, tmp_path: Path) -> None:
    """The page opens, its screen is drawn, keys and mouse arrive, and it asks no other machine for anything."""
    browser = need("chromium")
    profile = tmp_path / "profile"
    profile.mkdir()
    command = [browser, *BROWSER.split(), f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        port = until(lambda: int((profile / "DevToolsActivePort").read_text().splitlines()[0]), 90.0)

        async def play() -> None:
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = json.loads(await answer.text())
                where = next(one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page")
                async with session.ws_connect(where, max_msg_size=0) as socket:
                    tab = Chromium(socket)
                    await tab.call("Network.enable")
                    await tab.call("Page.enable")
                    await tab.call("Page.navigate", url=served.url)
                    await tab.until("document.body && document.body.classList.contains('-first-byte')")
                    for _ in range(300):
                        before = await tab.picture()
                        if colours(before) > 30:
                            break
                        await asyncio.sleep(0.2)
                    assert colours(before) > 30
                    for kind in ("mousePressed", "mouseReleased"):
                        at = {"x": 300, "y": 300, "button": "left", "clickCount": 1}
                        await tab.call("Input.dispatchMouseEvent", type=kind, **at)
                    await tab.until("true", typed="\x1b[<0;")  # a press, and where
                    await tab.call("Input.dispatchKeyEvent", type="keyDown", key="?", text="?")
                    await tab.call("Input.dispatchKeyEvent", type="keyUp", key="?")
                    await tab.until("true", drawn="the region under the cursor, large")
                    after = await tab.picture()
                    assert after != before
                    if folder := os.environ.get("DAMONTUI_BROWSER_PICTURES"):
                        Path(folder, "browser.png").write_bytes(before)
                    # the page names a stylesheet elsewhere, and its policy lets nobody fetch it
                    hosts = {re.sub(r"^\w+://([^/]*).*", r"\1", one) for one in tab.answered if "://" in one}
                    assert hosts == {f"127.0.0.1:{served.port}"}

        asyncio.run(asyncio.wait_for(play(), 200))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
