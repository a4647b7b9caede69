"""The plain graphs compute what the network does, for every fusion and set of modalities."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.deploy.export.graphs import Encoder, FuseDecode, Normalise, Whole
from robustseg.deploy.export.parity import expected_outputs, random_frames
from robustseg.deploy.export.parts import split_parts
from robustseg.deploy.export.writing import traced
from robustseg.failures import all_subsets

OUTPUTS = ("labels", "confidence", "logits")
NETWORKS = [
    ("mean", "remove", ()),
    ("mean", "remove", ("patch", "norm")),
    ("mean", "zero", ("norm",)),
    ("weighted", "remove", ("identity",)),
    ("weighted", "zero", ("patch",)),
    ("moments", "remove", ("norm",)),
    ("moments", "zero", ()),
    ("early", "remove", ()),
    ("late", "remove", ()),
    ("pair", "remove", ()),
]


def split_answer(model, images, present):
    """By the split form, absent slots holding NaN, or where they must the encoding of the mean."""
    encoder, rest = Encoder(model), FuseDecode(model, OUTPUTS)
    rows = []
    for place, modality in enumerate(model.card.modalities):
        image = images[:, place].clone()
        image[~present[:, place]] = torch.tensor(modality.mean)[:, None, None]
        maps = encoder(image, torch.tensor([place]))
        if model.absence == "remove":
            maps = [stage.clone().index_fill(0, (~present[:, place]).nonzero()[:, 0], torch.nan) for stage in maps]
        rows.append(maps)
    maps = [torch.stack(stage, dim=1) for stage in zip(*rows, strict=True)]
    return rest(maps, present, torch.tensor(images.shape[-2:]))


@pytest.mark.parametrize(("fusion", "absence", "private"), NETWORKS)
def test_both_forms_are_the_network(made, fusion, absence, private) -> None:
    model = made(fusion, absence, private)
    present = all_subsets(3)
    images = random_frames(model.card.modalities, 7, (41, 70), torch.Generator().manual_seed(0))
    expected = expected_outputs(model, images, present)
    assert len(np.unique(expected["labels"])) > 1
    dirty = images.masked_fill(~present[:, :, None, None, None], torch.nan)
    with torch.no_grad():
        for found in (Whole(model, OUTPUTS)(list(dirty.unbind(1)), present), split_answer(model, dirty, present)):
            for name, values in zip(OUTPUTS, found, strict=True):
                np.testing.assert_allclose(values.numpy(), expected[name], rtol=1e-3, atol=1e-3, err_msg=name)


def test_labels_are_bytes_and_outputs_come_as_asked(made) -> None:
    model = made()
    images = [torch.zeros(1, 3, 32, 40)] * 3
    logits, labels = Whole(model, ("logits", "labels"))(images, torch.ones(1, 3, dtype=torch.bool))
    assert (logits.shape, labels.shape, labels.dtype) == ((1, 4, 32, 40), (1, 32, 40), torch.uint8)


def test_the_confidence_is_that_of_what_is_there(made) -> None:
    model = made(temperatures=(0.5, 3.0, 1.0))
    images = random_frames(model.card.modalities, 1, (32, 40), torch.Generator().manual_seed(0))
    for present, temperature in ((torch.tensor([[True, False, False]]), 0.5), (torch.tensor([[True, True, False]]), 3)):
        logits, confidence = Whole(model, ("logits", "confidence"))(list(images.unbind(1)), present)
        torch.testing.assert_close(confidence, (logits / temperature).softmax(dim=1).amax(dim=1))


def test_the_graph_is_plain_and_its_sizes_are_free(made, traceable) -> None:
    _, rest = split_parts(made("weighted", private=("norm",)), ("labels", "confidence"), torch.float32)
    program = traced(rest)
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("nonzero" in name or "index_add" in name or "addmm_" in name for name in called)
    assert sum("conv2d" in str(node.target) for node in program.graph.nodes) == 5  # four stages and the classifier
    names = [name for name, _ in program.named_buffers()]
    assert not any("running" in name or "linears" in name for name in names)


def test_what_has_no_plain_form_is_named(made) -> None:
    model = made()
    model.decoder = torch.nn.Identity()
    with pytest.raises(ValueError, match="a Identity cannot be exported"):
        Whole(model, ("logits",))


def test_modalities_need_mean_and_std(made) -> None:
    model = made()
    unknown = tuple(replace(modality, mean=None, std=None) for modality in model.card.modalities[:1])
    model.card = replace(model.card, modalities=unknown + model.card.modalities[1:])
    with pytest.raises(ValueError, match=r"no mean and std for \['rgb'\]"):
        Normalise(model)
