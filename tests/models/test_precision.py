from pathlib import Path

import pytest
import torch
from torch import Tensor

from robustseg.deploy import Predictor
from robustseg.failures import all_subsets
from robustseg.models import precision
from robustseg.models.fusion import Fused
from robustseg.models.precision import in_precision, precision_of, processor_flags
from robustseg.robustness.evaluate import evaluate
from robustseg.robustness.subsets import subset_labels

PRESENT = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, True, True]])


@pytest.fixture(autouse=True)
def any_processor(monkeypatch) -> None:
    """No warning where these tests run on a processor without bfloat16: it computes the same."""
    monkeypatch.setattr(precision, "processor_flags", frozenset)


def relative(got: Tensor, wanted: Tensor) -> float:
    return float((got.double() - wanted.double()).norm() / wanted.double().norm())


def test_fp32_is_the_model_itself(tiny) -> None:
    model = tiny()
    assert in_precision(model, "fp32") is model


@torch.inference_mode()
@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_bf16_is_the_model_but_for_rounding(tiny, images: Tensor, absence: str) -> None:
    model = tiny(absence=absence)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    low = in_precision(model, "bf16")
    assert (precision_of(low), precision_of(model)) == ("bf16", "fp32")
    for wanted, got in ((model(images, PRESENT), low(images, PRESENT)), (model(images), low(images))):
        assert got.logits.dtype == torch.float32
        assert {stage.dtype for stage in got.features} == {torch.bfloat16}
        assert relative(got.logits, wanted.logits) < 0.02
        for mine, theirs in zip(got.features, wanted.features, strict=True):
            assert 0 < relative(mine, theirs) < 0.02
    assert (low.labels(images, PRESENT) == low(images, PRESENT).logits.argmax(dim=1)).float().mean() > 0.999
    assert (low.labels(images, PRESENT) == model.labels(images, PRESENT)).float().mean() > 0.97
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_the_head_rounds_weights_after_they_are_multiplied(tiny, images: Tensor) -> None:
    low = in_precision(tiny(), "bf16")
    with torch.inference_mode():
        encoded = low.encode_batch(images, torch.ones(3, 4, dtype=torch.bool))
        fused = low.fuse(encoded.maps, encoded.sample, encoded.modality, encoded.present)
        tiles = low.decode(fused)
    with torch.no_grad():  # from the same maps, without any rounding
        wanted = tiny().double().decode(Fused([stage.double() for stage in fused.maps], fused.present))
    assert relative(tiles, wanted) < 0.006
    with torch.enable_grad():  # where steps are recorded, nothing is computed in tiles
        whole = low.decode(Fused([stage.clone() for stage in fused.maps], fused.present))
    assert whole.dtype == torch.float32
    assert relative(whole, wanted) < 0.012


def test_subsets_share_their_decoding(tiny, images: Tensor) -> None:
    low, subsets = in_precision(tiny(), "bf16"), all_subsets(4)
    shared = subset_labels(low, images, subsets)
    one_by_one = torch.stack([low.labels(images, subset.expand(3, -1)) for subset in subsets])
    assert (shared == one_by_one).float().mean() > 0.98


def test_the_card_comes_along_and_predictions_are_made(toy_model) -> None:
    low = in_precision(toy_model, "bf16")
    assert low.card == toy_model.card
    image = (torch.rand(40, 56, 3, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8).numpy()
    wanted, got = Predictor(toy_model)({"rgb": image}), Predictor(low)({"rgb": image})
    assert (wanted.labels == got.labels).mean() > 0.95
    assert abs(wanted.confidence - got.confidence).max() < 0.02


def test_scores_say_what_they_were_computed_in(toy_model, toy_frames) -> None:
    assert evaluate(toy_model, toy_frames()).note == ""
    found = evaluate(in_precision(toy_model, "bf16"), toy_frames())
    assert found.note == "computed in bf16"


def test_what_is_refused(tiny) -> None:
    model = tiny()
    low = in_precision(model, "bf16")
    assert not any(parameter.requires_grad for parameter in low.parameters())
    with pytest.raises(ValueError, match="cannot be trained: load it in fp32"):
        low.train()
    with pytest.raises(ValueError, match="is in bf16 already: load it anew to have it in fp32"):
        in_precision(low, "fp32")
    with pytest.raises(ValueError, match="no precision 'int4'; choose one of fp32, bf16, fp16"):
        in_precision(model, "int4")
    with pytest.raises(ValueError, match="fp16 is for GPUs, the model is on cpu"):
        in_precision(model, "fp16")


def test_processors_without_bfloat16_are_named(tiny, monkeypatch) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset({"avx2", "avx512f"}))
    with pytest.warns(UserWarning, match=r"has no bfloat16 arithmetic: bf16 is emulated here, and slower than fp32"):
        in_precision(tiny(), "bf16")


def test_processor_flags_are_read(tmp_path: Path) -> None:
    assert processor_flags(tmp_path / "cpuinfo") == frozenset()
    (tmp_path / "x86").write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16 sse\n\nprocessor\t: 1\n")
    assert processor_flags(tmp_path / "x86") == {"fpu", "avx512_bf16", "sse"}
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert "bf16" in processor_flags(tmp_path / "arm")
    (tmp_path / "odd").write_text("processor : 0\n")
    assert processor_flags(tmp_path / "odd") == frozenset()
