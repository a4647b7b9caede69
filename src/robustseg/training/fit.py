"""One training stage, resumable at any step: what happens at step n is a function of (recipe, n, weights)."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from safetensors.torch import save
from torch import Tensor, distributed, nn

from robustseg.data.transforms import sample_generator
from robustseg.distill.objective import gradient_shares
from robustseg.files import write_atomically
from robustseg.normalisation import normalise
from robustseg.training.batches import Share, TrainingBatch, epoch_loader
from robustseg.training.batchnorm import share_batchnorm
from robustseg.training.checkpoint import load_checkpoint, save_checkpoint
from robustseg.training.journal import Journal, Row
from robustseg.training.losses import Losses
from robustseg.training.optimiser import adamw, learning_rate, moving_average, set_learning_rate
from robustseg.training.selection import selection_counts, selection_score
from robustseg.training.stage import Running, Stage, Step

BEST = "best.safetensors"
STEP_STREAM = 3


def fit(fabric: Fabric, stage: Stage) -> Running:
    """Trains `stage` from its last checkpoint, or from the start, to its end; the best weights lie in `folder`.

    Raises:
        ValueError: A checkpoint cannot be read, or a loss or gradient is not finite; the message names the frames.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written, and the same command goes on from it.
    """
    share = Share(
        stage.schedule.batch_size,
        parts=fabric.world_size * stage.schedule.accumulate,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    module, running = _start(fabric, stage)
    began = time.monotonic() - running.seconds
    journal = Journal(
        stage.folder, stage=stage.name, first_step=running.step, steps=stage.steps, quiet=not fabric.is_global_zero
    )
    if running.step:
        journal.say(f"going on after step {running.step} of {stage.steps}")
    with journal, _interruptible(fabric) as interrupted:
        while running.step < stage.steps:
            epoch, first = divmod(running.step, stage.steps_per_epoch)
            loader = epoch_loader(stage.train, share, epoch=epoch, first_step=first, workers=stage.machine.workers)
            for parts in _grouped(loader, stage.schedule.accumulate):
                row = _optimise(fabric, stage, module, running, parts)
                running.step += 1
                running.seconds = time.monotonic() - began
                journal.step(running.step)
                if row:
                    journal.log(row)
                if running.step % stage.steps_per_epoch == 0:
                    _look(fabric, stage, running, journal)
                stop = interrupted()
                if stop or _due(running.step, stage):
                    _save(fabric, stage, running, journal)
                if stop:
                    raise KeyboardInterrupt
    return running


def _start(fabric: Fabric, stage: Stage) -> tuple[nn.Module, Running]:
    """The step as all processes share it, in training mode, and its moving parts as the last checkpoint left them."""
    step = cast(Step, stage.step)
    model, besides = step.model.to(fabric.device), step.besides.to(fabric.device)
    if stage.machine.sync_batchnorm and fabric.world_size > 1:
        share_batchnorm(model)
    average = moving_average(model, stage.schedule.ema)
    warnings.filterwarnings("ignore", "Grad strides do not match")  # a matter of DDP's speed, not of its result
    module, optimizer = fabric.setup(stage.step, adamw(nn.ModuleList([model, besides]), stage.schedule))
    running = Running(model, besides, optimizer, average, fabric.strategy.precision)
    if (state := load_checkpoint(stage.folder)) is not None:
        running.restore(state)
    module.train()
    return module, running


def _optimise(
    fabric: Fabric, stage: Stage, module: nn.Module, running: Running, parts: list[TrainingBatch]
) -> Row | None:
    """One optimiser step over `parts`; a row for the log where one is due."""
    rate = learning_rate(running.step, stage.steps_per_epoch, stage.schedule)
    set_learning_rate(running.optimizer, rate)
    seed = step_seed(stage.train.seed, running.step, fabric.global_rank)
    torch.manual_seed(seed)  # dropout and drop-path draw from the global state
    done = running.step + 1
    logged = done == 1 or done % stage.machine.log_every == 0
    weights = cast(Step, stage.step).weights
    row: Row | None = {"step": done, "epoch": running.step / stage.steps_per_epoch, "lr": rate}
    for number, part in enumerate(parts):
        batch = part.to(fabric.device)
        images = normalise(batch.images, stage.modalities)
        with fabric.no_backward_sync(module, enabled=number + 1 < len(parts)):  # pyright: ignore[reportArgumentType]
            losses = cast(Losses, module(images, batch, seed + number)).terms
            loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
            _check_finite(loss, losses, parts, running.step)
            if logged and number == 0:
                row |= _loss_row(losses, loss, weights, running.model)
            fabric.backward(loss / len(parts))
    limit = stage.schedule.clip or math.inf
    norm = fabric.clip_gradients(module, running.optimizer, max_norm=limit, error_if_nonfinite=False)
    if norm is not None and stage.machine.precision != "16-mixed":  # fp16's scaler skips such steps itself
        _check_finite(norm, {"gradient norm": norm}, parts, running.step)
    running.optimizer.step()
    running.optimizer.zero_grad(set_to_none=True)
    if running.average is not None:
        running.average.update_parameters(running.model)
    return row if logged else None


def _loss_row(losses: dict[str, Tensor], loss: Tensor, weights: dict[str, float], model: nn.Module) -> Row:
    """Each term, its weight and its share of the gradient norm."""
    shares = gradient_shares(losses, weights, [p for p in model.parameters() if p.requires_grad])
    row: Row = {"loss": loss.item()}
    for name, value in losses.items():
        row |= {name: value.item(), f"{name}_weight": weights[name], f"{name}_share": shares[name]}
    return row


def _look(fabric: Fabric, stage: Stage, running: Running, journal: Journal) -> None:
    """Scores the weights at the end of an epoch and keeps them if they are the best so far."""
    epoch = running.step // stage.steps_per_epoch
    last = running.step == stage.steps
    if stage.select is None:
        score, chosen = float(epoch), last
    elif last or epoch % stage.schedule.validate_every == 0:
        _agree_on_buffers(fabric, running.shown)
        batch_size = stage.schedule.batch_size // fabric.world_size
        counts = selection_counts(
            fabric, running.shown, stage.select, stage.subsets, batch_size, one_of=stage.train.one_of
        )
        score = selection_score(counts)
        chosen = score > running.score
        running.scores.append((epoch, score))
        what = f"mean mIoU of {len(stage.subsets)} subsets" if len(stage.subsets) > 1 else "mIoU of all sensors"
        text = f"epoch {epoch}/{stage.schedule.epochs}, {what} {score:.2f}{' (best so far)' if chosen else ''}"
        journal.score({"step": running.step, "score": score}, text)
    else:
        return
    if chosen:
        running.score, running.best_step = score, running.step
        if fabric.is_global_zero:
            data = save({key: value.contiguous() for key, value in running.shown.state_dict().items()})
            write_atomically(stage.folder / BEST, lambda path: _write(path, data))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)  # a full disk is an OSError here, as everywhere


def _agree_on_buffers(fabric: Fabric, model: nn.Module) -> None:
    """Gives every process the first one's BatchNorm statistics: those that are stored, of its own share of frames."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)


