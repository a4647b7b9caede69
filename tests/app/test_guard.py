"""The guard before an application that reads all of a request's body and says how long it is."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from robustseg.app.guard import Guard, Rules, keep_newest

LOCAL = ("127.0.0.1", "localhost")
FORM = "multipart/form-data; boundary=x"


@pytest.fixture
def rules(tmp_path) -> Rules:
    return Rules(LOCAL, (".png", ".npy"), request=1000, folder=tmp_path, files=3, total=100)


def form(*files: tuple[str, bytes]) -> bytes:
    head = 'Content-Disposition: form-data; name="files"; filename="{}"'
    parts = [b"--x\r\n" + head.format(name).encode() + b"\r\n\r\n" + content + b"\r\n" for name, content in files]
    return b"".join(parts) + b"--x--\r\n"


def asked(rules: Rules, body: bytes = b"", *, piece: int = 1000, **headers: str) -> tuple[int, str, int]:
    """Status and text of the answer, and how many bytes the application has read."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)] or [b""]
    sent, read = [], []

    async def receive() -> dict:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict) -> None:
        sent.append(message)

    async def app(scope, receive, send) -> None:
        more = True
        while more:
            message = await receive()
            read.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})

    given = {"host": "localhost:7860"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()]}
    asyncio.run(Guard(app, rules)(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"].decode(), sum(read)


def test_a_header_that_is_there_twice_is_refused(rules) -> None:
    """Another reader might take the other one: here the names are equal but for their letters."""
    status, text, read = asked(rules, form(("a.html", b"1")), content_type=FORM, **{"Content-Type": "text/plain"})
    assert (status, read) == (400, 0)
    assert "twice" in text


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:7860", None, 200),
        ("127.0.0.1", None, 200),
        ("LOCALHOST:9000", "http://localhost:9000", 200),  # through a tunnel
        ("evil.example", None, 403),
        ("localhost.evil.example:7860", None, 403),
        ("evil.example@localhost", None, 200),  # it is this machine that was asked for
        ("", None, 403),
        ("[::1", None, 403),
        ("localhost:7860", "http://evil.example", 403),
        ("localhost:7860", "http://localhost:3000", 403),
        ("localhost:7860", "http://[evil", 403),
        ("localhost:7860", "null", 403),
        ("evil.example", "http://evil.example", 403),
    ],
)
def test_only_the_page_itself_asks_this_machine(rules, host, origin, status) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert asked(rules, **headers)[0] == status
    assert asked(replace(rules, names=()), **headers)[0] == 200


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["a.png"], 200),
        (["a.PNG", "b.npy"], 200),
        (["a.sh"], 415),
        (["a.html"], 415),
        (["a.png", "b.html"], 415),
        (["a.png.sh"], 415),
        ([".png"], 415),
        ([""], 415),
        (["../../a.svg"], 415),
    ],
)
def test_files_have_the_suffix_of_an_image(rules, names, status, piece) -> None:
    body = form(*((name, b"content") for name in names))
    found, words, read = asked(rules, body, piece=piece, content_type=FORM)
    assert (found, words) == (status, "well" if status == 200 else "files are .png, .npy")
    assert (read == len(body)) == (status == 200)
    if piece == 1 and names == ["a.sh"]:
        assert b"content" not in body[:read]


@pytest.mark.parametrize("more", [{"content_type": FORM + "; charset=utf-7"}, {"content_type": "multipart/form-data"}])
def test_forms_that_others_may_read_otherwise_are_refused(rules, more) -> None:
    assert asked(rules, form(("a.png", b"")), **more)[0] == 400


def test_a_form_that_is_none_is_refused(rules) -> None:
    assert asked(rules, b"no form", content_type=FORM)[:2] == (400, "the form cannot be read")


def test_fields_that_are_no_files_pass(rules) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nopen sesame\r\n--x--\r\n'
    assert asked(rules, body, content_type=FORM)[0] == 200


def test_no_request_is_longer_than_it_may_be(rules) -> None:
    assert asked(rules, bytes(1000), piece=300)[0] == 200
    assert asked(rules, bytes(1001), piece=300) == (413, "the request is too long", 900)
    assert asked(rules, bytes(1001), piece=300, content_length="1001")[2] == 0
    assert asked(rules, content_length="-1")[0] == 413


def test_other_connections_are_not_looked_at(rules) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope["type"])

    async def nothing(*_) -> dict:
        return {}

    asyncio.run(Guard(app, rules)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]


def put(folder: Path, name: str, size: int, age: int) -> Path:
    path = folder / name / "a.png"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (1000 - age, 1000 - age))
    return path


def test_the_oldest_uploads_go_first(rules, tmp_path) -> None:
    paths = [put(tmp_path, name, 10, age) for age, name in enumerate("abcde")]
    asked(rules)
    assert all(path.is_file() for path in paths)
    asked(rules, form(("a.png", b"")), content_type=FORM)
    assert [path.is_file() for path in paths] == [True, True, True, False, False]
    assert {path.name for path in tmp_path.iterdir()} == set("abc")
    keep_newest(tmp_path, 3, 25)
    assert {path.name for path in tmp_path.iterdir()} == set("ab")
    keep_newest(tmp_path / "nowhere", 3, 25)
