from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hub_server import Hub
from profiles import random_profile

from robustseg.build import load
from robustseg.cli import main
from robustseg.deploy.health import Monitor, save_profiles
from robustseg.deploy.hub import publication, upload
from robustseg.models.card import read_card, write_card
from robustseg.models.hub import HubName, local_folder
from robustseg.models.weights import save_model
from robustseg.robustness import save


@pytest.fixture
def folder(toy_model, tmp_path, made) -> Path:
    """A model folder with an evaluation, and with a recipe that names a place on this machine."""
    card = save_model(tmp_path / "toy", toy_model, toy_model.card)
    save(made(weights=card.sha256), tmp_path / "toy" / "evaluation" / "val")
    (tmp_path / "toy" / "recipe.yaml").write_text("name: toy\ndata: {kind: folders, root: /secret/place}\n")
    return tmp_path / "toy"


def test_what_is_pushed_is_loaded_by_its_name(hub: Hub, folder, capsys) -> None:
    assert main(["push", str(folder), "org/toy", "--license", "apache-2.0", "--data", "made up"]) == 0
    assert "published: " in capsys.readouterr().out
    files = hub.repositories["org/toy"]["main"]
    assert sorted(files) == ["README.md", "model.json", "model.safetensors"]
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert load("hf://org/toy").card == read_card(folder)
    assert not any(b"/secret" in content for content in files.values())


def test_health_goes_with_the_model(hub: Hub, folder, capsys) -> None:
    save_profiles(folder, {"rgb": random_profile(0), "lidar": random_profile(1)}, read_card(folder).sha256)
    assert main(["push", str(folder), "org/toy", "--license=mit"]) == 0
    assert "sick sensors" not in capsys.readouterr().out
    assert sorted(hub.repositories["org/toy"]["main"]) == [
        *("README.md", "health.safetensors", "model.json", "model.safetensors")
    ]
    found = Monitor.of(local_folder("hf://org/toy")).profiles
    assert list(found) == ["rgb", "lidar"]
    assert torch.equal(found["lidar"].inward, random_profile(1).inward)
    page = hub.repositories["org/toy"]["main"]["README.md"].decode()
    assert "how healthy images of rgb, lidar look" in page
    assert 'Monitor.of("hf://org/toy")' in page


def test_health_of_an_earlier_model_does_not_stay_on_the_hub(hub: Hub, folder, capsys) -> None:
    hub.repositories["org/toy"] = {"main": {"health.safetensors": b"of other weights", "notes.txt": b"mine"}}
    assert main(["push", str(folder), "org/toy", "--license=mit"]) == 0
    assert "note: it cannot tell sick sensors" in capsys.readouterr().out
    files = hub.repositories["org/toy"]["main"]
    assert sorted(files) == ["README.md", "model.json", "model.safetensors", "notes.txt"]
    assert "cannot tell a broken sensor" in files["README.md"].decode()


@pytest.mark.parametrize("damage", ["other weights", "cut", "flipped", "long"])
def test_health_that_is_not_the_models_is_not_published(hub: Hub, folder, capsys, damage: str) -> None:
    path, sha = folder / "health.safetensors", read_card(folder).sha256
    save_profiles(folder, {"rgb": random_profile()}, "0" * 64 if damage == "other weights" else sha)
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:-40])
        case "flipped":
            path.write_bytes(content[:-4] + b"\xff" * 4)  # NaN
        case "long":
            path.write_bytes(content.ljust(16_000_001, b"\0"))
    assert main(["push", str(folder), "org/toy", "--license=mit"]) == 1
    assert str(path) in " ".join(capsys.readouterr().err.split())
    assert hub.asked == []


def test_a_private_branch(hub: Hub, folder) -> None:
    words = ["push", str(folder), "org/hidden", "--license", "mit", "--private", "--revision", "v1"]
    assert main(words) == 0
    assert hub.hidden == {"org/hidden"}
    assert sorted(hub.repositories["org/hidden"]["v1"]) == ["README.md", "model.json", "model.safetensors"]
    assert hub.repositories["org/hidden"]["main"] == {}


