"""What the page's server lets in: requests of the page itself, and files that may be images, as many as there is room.

A site elsewhere can make a visitor's browser send requests to this machine, even under a name of the site's own; and
Gradio stores what it is sent before anybody looks at it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from robustseg.app.toolkit import MultipartParseError, MultipartParser, parse_options_header

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """What is let in.

    Attributes:
        names: Of this machine, under one of which the page must be asked for, and by no other page; empty = any.
        suffixes: Of files, in small letters.
        request: Bytes of one request.
        folder: Where uploads lie.
        files: That are kept there.
        total: Their bytes.
    """

    names: tuple[str, ...]
    suffixes: tuple[str, ...]
    request: int
    folder: Path
    files: int
    total: int


class RefusedError(Exception):
    """A request that is not let in.

    Args:
        status: Of HTTP.
        words: Why.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Guard:
    """ASGI middleware that refuses with a line of text, and leaves all other requests and answers as they are.

    Args:
        app: What is guarded.
        rules: What is let in.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            check_once(scope["headers"])
            check_names(headers, self._rules.names)
            await self._app(scope, Body(receive, headers, self._rules).receive, send)
        except RefusedError as refused:
            head = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": refused.status, "headers": head})
            await send({"type": "http.response.body", "body": str(refused).encode()})
        finally:
            if is_form(headers):
                keep_newest(self._rules.folder, self._rules.files, self._rules.total)


class Body:
    """The body of a request, looked at while it comes in, before anybody else sees it.

    Args:
        receive: Where it comes from.
        headers: Of the request, by names in small letters.
        rules: What is let in.

    Raises:
        RefusedError: The headers announce too much.
    """

    def __init__(self, receive: Receive, headers: dict[str, str], rules: Rules) -> None:
        self._receive = receive
        self._room = rules.request
        self._parser = form_parser(headers, rules.suffixes) if is_form(headers) else None
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._room:
            raise RefusedError(413, f"a request may have {self._room} bytes")

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            RefusedError: It is one too many, or a file has another suffix.
        """
        message = await self._receive()
        piece = message.get("body", b"")
        self._room -= len(piece)
        if self._room < 0:
            raise RefusedError(413, "the request is too long")
        if self._parser is not None and piece:
            try:
                self._parser.write(piece)
            except MultipartParseError as error:
                raise RefusedError(400, "the form cannot be read") from error
        return message


def check_once(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises RefusedError for a header of which others might read another one than is read here."""
    names = [name.lower() for name, _ in headers]
    if any(names.count(name) > 1 for name in (b"host", b"origin", b"content-type", b"content-length")):
        raise RefusedError(400, "a header is there twice")


def check_names(headers: dict[str, str], names: tuple[str, ...]) -> None:
    """Raises RefusedError unless the page is asked for by one of its names, and by itself if it is said by whom."""
    if not names:
        return
    host, origin = headers.get("host", "").lower(), headers.get("origin")
    with suppress(ValueError):  # of an address in brackets that is none
        if urlsplit(f"//{host}").hostname in names and (origin is None or urlsplit(origin).netloc.lower() == host):
            return
    raise RefusedError(403, "the page is for this machine alone")


def is_form(headers: dict[str, str]) -> bool:
    """Whether the body may hold files."""
    return parse_options_header(headers.get("content-type", ""))[0] == b"multipart/form-data"


def form_parser(headers: dict[str, str], suffixes: tuple[str, ...]) -> MultipartParser:
    """What is to be fed with a form; it raises RefusedError at a file with a suffix that is not let in."""
    _, options = parse_options_header(headers["content-type"])
    if b"charset" in options or not options.get(b"boundary"):
        raise RefusedError(400, "a form has a boundary and is in UTF-8")
    name, value, disposition = bytearray(), bytearray(), bytearray()

    def ended() -> None:
        if name.lower() == b"content-disposition":
            disposition[:] = value
        name.clear()
        value.clear()

    def finished() -> None:
        _, told = parse_options_header(bytes(disposition))
        file = told.get(b"filename")
        if file is not None and PurePosixPath(file.decode(errors="replace")).suffix.lower() not in suffixes:
            raise RefusedError(415, f"files are {', '.join(suffixes)}")
        disposition.clear()

    return MultipartParser(
        options[b"boundary"],
        {
            "on_header_field": lambda data, start, end: name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: value.extend(data[start:end]),
            "on_header_end": ended,
            "on_headers_finished": finished,
        },
    )


def keep_newest(folder: Path, files: int, total: int) -> None:
    """Deletes the oldest files below a folder, until there are at most so many with at most so many bytes."""
    found = sorted(_files(folder), reverse=True)
    sums = accumulate(size for _, size, _ in found)
    for place, ((_, _, path), upto) in enumerate(zip(found, sums, strict=True)):
        if place >= files or upto > total:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # it holds others, or is gone
                path.parent.rmdir()


def _files(folder: Path) -> Iterable[tuple[int, int, Path]]:
    """When each was written, its size, and where it is."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            state = path.stat()
            if path.is_file():
                yield state.st_mtime_ns, state.st_size, path
