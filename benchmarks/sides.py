"""Both sides of the comparison: our network and the opponent's with the same weights, inputs and work.

Shapes: B batch, M modalities, S subsets, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from opponent import evaluation
from opponent.losses import WEIGHTS, Noise
from opponent.network import Network, Places
from opponent.training import Student
from torch import Tensor

from robustseg.build import build_model
from robustseg.distill import Objective, draw_permutation, hpdm, rrm
from robustseg.failures import all_subsets
from robustseg.models.segmenter import Segmenter
from robustseg.recipe import Backbone, Distill, Model, Schedule
from robustseg.robustness.subsets import subset_labels
from robustseg.training.batches import TrainingBatch
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.optimiser import adamw
from robustseg.training.student import StudentStep

MODALITIES, CLASSES = 4, 25
SCHEDULE = Schedule(lr=6e-5)
DEFAULT = Distill()
RELEASED = Distill(**WEIGHTS, hpdm_form="released", hybrid=False, rrm_form="released")  # pyright: ignore[reportArgumentType]

PLACES: dict[int, Places] = {1: [(0, 2)], 2: [(0, 1, 3), (1, 2)], 4: [(0, 1, 2, 3), (0, 1, 3), (1, 2), (2,)]}
"""What the student sees of each sample, by the size of the batch: two and a half of four on average, as when drawn."""

MOST_STEPS = 10**9
"""The noise of step n is drawn from seed n on both sides."""

Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A network and the images it is given.

    Attributes:
        backbone: A name in `robustseg.models.mit.SHAPES`.
        width: The decoder's embedding width.
        size: Height and width of the images.
        batch: How many frames there are at a time.
        modalities: Of each frame.
        drop: Rate of dropout and stochastic depth in training.
    """

    backbone: Backbone
    width: int
    size: tuple[int, int]
    batch: int = 1
    modalities: int = MODALITIES
    drop: float = 0.1

    def images(self) -> Float[Tensor, "B M 3 H W"]:
        """Noise, which costs as much as a picture."""
        shape = (self.batch, self.modalities, 3, *self.size)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def labels(self) -> Int64[Tensor, "B H W"]:
        """Blocks of one class each, the first rows ignored."""
        draw = torch.Generator().manual_seed(1)
        blocks = torch.randint(0, CLASSES, (self.batch, -(-self.size[0] // 16), -(-self.size[1] // 16)), generator=draw)
        whole = blocks.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)[:, : self.size[0], : self.size[1]]
        whole[:, :5] = 255
        return whole.contiguous()


def our_network(case: Case, seed: int = 0) -> Segmenter:
    """Random weights, and batch statistics that change something."""
    recipe = Model(backbone=case.backbone, width=case.width, dropout=case.drop, drop_path=case.drop)
    model = build_model(recipe, CLASSES, case.modalities, seed=seed).eval()
    draw = torch.Generator().manual_seed(seed)
    norm = model.get_submodule("decoder.norm")
    norm.get_buffer("running_mean").normal_(generator=draw)
    norm.get_buffer("running_var").uniform_(0.5, 2, generator=draw)
    return model


def same_network(ours: Segmenter, case: Case) -> Network:
    """The opponent with the weights of our network."""
    network = Network(case.backbone, CLASSES, width=case.width, dropout=case.drop, drop_path=case.drop)
    network.load_state_dict(ours.state_dict())
    return network.eval()


def present_of(places: Places, modalities: int) -> Bool[Tensor, "B M"]:
    """As our side wants it."""
    return torch.tensor([[place in live for place in range(modalities)] for live in places])


def inference_runs(case: Case, counts: tuple[int, ...]) -> dict[str, Run]:
    """Labels from the first so many modalities."""
    ours, images = our_network(case), case.images()
    opponent = same_network(ours, case)
    runs: dict[str, Run] = {}
    for count in counts:
        live = range(count)
        present = present_of([live] * case.batch, case.modalities)
        runs[f"opponent, {count}"] = lambda live=live: _no_grad(lambda: evaluation.labels(opponent, images, live))
        runs[f"ours, {count}"] = lambda present=present: ours.labels(images, present)
    return runs


def subset_runs(case: Case) -> dict[str, Run]:
    """Labels of all subsets of the modalities."""
    ours, images, subsets = our_network(case), case.images(), all_subsets(case.modalities)
    opponent = same_network(ours, case)
    places = [row.nonzero().flatten().tolist() for row in subsets]
    return {
        "opponent": lambda: _no_grad(lambda: evaluation.subset_labels(opponent, images, places)),
        "ours": lambda: subset_labels(ours, images, subsets),
    }


def sized_subset_runs(case: Case) -> dict[str, Run]:
    """Ours as in `subset_runs`; the opponent's labels of one subset of each size."""
    ours, images, subsets = our_network(case), case.images(), all_subsets(case.modalities)
    one_by_one = inference_runs(case, tuple(range(1, case.modalities + 1)))
    opponent = {name: run for name, run in one_by_one.items() if name.startswith("opponent")}
    return {**opponent, "ours": lambda: subset_labels(ours, images, subsets)}


def _no_grad(function: Run) -> object:
    with torch.no_grad():
        return function()


def step_runs(case: Case) -> dict[str, Run]:
    """A student's step: the opponent's, ours with the default losses, ours with the released ones, and two losses."""
    return {
        "opponent": opponent_step(case),
        "ours": our_step(case, DEFAULT),
        "ours, released forms": our_step(case, RELEASED),
        "HPDM + RRM": our_losses(case),
    }


def opponent_step(case: Case) -> Callable[[], dict[str, Tensor]]:
    """A call takes the next step, and returns the losses."""
    first, second = (same_network(our_network(case, seed), case) for seed in (0, 1))
    student = Student(first, second, lr=SCHEDULE.lr)
    images, labels, places, seeds = case.images(), case.labels(), PLACES[case.batch], iter(range(MOST_STEPS))
    return lambda: student.step(images, labels, places, seeded_noise(next(seeds)))


def our_step(case: Case, distill: Distill) -> Callable[[], dict[str, Tensor]]:
    """A call takes the next step by the package's own parts, and returns the losses; normalising is left out."""
    model, teacher = our_network(case), our_network(case, seed=1)
    student = StudentStep(model, FrozenTeacher(teacher), Objective(distill, CLASSES)).train()
    optimizer = adamw(model, SCHEDULE)
    images, batch = case.images(), training_batch(case)
    seeds = iter(range(MOST_STEPS))

    def step() -> dict[str, Tensor]:
        losses = student(images, batch, next(seeds)).terms
        optimizer.zero_grad()
        student.objective.total(losses).backward()
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    return step


def our_losses(case: Case) -> Run:
    """Forward and backward pass of our HPDM and RRM alone, from given maps."""
    batch, images = training_batch(case), case.images()
    with torch.no_grad():
        student, teacher = our_network(case)(images, batch.drawn[:, 0]), our_network(case, seed=1)(images)
    maps = [stage.requires_grad_() for stage in student.maps]
    pair = {"student": maps, "teacher": teacher.maps, "present": batch.drawn[:, 0], "teacher_present": batch.present}

    def run() -> None:
        prototypes = hpdm(**pair, labels=batch.labels, num_classes=CLASSES, permutation=batch.permutation)
        (DEFAULT.hpdm * prototypes + DEFAULT.rrm * rrm(**pair)).backward()

    return run


def training_batch(case: Case) -> TrainingBatch:
    """The frames of a case with the student's draws."""
    drawn = present_of(PLACES[case.batch], case.modalities)
    present = torch.ones_like(drawn)
    return TrainingBatch(
        images=case.images(),
        labels=case.labels(),
        present=present,
        drawn=drawn[:, None],
        permutation=draw_permutation(drawn, present, torch.Generator().manual_seed(2)),
        names=("",) * case.batch,
    )


def seeded_noise(seed: int) -> Noise:
    """Standard normal."""
    draw = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=draw)


@dataclass(frozen=True)
class Agreement:
    """How far the two sides are apart on the same weights and inputs.

    Attributes:
        logits: The largest difference.
        losses: The largest relative difference of a loss in its released form.
        labels: The share of pixels with the same label.
    """

    logits: float
    losses: float
    labels: float

    def check(self) -> None:
        """Raises ValueError where the sides do not compute the same."""
        if not (self.logits <= 1e-4 and self.losses <= 1e-4 and self.labels >= 0.9999):
            raise ValueError(f"the two sides differ, so their times mean nothing: {self}")


def agreement(case: Case) -> Agreement:
    """On frames with different modalities, without dropout; the losses are those of the first two steps."""
    case = replace(case, drop=0.0)
    images, places = case.images(), PLACES[case.batch]
    present = present_of(places, case.modalities)
    ours = our_network(case)
    with torch.no_grad():
        mine, theirs = ours(images, present).logits, same_network(ours, case)(images, places).logits
        same = ours.labels(images, present) == theirs.argmax(dim=1)
    steps = opponent_step(case), our_step(case, RELEASED)
    losses = [(steps[0](), steps[1]()) for _ in range(2)]
    return Agreement(
        logits=float((mine - theirs).abs().max()),
        losses=max(float((two[name] / one[name] - 1).abs()) for one, two in losses for name in WEIGHTS),
        labels=float(same.double().mean()),
    )