def _due(step: int, stage: Stage) -> bool:
    every = stage.machine.checkpoint_every
    return step % stage.steps_per_epoch == 0 or bool(every and step % every == 0)


def _save(fabric: Fabric, stage: Stage, running: Running, journal: Journal) -> None:
    if fabric.is_global_zero:
        journal.write()
        save_checkpoint(stage.folder, running.state())


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of a step's dropout and noise."""
    return int(torch.randint(2**62, (1,), generator=sample_generator(seed, step, rank, stream=STEP_STREAM)))


def _check_finite(value: Tensor, named: dict[str, Tensor], parts: list[TrainingBatch], step: int) -> None:
    if not torch.isfinite(value):
        terms = ", ".join(f"{name} {term.item():g}" for name, term in named.items())
        names = ", ".join(name for part in parts for name in part.names)
        raise ValueError(f"training stopped at step {step}: {terms} is not finite on the frames {names}")


def _grouped(loader: Any, size: int) -> Iterator[list[TrainingBatch]]:
    group = []
    for batch in loader:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []


@contextmanager
def _interruptible(fabric: Fabric) -> Iterator[Any]:
    """Gives a function that tells, on every process alike, whether Ctrl-C was pressed; a second one stops at once."""
    pressed = threading.Event()

    def note(*_: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    def interrupted() -> bool:
        if fabric.world_size == 1:
            return pressed.is_set()
        flag = torch.tensor(float(pressed.is_set()), device=fabric.device)
        return bool(fabric.all_reduce(flag, reduce_op="sum"))

    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
