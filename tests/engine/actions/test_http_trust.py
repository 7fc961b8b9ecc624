"""What a service may not do to a worker, and what it is believed: sizes, encodings, charsets, addresses, certificates."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.actions.builtin import http_addresses
from engine.actions.builtin.http import http_request, retry_after_ms
from engine.actions.builtin.http_addresses import allowed_among
from engine.actions.builtin.http_body import read_excerpt
from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import load_actions
from engine.errors import Invalid, StepFailure
from engine.settings import Settings

AUTHORITY = Path(__file__).parent / "authority"
BOMB = gzip.compress(b"\0" * 64 * 1024 * 1024, 9)
"""64 MiB in 64 KiB."""
PLAIN = "text/plain"

ANSWERS: dict[str, tuple[dict[str, str], bytes]] = {
    "/twice": ({"content-encoding": "gzip, gzip"}, gzip.compress(BOMB)),
    "/bomb": ({"content-encoding": "gzip"}, BOMB),
    "/empty-parts": ({"content-encoding": "gzip"}, gzip.compress(b"") * 60_000),
    "/announced": ({"content-length": str(2**40)}, b""),
    "/brotli": ({"content-encoding": "br"}, b"x"),
    "/not-gzip": ({"content-encoding": "gzip"}, b"plain text"),
    "/torn": ({"content-encoding": "gzip"}, gzip.compress(b"a" * 1000)[:-9]),
    "/undefined": ({"content-type": "text/plain; charset=undefined"}, b"x"),
    "/punycode": ({"content-type": "text/plain; charset=punycode"}, b"x-"),
    "/hex": ({"content-type": "text/plain; charset=hex"}, b"78"),
    "/nan": ({"content-type": "application/json"}, b'{"a": NaN}'),
    "/huge": ({"content-type": "application/json"}, b"[1e999]"),
    "/digits": ({"content-type": "application/json"}, b"1" * 5000),
    "/deep": ({"content-type": "application/json"}, b"[" * 900 + b"]" * 900),
    "/deeper": ({"content-type": "application/json"}, b'{"a":' * 100_000),
    "/no-unicode": ({"content-type": "application/json"}, b'"\xe9"'),
    "/latin": ({"content-type": "application/json; charset=iso-8859-1"}, b'["\xe9"]'),
    "/no-host": ({"location": "http://xn--/"}, b""),
    "/gzip": ({"content-encoding": "gzip", "content-type": "application/json"}, gzip.compress(b"[1]")),
    "/parts": ({"content-encoding": "x-gzip"}, gzip.compress(b"a") + gzip.compress(b"b")),
    "/japanese": ({"content-type": "text/plain; charset=Shift_JIS"}, "日本".encode("shift_jis")),
    "/moved": ({"location": "http://other.localhost:{port}/gzip"}, b""),
}
REFUSED = {
    "/twice": "HTTP_ENCODING_UNSUPPORTED",
    "/bomb": "HTTP_RESPONSE_TOO_LARGE",
    "/empty-parts": "HTTP_RESPONSE_TOO_LARGE",
    "/announced": "HTTP_RESPONSE_TOO_LARGE",
    "/brotli": "HTTP_ENCODING_UNSUPPORTED",
    "/not-gzip": "HTTP_ENCODING_INVALID",
    "/torn": "HTTP_ENCODING_INVALID",
    "/undefined": "HTTP_CHARSET_UNKNOWN",
    "/punycode": "HTTP_CHARSET_UNKNOWN",
    "/hex": "HTTP_CHARSET_UNKNOWN",
    "/nan": "HTTP_RESPONSE_NUMBER_INVALID",
    "/huge": "HTTP_RESPONSE_NUMBER_INVALID",
    "/digits": "HTTP_RESPONSE_NUMBER_INVALID",
    "/deep": "HTTP_RESPONSE_TOO_DEEP",
    "/deeper": "HTTP_RESPONSE_TOO_DEEP",
    "/no-unicode": "HTTP_RESPONSE_NOT_TEXT",
}


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        headers, body = ANSWERS[self.path]
        self.send_response(307 if "location" in headers else 200)
        port = self.server.server_address[1]
        for name, value in {"content-type": PLAIN, "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value.format(port=port))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_args: Any) -> None:
        """The test's output is its assertions."""


