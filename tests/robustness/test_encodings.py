"""Every protocol against one plain forward pass per frame and row."""

import weakref
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from robustseg.data.sample import Sample
from robustseg.failures import FAULTS, add_noise, all_subsets, apply_fault, drop_elements, drop_pixels, generator_for
from robustseg.metrics import count
from robustseg.normalisation import normalise
from robustseg.recipe import Scoring
from robustseg.robustness import Evaluation, evaluate
from robustseg.robustness.cases import protocol_cases
from robustseg.robustness.encodings import SIZES, ZeroImages


def rig(toy_frames, number: int = 6):
    kinds = ("camera", "depth", "lidar")
    modalities = tuple(replace(m, kind=kind) for m, kind in zip(toy_frames().modalities, kinds, strict=True))
    return toy_frames(modalities=modalities, number=number)


def predicted(model, images: Tensor, present: Tensor) -> Tensor:
    with torch.inference_mode():
        return model(images[None], present[None]).logits.argmax(dim=1)


def close(counts: Tensor, others: Tensor) -> bool:
    """Equal but for pixels between two classes, which rounding decides: batches are summed in another order."""
    return bool((counts.long() - others).abs().max() <= 3)


def expected(model, frames, protocol: str, make) -> Evaluation:
    """`make(sample, clean images, row) -> (images, present)`, or None where the row is not scored."""
    counts, scored = [], []
    for f in range(len(frames)):
        sample = frames[f]
        clean = normalise(sample.images[None], frames.modalities)[0]
        for case in protocol_cases(protocol, frames.modalities):
            shown = make(sample, clean, case)
            scored.append(shown is not None)
            if shown is None:
                counts.append(torch.zeros(len(frames.classes), 3, dtype=torch.int64))
            else:
                counts.append(count(predicted(model, *shown), sample.labels[None], len(frames.classes))[0])
    shape = (len(frames), -1)
    return torch.stack(counts).unflatten(0, shape), torch.tensor(scored).view(shape)


def check(model, frames, protocol: str, make, batch_sizes: tuple[int, ...] = (1, 4)) -> None:
    counts, scored = expected(model, frames, protocol, make)
    for batch_size in batch_sizes:
        found = evaluate(model, frames, protocol=protocol, batch_size=batch_size)
        assert found.scored.equal(scored)
        assert close(found.counts, counts)


def test_zeros_stay_in_the_mean(keen_model, toy_frames) -> None:
    def make(sample: Sample, clean: Tensor, case):
        present = sample.present & torch.tensor(case.present)
        shown = torch.where(present[:, None, None, None], clean, 0.0)
        filled = present | ~torch.tensor(case.present)
        return (shown, filled) if present.any() else None

    # a modality that the row does not miss but the frame lacks is removed, as in every protocol
    check(keen_model, rig(toy_frames), "emm_zero", make)


@pytest.mark.parametrize(("protocol", "drop"), [("rmm_0.5", drop_elements), ("rmm_pixel_0.75", drop_pixels)])
def test_random_parts_are_lost(keen_model, toy_frames, protocol: str, drop) -> None:
    frames = rig(toy_frames)
    rate = float(protocol.rsplit("_", 1)[1])
    kind = "elements" if drop is drop_elements else "pixels"

    def make(sample: Sample, clean: Tensor, case):
        if not (sample.present & torch.tensor(case.present)).any():
            return None
        images = clean.clone()
        for place, modality in enumerate(frames.modalities):
            if not case.present[place] and sample.present[place]:
                generator = generator_for(0, sample.name, modality.name, kind, "", f"{rate:g}")
                images[place] = drop(clean[place], rate, generator)
        return images, sample.present

    check(keen_model, frames, protocol, make)


def test_noise_is_keyed_by_frame_and_modality(keen_model, toy_frames) -> None:
    frames = rig(toy_frames)

    def make(sample: Sample, clean: Tensor, case):
        images = clean.clone()
        for place in sample.present.nonzero().flatten().tolist():
            modality = frames.modalities[place]
            generator = generator_for(0, sample.name, modality.name, "noise", case.state, "0")
            images[place] = add_noise(clean[place], case.state, modality.sort, generator)
        return images, sample.present

    check(keen_model, frames, "nm", make)


def test_faults_act_on_one_sensor_before_normalisation(keen_model, toy_frames) -> None:
    frames = rig(toy_frames, number=3)

    def make(sample: Sample, clean: Tensor, case):
        (place,) = [place for place, need in enumerate(case.needs) if need]
        variant, modality = case.variants[place], frames.modalities[place]
        if FAULTS[variant.what].temporal or not sample.present[place]:
            return None  # no recording is known
        generator = generator_for(0, sample.name, modality.device, variant.what)
        image = apply_fault(variant.what, sample.images[place], modality, int(variant.amount), generator)
        images = clean.clone()
        images[place] = normalise(image[None], [modality])[0]
        return images, sample.present

    check(keen_model, frames, "faults", make, batch_sizes=(2,))


@dataclass(frozen=True)
class Recorded:
    """Toy frames of two recordings."""

    frames: object
    sequences: tuple[str, ...] = field(default=("a", "a", "b", "a", "a", "b"))

    @property
    def modalities(self):
        return self.frames.modalities

    @property
    def classes(self):
        return self.frames.classes

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: int) -> Sample:
        return self.frames[index]


