"""The client against engines that lie, are slow, say too much or lead astray; and who we say we are."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.errors import DamontuiError, SourceError, UsageError
from damontui.fleet import client as module
from damontui.fleet.access import Access, read_access
from damontui.fleet.client import Client
from tests.fleet.scripted import NOW, say, served, vector
from tests.prometheus import need


def refused(client: Client, *words: str) -> str:
    """The one sentence of a refusal."""
    with pytest.raises(SourceError) as caught:
        client.instant("up")
    text = str(caught.value)
    assert "\n" not in text
    assert text.isprintable()
    assert len(text) < 500
    for word in words:
        assert word in text
    client.close()
    return text


def test_an_answer() -> None:
    with served(say(vector(({"instance": "a"}, 1.5), ({}, float("nan"))))) as (url, seen):
        client = Client(url + "/")
        found = client.instant("up", NOW)
        client.close()
    assert (found[0].labels, found[0].points) == ({"instance": "a"}, ((NOW, 1.5),))
    assert found[1].points[0][1] != found[1].points[0][1]
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"<html>hello</html>", 200, "no JSON"),
        (b"", 200, "no JSON"),
        (b"[" * 100_000, 200, "no JSON"),
        (b"[]", 200, "says no"),
        (b'{"status":"success"}', 200, "no vector"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', 200, "no vector"),
        (b'{"status":"success","data":{"resultType":"vector","result":{}}}', 200, "no vector"),
        (b'{"status":"success","data":{"resultType":"vector","result":[1]}}', 200, "of numbers"),
        (
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}',
            200,
            "of numbers",
        ),
        (
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"2"]}]}}',
            200,
            "of",
        ),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x","2"]}]}}', 200, "of"),
        (b'{"status":"error","error":"no \\u001b[31m such\\nthing"}', 400, "such thing"),
        (b'{"status":"error","error":"' + b"x" * 10_000 + b'"}', 400, "x…"),
        (b"go away", 401, "--http-config"),
        (b"", 403, "--http-config"),
        (b"", 503, "HTTP 503"),
        (b"moved", 302, "no redirect is followed"),
    ],
)
def test_lies_are_one_sentence(body: bytes, status: int, word: str) -> None:
    with served(say(body, status, Location="http://127.0.0.1:1/")) as (url, seen):
        refused(Client(url), word, url)
    assert len(seen) == 1


def test_a_hundred_megabytes_are_not_read() -> None:
    sent = [0]

    def flood(handler: BaseHTTPRequestHandler, query: str) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" " * (1 << 20))
            sent[0] += 1

    with served(flood) as (url, _):
        refused(Client(url, most_bytes=4 << 20), "larger than 4 MiB", "--match")
    assert sent[0] < 60


def test_a_small_answer_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (200 << 20), 9)
    assert len(bomb) < 300_000
    with served(say(bomb, Content_Encoding="gzip")) as (url, _):
        refused(Client(url, most_bytes=4 << 20), "larger than 4 MiB")


@pytest.mark.parametrize("pause", [30.0, 0.05])
def test_slow_engines_have_an_end(pause: float) -> None:
    """Silence, and a byte now and then, which no pause between two of them ends."""
    gone = threading.Event()

    def dribble(handler: BaseHTTPRequestHandler, query: str) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not gone.wait(pause):
            handler.wfile.write(b" ")

    with served(dribble) as (url, _):
        began = time.monotonic()
        refused(Client(url, timeout=0.5))
        assert time.monotonic() - began < 20
        gone.set()


def test_an_engine_that_hangs_up() -> None:
    def cut(handler: BaseHTTPRequestHandler, query: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.connection.close()

    with served(cut) as (url, _):
        refused(Client(url), "cannot ask")


def test_nobody_there() -> None:
    refused(Client("http://127.0.0.1:1"), "connection refused")
    assert "0x" not in refused(Client("http://no-such-host.invalid", timeout=5.0), "cannot ask")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9090",
        "ftp://x",
        "http://",
        "http://a:b",
        "file:///etc/passwd",
        "http://x/?a=b",
        "http://[::1",
        "\x1b",
    ],
)
def test_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        Client(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        Client("http://me:sesame@localhost:9090")
    assert "sesame" not in str(caught.value)
    assert "--http-config" in str(caught.value)


@given(st.binary(max_size=200))
def test_no_answer_is_a_fault_of_ours(body: bytes) -> None:
    client = Client("http://127.0.0.1:1")
    client._post = lambda url, words: (200, body)  # type: ignore[method-assign]
    with contextlib.suppress(DamontuiError):
        client.instant("up")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_result_is_a_fault_of_ours(result: object) -> None:
    client = Client("http://127.0.0.1:1")
    for kind in ("vector", "matrix"):
        for made in (result, [result], [{"metric": result, "value": result, "values": result}]):
            body = json.dumps({"status": "success", "data": {"resultType": kind, "result": made}}).encode()
            client._post = lambda url, words, body=body: (200, body)  # type: ignore[misc,method-assign]
            with contextlib.suppress(DamontuiError):
                if kind == "vector":
                    client.instant("up")
                else:
                    client.over("up", 0, 1, 1)


# -- who we say we are


def written(folder: Path, text: str) -> Path:
    path = folder / "access.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("basic_auth: {username: me, password: sesame}", "Basic " + base64.b64encode(b"me:sesame").decode()),
        ("basic_auth: {username: me, password_file: secret}", "Basic " + base64.b64encode(b"me:from file").decode()),
        ("authorization: {credentials: sesame}", "Bearer sesame"),
        ("authorization: {type: Token, credentials_file: secret}", "Token from file"),
        ("bearer_token: sesame", "Bearer sesame"),
        ("bearer_token_file: secret", "Bearer from file"),
        ("follow_redirects: true\nenable_http2: true", ""),
        ("", ""),
    ],
)
def test_who_we_are_is_sent_and_never_shown(tmp_path: Path, text: str, header: str) -> None:
    (tmp_path / "secret").write_text("from file\n")
    access = read_access(written(tmp_path, text))
    with served(say(vector())) as (url, seen):
        client = Client(url, access)
        client.instant("up")
        client.close()
    assert seen[0].get("Authorization", "") == header
    assert "sesame" not in repr(access)
    assert "from file" not in repr(access)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "a: {",
        "oauth2: {client_id: sesame}",
        "basic_auth: sesame",
        "basic_auth: {username: me, pasword: sesame}",
        "basic_auth: {username: me}",
        "bearer_token: sesame\nauthorization: {credentials: sesame}",
        'bearer_token: "sesame\\r\\nHost: other"',
        "authorization: {credentials: [sesame]}",
        "tls_config: {ca: sesame}",
        "&a [*a, *a]",
    ],
)
def test_a_file_that_is_none_says_no_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_access(written(tmp_path, text))
    said = str(caught.value)
    assert "sesame" not in said
    assert "\n" not in said


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read"):
        read_access(tmp_path / "none.yml")
    with pytest.raises(SourceError, match="no such file"):
        read_access(written(tmp_path, "bearer_token_file: nowhere"))
    with pytest.raises(SourceError, match="no such file"):
        Client("https://localhost", Access(ca_file=str(tmp_path / "nowhere.pem")))
    (tmp_path / "ca.pem").write_text("this is no certificate")
    with pytest.raises(SourceError, match="no certificate or key"):
        Client("https://localhost", Access(ca_file=str(tmp_path / "ca.pem")))


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """The real thing: TLS on loopback, refused without the CA, taken with it, and with a client's certificate."""
    import ssl
    import subprocess
    from http.server import HTTPServer

    need("openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=engine.test"]
    command += ["-addext", "subjectAltName=DNS:engine.test", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            say(vector(({"instance": "a"}, 1.0)))(self, "")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        refused(Client(url), "certificate")
        refused(Client(url, Access(ca_file=str(cert))), "certificate")  # of another name
        text = "tls_config: {ca_file: cert.pem, cert_file: cert.pem, key_file: key.pem, server_name: engine.test}"
        good = Client(url, read_access(written(tmp_path, text)))
        assert len(good.instant("up")) == 1
        good.close()
        careless = Client(url, read_access(written(tmp_path, "tls_config: {insecure_skip_verify: true}")))
        assert len(careless.instant("up")) == 1
        careless.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_this_machine_is_asked_without_packing_and_others_with_it() -> None:
    assert Client("http://127.0.0.1:9090")._headers["Accept-Encoding"] == "identity"
    assert Client("http://prometheus.example")._headers["Accept-Encoding"] == "gzip"
    assert module._is_near("http://[::1]:9090")
