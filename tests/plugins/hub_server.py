"""A small stand-in for the Hugging Face Hub: as much of its protocol as fetching and pushing a model folder needs."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """What the server holds, and what it was asked.

    Attributes:
        repositories: Name -> branch -> file -> content.
        asked: "METHOD path" of every request.
        hidden: Private repositories.
        endpoint: Its address.
    """

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    endpoint: str = ""

    def fetched(self) -> list[str]:
        """The files that were downloaded."""
        return sorted(line.rpartition("/")[2] for line in self.asked if line.startswith("GET ") and "/resolve/" in line)


def commit_of(files: dict[str, bytes]) -> str:
    """A commit's name, of 40 digits, which depends on its files."""
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """Runs a server on this machine until the block ends."""
    hub = Hub()

    class Handler(_Handler):
        held = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: Hub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer_get(body=True)

    def do_HEAD(self) -> None:
        self._answer_get(body=False)

    def do_POST(self) -> None:
        self.held.asked.append(f"POST {self.path}")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        match parts:
            case ["api", "validate-yaml"]:
                self._json({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self._create(json.loads(content))
            case ["api", "models", org, name, "branch", branch]:
                branches = self.held.repositories[f"{org}/{name}"]
                status = 409 if branch in branches else 200
                branches.setdefault(branch, dict(branches["main"]))
                self._json({}, status)
            case ["api", "models", _, _, "preupload", _]:
                files = [file["path"] for file in json.loads(content)["files"]]
                self._json(
                    {"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]}
                )
            case ["api", "models", org, name, "commit", branch]:
                self._commit(f"{org}/{name}", branch, content)
            case _:
                self._json({"error": "unknown"}, 404)

    def _create(self, body: dict) -> None:
        name = f"{body.get('organization', 'me')}/{body['name']}"
        known = name in self.held.repositories
        self.held.repositories.setdefault(name, {"main": {}})
        if not known and body.get("visibility") == "private":
            self.held.hidden.add(name)
        self._json({"url": f"{self.held.endpoint}/{name}", "name": name, "id": "0"}, 409 if known else 200)

    def _commit(self, name: str, branch: str, content: bytes) -> None:
        files = self.held.repositories[name][branch]
        for line in content.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "deletedFile":
                del files[entry["value"]["path"]]
        oid = commit_of(files)
        self._json({"commitUrl": f"{self.held.endpoint}/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def _answer_get(self, *, body: bool) -> None:
        self.held.asked.append(f"{self.command} {self.path}")
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        match parts:
            case ["api", "models", org, name, *rest]:
                self._about(f"{org}/{name}", rest)
            case [org, name, "resolve", revision, file]:
                files = self._files(f"{org}/{name}", revision)
                if files is None or file not in files:
                    self._json({}, 404, {"X-Error-Code": "EntryNotFound"})
                    return
                headers = {"X-Repo-Commit": commit_of(files), "ETag": f'"{hashlib.sha1(files[file]).hexdigest()}"'}
                self._send(files[file] if body else b"", 200, headers, length=len(files[file]))
            case _:
                self._json({"error": "unknown"}, 404)

    def _about(self, name: str, rest: list[str]) -> None:
        if name not in self.held.repositories:
            self._json({"error": "no such repository"}, 404, {"X-Error-Code": "RepoNotFound"})
            return
        files = self._files(name, rest[1] if len(rest) > 1 else "main")
        if files is None:
            self._json({"error": "no such revision"}, 404, {"X-Error-Code": "RevisionNotFound"})
        elif rest[:1] == ["tree"]:
            self._json(
                [
                    {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for file, content in files.items()
                ]
            )
        else:
            about = {"id": name, "sha": commit_of(files), "siblings": [{"rfilename": file} for file in files]}
            self._json(about | {"tags": [], "private": name in self.held.hidden, "downloads": 0, "likes": 0})

    def _files(self, name: str, revision: str) -> dict[str, bytes] | None:
        branches = self.held.repositories.get(name, {})
        by_commit = {commit_of(files): files for files in branches.values()}
        return branches.get(revision, by_commit.get(revision))

    def _json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self._send(content, status, {"Content-Type": "application/json"} | (headers or {}), length=len(content))

    def _send(self, content: bytes, status: int, headers: dict[str, str], *, length: int) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
