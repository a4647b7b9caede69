"""The page as it is served: to whom, with what, and what it loads from elsewhere, which is nothing."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from robustseg.app import Material
from robustseg.app.page import Page
from robustseg.app.serve import MOST_FILES, check_access, start
from robustseg.app.toolkit import UPLOADS
from robustseg.cli import main
from robustseg.models.weights import save_model

REMOTE = re.compile(
    r"""(?:<(?:script|link|img|iframe)[^>]*?(?:src|href)=|url\(|@import\s*)["']?(https?:)?//[^"')\s>]+"""
)


@pytest.fixture(scope="module")
def served(world_model, tiny_world) -> Iterator[Page]:
    page = start(Material("toy/student", world_model, tiny_world), port=0)
    yield page
    page.blocks.close(verbose=False)


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read().decode()


@pytest.mark.parametrize(
    ("host", "password", "said"),
    [("0.0.0.0", "", "--password"), ("192.168.0.7", "", "ROBUSTSEG_PASSWORD"), ("127.0.0.1", "short", "at least 8")],
)
def test_other_machines_need_a_password(host, password, said) -> None:
    with pytest.raises(ValueError, match=said):
        check_access(host, password)


@pytest.mark.parametrize(("host", "password"), [("127.0.0.1", ""), ("localhost", ""), ("0.0.0.0", "long enough")])
def test_who_may_look(host, password) -> None:
    check_access(host, password)


def test_the_command_refuses_before_it_loads(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("ROBUSTSEG_PASSWORD", raising=False)
    assert main(["explore", str(tmp_path), "--host", "0.0.0.0"]) == 1
    error = capsys.readouterr().err.strip()
    assert "--password" in error
    assert "\n" not in error
    monkeypatch.setenv("ROBUSTSEG_PASSWORD", "from the environment")
    assert main(["explore", str(tmp_path), "--host", "0.0.0.0"]) == 1
    assert "no model folder" in capsys.readouterr().err


def test_it_listens_to_this_machine_alone(served) -> None:
    assert served.address.startswith("http://127.0.0.1:")
    assert served.blocks.server_name == "127.0.0.1"
    assert (served.blocks.share, served.blocks.share_url, served.blocks.allowed_paths) == (False, None, [])
    assert not served.blocks.analytics_enabled


def test_nothing_is_loaded_from_elsewhere(served) -> None:
    page = fetched(served.address)
    sheets = re.findall(r'href="(?:\./)?([^"]+\.css[^"]*)"', page)
    texts = [page, fetched(served.address + "theme.css"), *(fetched(served.address + sheet) for sheet in sheets)]
    assert [found.group() for text in texts for found in REMOTE.finditer(text)] == []
    assert "Sensors that are on" in page


@pytest.mark.parametrize("path", ["gradio_api/file=/etc/hostname", "gradio_api/file=pyproject.toml"])
def test_files_and_functions_are_not_given_away(served, path) -> None:
    with pytest.raises(HTTPError) as caught:
        fetched(served.address + path)
    assert caught.value.code in (403, 404)


def test_no_function_is_for_programs(served) -> None:
    assert json.loads(fetched(served.address + "gradio_api/info"))["named_endpoints"] == {}


def upload(page: Page, name: str, size: int, **headers: str) -> list[str]:
    """The paths at which a file is stored."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    request = urllib.request.Request(
        page.address + "gradio_api/upload",
        head + bytes(size) + b"\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x", **headers},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [("a.png", {}, 413), ("a.sh", {}, 415), ("a.png", {"Origin": "http://evil.example"}, 403)],
)
def test_what_is_no_image_of_this_page_is_not_stored(served, monkeypatch, name, headers, status) -> None:
    monkeypatch.setattr(served.blocks, "max_file_size", 1000)
    before = set(Path(UPLOADS.name).rglob("*"))
    with pytest.raises(HTTPError) as caught:
        upload(served, name, 5000, **headers)
    assert caught.value.code == status
    assert set(Path(UPLOADS.name).rglob("*")) == before


def test_uploads_are_kept_apart_and_not_for_ever(served) -> None:
    paths = [Path(upload(served, "a.png", 10 + number)[0]) for number in range(MOST_FILES + 2)]
    assert all(path.is_relative_to(UPLOADS.name) for path in paths)
    end = time.monotonic() + 20
    while paths[1].exists() and time.monotonic() < end:  # they go after the answer
        time.sleep(0.05)
    assert [path.is_file() for path in paths] == [False] * 2 + [True] * MOST_FILES


def test_the_page_is_not_shown_under_another_name(served) -> None:
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(served.address, headers={"Host": "evil.example"}), timeout=20)
    assert caught.value.code == 403


def test_a_password_is_asked_for(world_model, tiny_world) -> None:
    page = start(Material("toy", world_model, tiny_world), port=0, password="open sesame")
    try:
        assert "Sensors that are on" not in fetched(page.address)
        with pytest.raises(HTTPError) as caught:
            fetched(page.address + "config")
        assert caught.value.code == 401
        named = urllib.request.Request(page.address, headers={"Host": "rig.example"})  # as of a proxy
        assert urllib.request.urlopen(named, timeout=20).status == 200
    finally:
        page.blocks.close(verbose=False)


def test_a_port_that_is_taken_is_named(served, world_model, tiny_world) -> None:
    port = int(served.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(OSError, match=f"{port}: name another --port"):
        start(Material("toy", world_model, tiny_world), port=port)
    with pytest.raises(ValueError, match="0 to 65535"):
        start(Material("toy", world_model, tiny_world), port=70000)


def heed_ctrl_c() -> None:
    """Programs that a shell runs in the background ignore it, and all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c(world_model, tmp_path) -> None:
    folder = tmp_path / "student"
    save_model(folder, world_model, world_model.card)
    command = [sys.executable, "-m", "robustseg", "explore", str(folder), "--port", "0", "--device", "cpu"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heed_ctrl_c) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = line.split()[0]
        assert "Sensors that are on" in fetched(address)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors
