"""http.request against a real server on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from engine.actions.builtin.http import http_request
from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import load_actions
from engine.errors import Invalid, StepFailure
from engine.settings import Settings

REFUSALS = {"ACTION_INPUT_INVALID", "HTTP_URL_INVALID"}
CANARY = "Bearer c4nary-token"


class Service:
    """What the server heard, and whether it may answer slow requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard: list[dict[str, Any]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.service.heard.append(
            {
                "method": self.command,
                "path": parts.path,
                "asked": parts.query,
                "query": query,
                "headers": headers,
                "body": body.decode(),
            }
        )
        answers: dict[str, Callable[[], None]] = {
            "/json": lambda: self.answer(200, b'{"ok":[1,null]}', "application/json; charset=utf-8"),
            "/problem": lambda: self.answer(200, b'{"a":1}', "application/problem+json"),
            "/text": lambda: self.answer(200, "grüß".encode("latin-1"), "text/plain; charset=latin-1"),
            "/lies": lambda: self.answer(200, b"<html>", "application/json"),
            "/binary": lambda: self.answer(200, b"\x89PNG\xff", "image/png"),
            "/nothing": lambda: self.answer(204, b"", ""),
            "/status": lambda: self.answer(int(query["code"]), b"sorry " * 200, "text/plain", {"retry-after": "7"}),
            "/big": lambda: self.answer(200, b"x" * (1024 * 1024 + 1), "text/plain"),
            "/redirect": lambda: self.answer(int(query.get("code", 302)), b"", "", {"location": query["to"]}),
            "/slow": lambda: (self.service.released.wait(60), self.answer(200, b"late", "text/plain"))[1],
            "/drop": lambda: self.connection.shutdown(socket.SHUT_RDWR),
            "/loop": lambda: self.answer(302, b"", "", {"location": "/loop"}),
        }
        answers[parts.path]()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_request

    def answer(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        if content_type:
            self.send_header("content-type", content_type)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """The test's output is its assertions."""


@pytest.fixture
def service() -> Iterator[Service]:
    class Bound(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    Bound.service = Service(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Bound.service
    Bound.service.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


Request = Callable[..., Awaitable[Any]]


@pytest.fixture
def request_(service: Service, make_context: Callable[..., ActionContext]) -> Request:
    """``await request_("/path", method="POST", ...)``; the service's host is allowed, and ``localhost`` is not."""
    registered = http_request(Network(AllowedHosts([f"127.0.0.1:{service.port}"])))

    async def run(path: str, secrets: tuple[str, ...] = (), **action_input: Any) -> Any:
        url = path if "://" in path else service.url + path
        return await invoke(registered, {"url": url, **action_input}, make_context(), secrets)

    return run


async def test_json_comes_back_as_a_value(request_: Request, service: Service) -> None:
    output = await request_("/json")
    assert (output["status"], output["json"], output["text"]) == (200, {"ok": [1, None]}, None)
    assert output["url"] == f"{service.url}/json"
    assert output["headers"]["content-type"] == "application/json; charset=utf-8"
    assert (await request_("/problem"))["json"] == {"a": 1}


async def test_other_bodies_come_back_as_text(request_: Request) -> None:
    assert (await request_("/text"))["text"] == "grüß"
    assert (await request_("/lies"))["text"] == "<html>"
    assert (await request_("/nothing"))["status"] == 204
    assert (await request_("/json", method="HEAD"))["status"] == 200


async def test_what_is_sent(request_: Request, service: Service) -> None:
    await request_(
        "/json",
        method="POST",
        query={"q": "a b&", "n": 1, "yes": True},
        headers={"X-Trace": "7", "X-Name": "grüß"},
        json={"a": [1.0, "ü"]},
    )
    await request_("/json", method="PUT", text="grüß")
    await request_("/json", method="PATCH", json=None)
    post, put, patch = service.heard
    assert (post["method"], post["query"], post["body"]) == (
        "POST",
        {"q": "a b&", "n": "1", "yes": "true"},
        '{"a":[1,"ü"]}',
    )
    assert post["headers"]["content-type"] == "application/json"
    assert post["headers"]["x-trace"] == "7"
    assert post["headers"]["x-name"] == "grüß"
    assert post["headers"]["idempotency-key"] == "key-1"
    assert (put["body"], put["headers"]["content-type"]) == ("grüß", "text/plain; charset=utf-8")
    assert patch["body"] == "null"


async def test_a_query_goes_after_what_the_url_asks_for_itself(request_: Request, service: Service) -> None:
    await request_("/json?x=1&sig=a%2Fb", query={"y": "a b", "n": 2})
    await request_("/json?x=1")
    await request_("/json", query={"y": ""})
    assert [heard["asked"] for heard in service.heard] == ["x=1&sig=a%2Fb&y=a+b&n=2", "x=1", "y="]


async def test_only_writing_calls_carry_the_idempotency_key_and_an_own_one_wins(
    request_: Request, service: Service
) -> None:
    await request_("/json")
    await request_("/json", method="DELETE", headers={"Idempotency-Key": "mine", "Content-Type": "text/x"}, text="x")
    assert "idempotency-key" not in service.heard[0]["headers"]
    assert service.heard[1]["headers"]["idempotency-key"] == "mine"
    assert service.heard[1]["headers"]["content-type"] == "text/x"


@pytest.mark.parametrize("code", [408, 429, 500, 503])
async def test_some_statuses_may_pass_by_themselves(request_: Request, code: int) -> None:
    with pytest.raises(StepFailure, match=f"answered {code}") as failed:
        await request_("/status", query={"code": code})
    assert (failed.value.category, failed.value.code) == ("TransientError", "HTTP_STATUS")
    assert failed.value.details["status"] == code
    assert failed.value.details["retryAfter"] == "7"
    # It ends with a word: the beginning of a secret could not be told from anything else.
    assert failed.value.details["body"] == "sorry " * 83


async def test_the_others_do_not(request_: Request) -> None:
    with pytest.raises(StepFailure) as failed:
        await request_("/status", query={"code": 404})
    assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_STATUS")
    with pytest.raises(StepFailure) as failed:
        await request_("/status", query={"code": 503}, retry_statuses=[500])
    assert failed.value.category == "ActionError"
    assert (await request_("/status", query={"code": 404}, accept_error_status=True))["status"] == 404


async def test_a_slow_answer_is_not_waited_for(request_: Request) -> None:
    with pytest.raises(StepFailure, match=r"did not answer within 0\.1 s") as failed:
        await request_("/slow", timeout_seconds=0.1)
    assert (failed.value.category, failed.value.code) == ("TransientError", "HTTP_TIMEOUT")


async def test_a_service_that_is_not_there_is_a_passing_trouble(
    service: Service, make_context: Callable[..., ActionContext]
) -> None:
    registered = http_request(Network(AllowedHosts(["127.0.0.1"])))
    for url in ("http://127.0.0.1:1/x", f"{service.url}/drop"):
        with pytest.raises(StepFailure) as failed:
            await invoke(registered, {"url": url}, make_context())
        assert (failed.value.category, failed.value.code) == ("TransientError", "HTTP_UNREACHABLE")


async def test_a_large_or_unreadable_answer_is_refused(request_: Request) -> None:
    with pytest.raises(StepFailure) as failed:
        await request_("/big")
    assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_RESPONSE_TOO_LARGE")
    with pytest.raises(StepFailure, match="image/png") as failed:
        await request_("/binary")
    assert failed.value.code == "HTTP_RESPONSE_NOT_TEXT"


async def test_redirects_are_followed_with_the_method_the_standard_says(request_: Request, service: Service) -> None:
    output = await request_("/redirect?code=303&to=/json", method="POST", json=1, headers={"Authorization": "a"})
    assert output["url"] == f"{service.url}/json"
    await request_("/redirect?code=307&to=/json", method="POST", json=1)
    assert [(call["method"], call["body"]) for call in service.heard] == [
        ("POST", "1"), ("GET", ""), ("POST", "1"), ("POST", "1"),
    ]  # fmt: skip
    assert service.heard[1]["headers"]["authorization"] == "a"


async def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(request_: Request, service: Service) -> None:
    to = quote(f"http://localhost:{service.port}/json", safe="")
    with pytest.raises(StepFailure, match=f"localhost:{service.port}") as failed:
        await request_(f"/redirect?to={to}")
    assert failed.value.code == "HTTP_HOST_NOT_ALLOWED"
    assert len(service.heard) == 1


async def test_headers_are_not_shown_to_another_host(
    service: Service, make_context: Callable[..., ActionContext]
) -> None:
    registered = http_request(Network(AllowedHosts(["127.0.0.1", "localhost"])))
    to = quote(f"http://localhost:{service.port}/json", safe="")
    headers = {"Authorization": CANARY, "X-Api-Key": CANARY}
    await invoke(registered, {"url": f"{service.url}/redirect?to={to}", "headers": headers}, make_context())
    assert service.heard[0]["headers"]["x-api-key"] == CANARY
    assert "c4nary" not in json.dumps(service.heard[1])


async def test_redirects_end(request_: Request, service: Service) -> None:
    with pytest.raises(StepFailure, match="more than 5 times") as failed:
        await request_("/loop")
    assert failed.value.code == "HTTP_TOO_MANY_REDIRECTS"
    assert len(service.heard) == 6


@pytest.mark.parametrize(
    ("allowed", "url", "ok"),
    [
        ([], "https://api.example.com/", False),
        (["api.example.com"], "https://api.example.com/x", True),
        (["api.example.com"], "https://API.example.com.:8443/x", True),
        (["api.example.com:443"], "https://api.example.com/x", True),
        (["api.example.com:443"], "http://api.example.com/x", False),
        (["api.example.com:80"], "http://api.example.com/x", True),
        (["api.example.com"], "https://example.com/", False),
        (["*.example.com"], "https://a.b.example.com/", True),
        (["*.example.com"], "https://example.com/", False),
        (["*.example.com"], "https://evil-example.com/", False),
        (["api.example.com"], "https://api.example.com.evil.net/", False),
        (["api.example.com"], "https://127.0.0.1/", False),
        (["127.0.0.1"], "http://2130706433/", False),
        (["[::1]:8801"], "http://[0:0:0:0:0:0:0:1]:8801/", True),
        (["[::1]:8801"], "http://[::1]:8802/", False),
        (["münchen.example"], "https://xn--mnchen-3ya.example/", True),
        (["*"], "http://169.254.169.254/latest", True),
        (["*:8443"], "https://api.example.com:8443/", True),
        (["*:8443"], "https://api.example.com/", False),
    ],
)
def test_which_hosts_are_allowed(allowed: list[str], url: str, ok: bool) -> None:
    hosts = AllowedHosts(allowed)
    if ok:
        hosts.check(httpx.URL(url))
    else:
        with pytest.raises(StepFailure, match="RUNSTUDIO_HTTP_ALLOWED_HOSTS") as failed:
            hosts.check(httpx.URL(url))
        assert (failed.value.category, failed.value.code) == ("ActionError", "HTTP_HOST_NOT_ALLOWED")


@pytest.mark.parametrize("entry", ["http://a", "a/b", "user@a", "a b:x", "*.", "a:0", "*.*", "api.*.com", "a%20b"])
def test_a_wrong_list_of_hosts_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(Invalid, match="RUNSTUDIO_HTTP_ALLOWED_HOSTS"):
        load_actions(settings=Settings(http_allowed_hosts=(entry,)))


@pytest.mark.parametrize(
    "action_input",
    [
        {"url": "ftp://127.0.0.1/"},
        {"url": "file:///etc/passwd"},
        {"url": "http:///x"},
        {"url": "http://user:c4nary@127.0.0.1/"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://[::1/"},
        {"url": "http://127.0.0.1:0/"},
        {"url": "http://xn--/"},
        {"url": "http://evil.net\\.example.com/"},
        {"url": "http://127.0.0.1%2f.example.com/"},
        {"headers": {"X-A": "c4nary\r\nX-B: 1"}},
        {"headers": {"X-A": "c4nary "}},
        {"headers": {"X-A": "\tc4nary"}},
        {"headers": {"X A": "c4nary"}},
        {"headers": {"Host": "c4nary"}},
        {"headers": {"content-length": "1"}},
        {"json": 1, "text": "x"},
        {"method": "TRACE"},
        {"timeout_seconds": 111},
        {"retry_statuses": [200]},
        {"body": "x"},
    ],
)
async def test_what_cannot_be_sent_is_refused_without_repeating_it(
    request_: Request, service: Service, action_input: dict[str, Any]
) -> None:
    with pytest.raises(StepFailure) as failed:
        await request_(
            **({"path": "/json"} | {("path" if key == "url" else key): value for key, value in action_input.items()})
        )
    assert failed.value.code in REFUSALS
    assert "c4nary" not in str(failed.value) + str(failed.value.details)
    assert service.heard == []


async def test_a_secret_header_is_in_no_error(request_: Request) -> None:
    for path, more in (("/status?code=500", {}), ("/binary", {}), ("/slow", {"timeout_seconds": 0.1})):
        with pytest.raises(StepFailure) as failed:
            await request_(
                f"{path}{'&' if '?' in path else '?'}key=c4nary-token", headers={"authorization": CANARY}, **more
            )
        assert "c4nary" not in str(failed.value) + str(failed.value.details)