def test_what_should_be_private_is_not_put_where_all_can_see_it(hub: Hub, folder) -> None:
    hub.repositories["org/open"] = {"main": {}}
    published = publication(folder, HubName("org/open"), license="mit")
    with pytest.raises(OSError, match="cannot publish hf://org/open@main: it is there already, and public"):
        upload(published, private=True)
    assert hub.repositories["org/open"]["main"] == {}


def test_a_hub_that_refuses_is_one_line(hub: Hub, folder, capsys, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"{hub.endpoint}/elsewhere")
    assert main(["push", str(folder), "org/toy", "--license=mit"]) == 1
    error = capsys.readouterr().err.strip()
    assert "cannot publish hf://org/toy@main: " in error
    assert "\n" not in error


def test_the_same_goes_into_a_folder(folder, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["push", str(folder), "org/toy", "--license=mit", f"--to={out}"]) == 0
    assert "not published" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "model.json", "model.safetensors"]
    assert load(out).card == read_card(folder)
    save_profiles(folder, {"rgb": random_profile()}, read_card(folder).sha256)
    assert main(["push", str(folder), "org/toy", "--license=mit", f"--to={tmp_path / 'well'}"]) == 0
    assert list(Monitor.of(tmp_path / "well").profiles) == ["rgb"]
    assert main(["push", str(folder), "org/toy", "--license=mit", f"--to={out}"]) == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_bad_input_is_refused_before_anything_is_sent(hub: Hub, folder, made, capsys) -> None:
    def error(*words: str) -> str:
        assert main(["push", *words]) != 0
        return capsys.readouterr().err

    assert "license" in error(str(folder), "org/toy")
    assert "named as the hub does" in error(str(folder), "org/toy", "--license=My Own: licence")
    assert "is called org/name" in error(str(folder), "toy", "--license=mit")
    assert "was not evaluated on test" in error(str(folder), "org/toy", "--license=mit", "--split=test")
    save(made(weights="f" * 64), folder / "evaluation" / "val")
    assert "an evaluation of other weights" in error(str(folder), "org/toy", "--license=mit")
    (folder / "model.safetensors").write_bytes(b"x")
    assert "was damaged or replaced" in error(str(folder), "org/toy", "--license=mit")
    assert hub.asked == []


def test_the_licence_of_the_initial_weights_is_recalled(folder, tmp_path, capsys) -> None:
    write_card(folder, replace(read_card(folder), origin="mit_b0.pth: somebody's (non-commercial licence)"))
    assert main(["push", str(folder), "org/toy", "--license=mit", f"--to={tmp_path / 'out'}"]) == 0
    assert "must allow for that of the initial weights: mit_b0.pth" in capsys.readouterr().out
    page = (tmp_path / "out" / "README.md").read_text()
    assert yaml.safe_load(page.split("---")[1])["license"] == "mit"
    assert "binds those who use this model" in page


@pytest.mark.parametrize("command", ["evaluate", "benchmark", "expect --failure=rgb=0.1", "report"])
def test_results_are_not_written_into_the_hubs_cache(hub: Hub, command: str, capsys) -> None:
    name, *flags = command.split()
    assert main([name, "hf://org/toy", *flags]) == 1
    assert "hf://org/toy@main is no place for results" in capsys.readouterr().err
    assert hub.asked == []


def test_predict_takes_a_name_on_the_hub(hub: Hub, folder, tmp_path, capsys) -> None:
    upload(publication(folder, HubName("org/toy"), license="mit"))
    (tmp_path / "empty").mkdir()
    assert main(["predict", "hf://org/toy", str(tmp_path / "empty")]) == 1
    assert "no file" in capsys.readouterr().err
    assert hub.fetched() == ["README.md", "model.json", "model.safetensors"]
