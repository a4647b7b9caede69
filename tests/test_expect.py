"""`robustseg expect` on a stored evaluation."""

import pytest

from robustseg.cli import main
from robustseg.robustness import save, stored_evaluation


@pytest.fixture
def model(made, tmp_path):
    save(made(), tmp_path / "model" / "evaluation" / "val")
    return tmp_path / "model"


def test_it_reads_a_model_folder_or_an_evaluation(model, capsys):
    said = []
    for folder in (model, model / "evaluation" / "val"):
        assert main(["expect", str(folder), "--failure", "rgb=0.1,lidar=0.05", "--together", "rgb,depth=0.001"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "depth+lidar" in said[0]
    assert "expected" in said[0]
    assert "5% quantile" in said[0]


def test_wrong_input_is_one_clear_line(model, made, tmp_path, capsys):
    save(made(), model / "evaluation" / "test")
    (tmp_path / "empty").mkdir()
    for words, said in (
        ([str(model), "--failure=rgb=0.1"], "evaluated on test, val: choose one with --split"),
        ([str(model), "--failure=rgb=0.1", "--split=dev"], "was not evaluated on dev, only on test, val"),
        ([str(model), "--split=val"], "say what can fail"),
        ([str(model), "--split=val", "--failure=sonar=0.1"], "no modality or sensor 'sonar'"),
        ([str(model), "--split=val", "--failure=rgb=2"], "must lie in 0..1"),
        ([str(tmp_path / "empty"), "--failure=rgb=0.1"], "holds no evaluation"),
    ):
        assert main(["expect", *words]) == 1
        error = capsys.readouterr().err.strip()
        assert said in error
        assert "\n" not in error
    assert stored_evaluation(model, "test") == model / "evaluation" / "test"
