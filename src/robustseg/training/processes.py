"""Where a stage runs: in this process, in several spawned here, or in those that a launcher has started."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import distributed
from torch.multiprocessing.spawn import ProcessException

from robustseg.files import locked
from robustseg.recipe import Machine
from robustseg.traces import said

T = TypeVar("T")


def launch(machine: Machine, function: Callable[[Fabric], T]) -> T:
    """Calls a function with a `Fabric` on each of a machine's devices; gives what it returns on the first one.

    Args:
        machine: Accelerator, devices, nodes and precision.
        function: Can be pickled if there are several devices, and so can what it returns.

    Raises:
        ValueError: A spawned process stopped; the message is that of its error.
    """
    fabric = Fabric(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.nodes,
        precision=machine.precision,
        strategy=_strategy(machine),
    )
    try:
        return fabric.launch(partial(_call, function=function))  # as arguments, Fabric would take recipes apart
    except ProcessException as error:  # raised, or killed from outside
        raise ValueError(f"a training process stopped: {said(str(error))}") from error


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keeps a folder to one command at a time; the lock ends with the command, however it ends.

    Raises:
        ValueError: Another command is at work there.
    """
    if not is_first_process():  # the others belong to it
        yield
        return
    with locked(folder, f"another training is at work in {folder}: wait for it, or give this one another name"):
        yield


def is_first_process() -> bool:
    """Whether this is the only process or, under torchrun and SLURM, the first of all."""
    return getattr(rank_zero_only, "rank", 0) == 0


def _strategy(machine: Machine) -> str:
    """One process: none. Several: spawned here or, on several nodes, by torchrun and by SLURM, started from outside."""
    if machine.devices * machine.nodes == 1:
        return "auto"
    outside = "LOCAL_RANK" in os.environ or SLURMEnvironment.detect()
    return "ddp" if machine.nodes > 1 or outside else "ddp_spawn"


def _call(fabric: Fabric, function: Callable[[Fabric], T]) -> T:
    """A spawned process leaves its group before it ends: gloo's threads, still running, would abort it now and then."""
    result = function(fabric)
    fabric.barrier()
    if multiprocessing.parent_process() is not None and distributed.is_initialized():
        distributed.destroy_process_group()
    return result