def test_late_and_frozen_sensors_show_earlier_frames_of_their_recording(keen_model, toy_frames) -> None:
    frames = Recorded(rig(toy_frames))
    found = evaluate(keen_model, frames, protocol="faults", batch_size=4)
    late = found.names.index("late_frame@lidar:1")  # one frame old
    assert found.scored[:, late].tolist() == [False, True, False, True, True, True]
    frozen = found.names.index("frozen_frame@lidar:1")  # every second one
    assert found.scored[:, frozen].all()
    for row, sources in ((late, {1: 0, 3: 1, 4: 3, 5: 2}), (frozen, {0: 0, 1: 0, 2: 2, 3: 3, 4: 3, 5: 2})):
        for index, source in sources.items():
            sample, old = frames[index], frames[source]
            images = normalise(sample.images[None], frames.modalities)[0]
            images[2] = normalise(old.images[None], frames.modalities)[0, 2]
            labels = predicted(keen_model, images, sample.present)
            assert close(found.counts[index, row], count(labels, sample.labels[None], 4)[0])


def test_a_model_that_fills_with_zeros_knows_no_difference(keen_model, toy_frames) -> None:
    """Under absence "zero" removal and zero fill are one; frames that lack a sensor included."""
    filling = type(keen_model)(keen_model.encoder, keen_model.decoder, absence="zero", num_modalities=3)
    filling.card = replace(keen_model.card, absence="zero")
    removed, filled = (evaluate(filling.eval(), rig(toy_frames), protocol=name) for name in ("emm", "emm_zero"))
    assert removed.counts.equal(filled.counts)
    assert not removed.counts.equal(evaluate(keen_model, rig(toy_frames)).counts)


def test_each_image_is_encoded_once(keen_model, toy_frames, monkeypatch) -> None:
    seen = []
    encode = keen_model.encoder.forward
    monkeypatch.setattr(keen_model.encoder, "forward", lambda x, m: seen.extend(m.tolist()) or encode(x, m))
    frames = rig(toy_frames)
    present = sum(int(frames[f].present.sum()) for f in range(6))
    evaluate(keen_model, frames, batch_size=4)
    assert len(seen) == present
    seen.clear()
    evaluate(keen_model, frames, protocol="emm_zero", batch_size=4)
    assert len(seen) == present + 3  # and one image of zeros per modality
    seen.clear()
    evaluate(keen_model, frames, protocol="rmm_0.5", batch_size=4)
    assert len(seen) == 2 * present
    seen.clear()
    cases = protocol_cases("faults", frames.modalities)
    faults = [case for case in cases if not case.state.startswith(("late", "frozen"))]
    evaluate(keen_model, frames, protocol="faults", batch_size=4)
    alone = sum(int(frames[f].present[case.needs.index(True)]) for f in range(6) for case in faults)
    assert len(seen) == present + alone  # a fault encodes the one modality that it hits


def test_zero_images_of_many_sizes_do_not_pile_up(keen_model, toy_frames, monkeypatch) -> None:
    encoded, kept = [], []
    plain = type(keen_model).encode

    def encode(self, images, modality):
        maps = plain(self, images, modality)
        encoded.append(tuple(images.shape[-2:]))
        kept.append(weakref.ref(maps[0]))
        return maps

    monkeypatch.setattr(type(keen_model), "encode", encode)
    zeros, like = ZeroImages(keen_model), torch.zeros(1)
    sizes = [(32, 32 + 4 * step) for step in range(20)]
    for size in sizes:
        for place in (0, 1, 0):
            zeros.maps(size, place, like)
        zeros.maps(sizes[0], 0, like)  # one that all frames share is never made again
    assert encoded.count(sizes[0]) == 2
    assert len(encoded) == 40
    assert sum(reference() is not None for reference in kept) == 2 * SIZES


def test_labels_of_a_size_of_their_own(keen_model, toy_frames) -> None:
    @dataclass(frozen=True)
    class Larger:
        frames: object

        def __getattr__(self, name: str):
            return getattr(self.frames, name)

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Sample:
            sample = self.frames[index]
            return replace(sample, labels=sample.labels.repeat_interleave(2, 0).repeat_interleave(2, 1))

    frames = Larger(rig(toy_frames))
    found = evaluate(keen_model, frames)
    sample = frames[0]
    images = normalise(sample.images[None], frames.modalities)
    with torch.inference_mode():
        encoded = keen_model.encode_batch(images, sample.present[None])
        fused = keen_model.fuse(encoded.maps, encoded.sample, encoded.modality, sample.present[None])
        labels = keen_model.decode(fused, (64, 96)).argmax(dim=1)
    assert close(found.counts[0, -1], count(labels, sample.labels[None], 4)[0])


def test_several_views(keen_model, toy_frames) -> None:
    frames = rig(toy_frames)
    scoring = Scoring(scales=(1.0, 1.5), flip=True)
    found = evaluate(keen_model, frames, scoring=scoring, batch_size=2)
    sample = frames[0]
    images = normalise(sample.images[None], frames.modalities)
    total = torch.zeros(1, 4, 32, 48)
    with torch.inference_mode():
        for flip in (False, True):
            for size in ((32, 48), (48, 72)):
                view = torch.nn.functional.interpolate(
                    images[0], size=size, mode="bilinear", align_corners=False, antialias=True
                )
                view[2] = torch.nn.functional.interpolate(images[:, 2], size=size, mode="nearest-exact")
                view = view.flip(-1) if flip else view
                encoded = keen_model.encode_batch(view[None], sample.present[None])
                fused = keen_model.fuse(encoded.maps, encoded.sample, encoded.modality, sample.present[None])
                part = keen_model.decode(fused, (32, 48)).softmax(dim=1)
                total += part.flip(-1) if flip else part
    assert close(found.counts[0, -1], count(total.argmax(dim=1), sample.labels[None], 4)[0])
    assert len(all_subsets(3)) == found.counts.shape[1]
