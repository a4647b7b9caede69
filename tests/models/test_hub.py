import json
import sys
from pathlib import Path

import pytest
import torch
from hub_server import Hub, commit_of
from huggingface_hub import constants

from robustseg.build import load
from robustseg.deploy.health.profile import HEALTH_FILE, LARGEST_FILE
from robustseg.models import hub as fetching
from robustseg.models.hub import HubName, hub_name, local_folder
from robustseg.models.weights import save_model


@pytest.fixture
def stored(hub: Hub, toy_model, tmp_path) -> dict[str, bytes]:
    """The files of org/toy on the hub, and some that are none of a model folder."""
    save_model(tmp_path / "toy", toy_model, toy_model.card)
    files = {path.name: path.read_bytes() for path in (tmp_path / "toy").iterdir()}
    hub.repositories["org/toy"] = {"main": files | {"README.md": b"# toy", "evil.py": b"1 / 0", "pickle.bin": b"x"}}
    return files


@torch.no_grad()
def test_a_model_is_loaded_by_name_and_only_its_files_are_fetched(hub: Hub, stored, toy_model) -> None:
    model = load("hf://org/toy")
    images = torch.randn(1, 3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(images).logits, toy_model(images).logits)
    assert hub.fetched() == ["README.md", "model.json", "model.safetensors"]
    folder = local_folder(Path("hf://org/toy"))  # a Path makes one slash of two
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.json", "model.safetensors"]
    assert (folder / "model.json").is_symlink()  # so the cache is made, and such links are followed
    assert len(hub.fetched()) == 3


def test_a_revision_is_a_branch_or_a_commit(hub: Hub, stored) -> None:
    card = json.loads(stored["model.json"])
    del card["card_sha256"]
    other = stored | {"model.json": json.dumps(card | {"origin": "elsewhere"}).encode()}
    hub.repositories["org/toy"]["v1"] = other
    assert load("hf://org/toy@v1").card.origin == "elsewhere"
    assert local_folder(f"hf://org/toy@{commit_of(other)}") == local_folder("hf://org/toy@v1")


def test_what_comes_from_the_hub_is_trusted_no_more_than_a_local_folder(hub: Hub, stored) -> None:
    weights = bytearray(stored["model.safetensors"])
    weights[-1] ^= 1
    hub.repositories["org/toy"]["main"]["model.safetensors"] = bytes(weights)
    with pytest.raises(ValueError, match=r"model\.safetensors was damaged or replaced"):
        load("hf://org/toy")


def test_offline_what_was_fetched_before_is_used_and_nothing_is_asked(hub: Hub, stored, monkeypatch) -> None:
    folder = local_folder("hf://org/toy")
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert local_folder("hf://org/toy") == folder
    with pytest.raises(OSError, match=r"cannot fetch hf://org/toy@v2: it was not fetched before"):
        local_folder("hf://org/toy@v2")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("org/none", "there is no such model, or it is not yours to see"), ("org/toy@v9", "there is no such revision")],
)
def test_what_is_not_there_is_one_clear_line(hub: Hub, stored, name: str, said: str) -> None:
    with pytest.raises(OSError, match=rf"cannot fetch hf://{name}.*: {said}") as caught:
        local_folder(f"hf://{name}")
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_one_clear_line(hub: Hub, stored, monkeypatch) -> None:
    local_folder("hf://org/toy")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(OSError, match=r"cannot fetch hf://org/toy@main: .*refused") as caught:
        local_folder("hf://org/toy")  # not what a branch was some day, unless offline is asked for
    assert "\n" not in str(caught.value)


def test_what_is_no_model_folder_is_not_fetched(hub: Hub, stored, monkeypatch) -> None:
    hub.repositories["org/data"] = {"main": {"README.md": b"# data"}}
    with pytest.raises(ValueError, match=r"hf://org/data@main is no model folder: it has no model\.json"):
        local_folder("hf://org/data")
    monkeypatch.setitem(fetching.LARGEST, "model.safetensors", 1000)
    with pytest.raises(ValueError, match=r"model\.safetensors has \d+ bytes; at most 1000 are fetched"):
        local_folder("hf://org/toy")
    assert hub.fetched() == []


def test_health_is_fetched_with_the_model_unless_it_is_too_large(hub: Hub, stored) -> None:
    assert fetching.LARGEST[HEALTH_FILE] == LARGEST_FILE
    files = hub.repositories["org/toy"]["main"]
    files[HEALTH_FILE] = b"\0" * (LARGEST_FILE + 1)
    with pytest.raises(ValueError, match=r"health\.safetensors has 16000001 bytes; at most 16000000 are fetched"):
        local_folder("hf://org/toy")
    assert hub.fetched() == []
    files[HEALTH_FILE] = b"small"
    assert (local_folder("hf://org/toy") / HEALTH_FILE).read_bytes() == b"small"


def test_names() -> None:
    assert hub_name("hf://org/a.b-c_d@refs/pr/1") == HubName("org/a.b-c_d", "refs/pr/1")
    assert str(hub_name(Path("hf://org/name"))) == "hf://org/name@main"
    for folder in ("runs/hf/x", "hf", "./hf:/org/name", Path("/hf:/org/name")):
        assert hub_name(folder) is None
        assert local_folder(folder) == Path(folder)
    for wrong in ("hf://name", "hf://a/b/c", "hf://../x", "hf://org/..", "hf://org/na me", "hf://org/x@../..", "hf://"):
        with pytest.raises(ValueError, match=r"called org/name|a revision is"):
            hub_name(wrong)


def test_a_missing_package_is_named_with_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"pip install 'robustseg\[hub\]'"):
        load("hf://org/toy")