def serving(tls: ssl.SSLContext | None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # A client that hangs up, as ours does on a bomb, is no trouble of the server.
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    yield from serving(None)


@pytest.fixture(scope="module")
def secure() -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(AUTHORITY / "certificate.pem", AUTHORITY / "key.pem")
    yield from serving(context)


Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def call(make_context: Callable[..., ActionContext]) -> Call:
    async def run(url: str, *hosts: str, network: Network | None = None, **given: Any) -> Any:
        allowed = network or Network(AllowedHosts(hosts or ("127.0.0.1",)))
        return await invoke(http_request(allowed), {"url": url, **given}, make_context())

    return run


@pytest.mark.parametrize("path", REFUSED)
async def test_f22_f23_what_an_answer_may_not_be(call: Call, plain: int, path: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(StepFailure) as failed:
            await call(f"http://127.0.0.1:{plain}{path}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (failed.value.category, failed.value.code) == ("ActionError", REFUSED[path])
    assert peak < 16 * 1024 * 1024


async def test_one_encoding_and_every_charset_is_understood(call: Call, plain: int) -> None:
    answers = {path: await call(f"http://127.0.0.1:{plain}{path}") for path in ("/gzip", "/parts", "/japanese")}
    assert (answers["/gzip"]["json"], answers["/parts"]["text"], answers["/japanese"]["text"]) == ([1], "ab", "日本")


async def test_a_body_does_not_follow_a_redirect_to_another_host(
    call: Call, plain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here(_host: str, _port: int) -> Any:
        return (ipaddress.ip_address("127.0.0.1"),)

    monkeypatch.setattr("engine.actions.builtin.http_exchange.resolved", here)
    url, hosts = f"http://a.localhost:{plain}/moved", ("*.localhost",)
    with pytest.raises(StepFailure) as failed:
        await call(url, *hosts, method="POST", json={"card": 1})
    assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_BODY_REDIRECTED")
    assert (await call(url, *hosts))["json"] == [1]


@pytest.mark.parametrize(
    ("host", "address", "listed", "allowed"),
    [
        ("a.example", "93.184.216.34", [], True),
        ("a.example", "127.0.0.1", ["*"], False),
        ("a.example", "169.254.169.254", ["*"], False),
        ("a.example", "10.0.0.7", ["a.example"], False),
        ("a.example", "10.0.0.7", ["a.example", "10.0.0.0/8"], True),
        ("10.0.0.7", "10.0.0.7", ["10.0.0.7:80"], True),
        ("a.example", "100.100.100.200", ["*"], False),
        ("a.example", "192.0.0.192", ["*"], False),
        ("a.example", "::ffff:10.0.0.7", ["*"], False),
        ("a.example", "::ffff:10.0.0.7", ["10.0.0.7"], True),
        ("a.example", "64:ff9b::a9fe:a9fe", ["*"], False),
        ("a.example", "2002:7f00:1::", ["*"], False),
        ("a.example", "fd00:ec2::254", ["*"], False),
        ("a.example", "fe80::1", ["*"], False),
        ("a.example", "::127.0.0.1", ["*"], False),
        ("a.example", "64:ff9b:1::7f00:1", ["*"], False),
        ("a.example", "::ffff:0:127.0.0.1", ["*"], False),
        ("a.example", "fec0::1", ["*"], False),
        ("a.example", "3fff::1", ["*"], False),
        ("a.example", "2606:2800:220:1::1", [], True),
        ("a.example", "0.0.0.0", ["*"], False),  # noqa: S104
        ("a.example", "224.0.0.1", ["*"], False),
        ("localhost", "127.0.0.1", ["localhost:8801"], True),
        ("localhost", "10.0.0.7", ["localhost"], False),
    ],
)
def test_which_addresses_may_be_called(host: str, address: str, listed: list[str], allowed: bool) -> None:
    networks, found = AllowedHosts(listed).networks, ipaddress.ip_address(address)
    if allowed:
        assert allowed_among(host, [found], networks) == (found,)
        assert allowed_among(host, [found, ipaddress.ip_address("fe80::1")], networks) == (found,)
    else:
        with pytest.raises(StepFailure, match="RUNSTUDIO_HTTP_ALLOWED_HOSTS") as failed:
            allowed_among(host, [found], networks)
        assert failed.value.code == "HTTP_ADDRESS_NOT_ALLOWED"


async def test_a_name_is_looked_up_once_and_the_call_goes_where_it_was_checked(
    call: Call, plain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def looked_up(host: str, _port: int) -> list[str]:
        asked.append(host)
        # The second answer is another one, as that of a name that is used to get inside.
        return ["127.0.0.1" if len(asked) == 1 else "169.254.169.254"]

    monkeypatch.setattr(http_addresses, "_looked_up", looked_up)
    output = await call(f"http://partner.example:{plain}/gzip", "partner.example", "127.0.0.0/8")
    assert (output["json"], asked) == ([1], ["partner.example"])


async def test_a_redirect_to_what_is_no_host_is_refused(call: Call, plain: int) -> None:
    with pytest.raises(StepFailure) as failed:
        await call(f"http://127.0.0.1:{plain}/no-host")
    assert (failed.value.category, failed.value.code) == ("ValidationError", "HTTP_URL_INVALID")


async def test_json_in_another_charset_is_read_in_it(call: Call, plain: int) -> None:
    assert (await call(f"http://127.0.0.1:{plain}/latin"))["json"] == ["é"]


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b"])
async def test_f22_a_host_that_is_not_there_is_no_passing_trouble(call: Call, host: str) -> None:
    with pytest.raises(StepFailure) as failed:
        await call(f"http://{host}/", "*")
    assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_HOST_UNKNOWN")


async def test_what_a_library_says_ends_once(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:

        def hang_up() -> None:
            deaf.accept()[0].close()

        hangs_up = threading.Thread(target=hang_up)
        hangs_up.start()
        with pytest.raises(StepFailure) as failed:
            await call(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        hangs_up.join()
    assert failed.value.code == "HTTP_UNREACHABLE"
    assert failed.value.message.endswith(".")
    assert not failed.value.message.endswith("..")


async def test_f22_a_certificate_is_believed_when_its_authority_is(call: Call, secure: int) -> None:
    url = f"https://localhost:{secure}/gzip"
    with pytest.raises(StepFailure) as failed:
        await call(url, "localhost")
    assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_CERTIFICATE_INVALID")
    trusting = Network(AllowedHosts(["localhost", "127.0.0.1"]), ca_file=AUTHORITY / "certificate.pem")
    assert (await call(url, network=trusting))["json"] == [1]
    with pytest.raises(StepFailure) as failed:
        await call(f"https://127.0.0.1:{secure}/gzip", network=trusting)
    assert failed.value.code == "HTTP_CERTIFICATE_INVALID", "it names localhost"


async def test_calls_go_through_the_proxy_of_the_settings(call: Call, plain: int) -> None:
    # The service answers what a proxy is asked, too: the whole URL.
    ANSWERS[f"http://partner.example:{plain}/gzip"] = ANSWERS["/gzip"]
    through = Network(AllowedHosts(["partner.example"]), proxy=f"http://127.0.0.1:{plain}")
    assert (await call(f"http://partner.example:{plain}/gzip", network=through))["json"] == [1]


def test_a_file_without_certificates_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(Invalid, match="RUNSTUDIO_HTTP_CA_FILE"):
            load_actions(settings=Settings(http_ca_file=tmp_path / name))


NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


RATED = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\nretry-after: 60\r\nretry-after: soon\r\n"
    b"content-length: 500\r\n\r\nslow down, ab"
)


async def test_a_status_is_told_with_its_wait_though_its_body_is_torn(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as torn:

        def answer() -> None:
            connection = torn.accept()[0]
            connection.recv(65_536)
            connection.sendall(RATED)
            connection.close()

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(StepFailure) as failed:
            await call(f"http://127.0.0.1:{torn.getsockname()[1]}/")
        answering.join()
    details = failed.value.details
    assert (failed.value.category, failed.value.code) == ("TransientError", "HTTP_STATUS")
    assert (details["status"], details["retryAfterMs"], details["body"]) == (429, 60_000, "slow down, ")


async def test_the_body_of_an_error_is_not_waited_for_without_end() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"sorry "
        await asyncio.Event().wait()

    response = httpx.Response(503, content=endless())
    assert await read_excerpt(response, 500, asyncio.get_running_loop().time()) in ("", "sorry ")


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [
        ("30", 30_000),
        (format_datetime(NOW.replace(minute=1), usegmt=True), 60_000),
        (format_datetime(NOW.replace(hour=11), usegmt=True), 0),
        ("9" * 400, 24 * 3_600_000),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 24 * 3_600_000),
        (f"Fri, 01 Jan {'9' * 20} 00:00:00 GMT", None),
        (f"Fri, 01 Jan 2027 00:00:00 +{'9' * 20}", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_f22_how_long_a_service_asks_to_wait(header: str | None, milliseconds: int | None) -> None:
    assert retry_after_ms(header, NOW) == milliseconds
