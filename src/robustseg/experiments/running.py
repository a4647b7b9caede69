"""Jobs in several processes: each in one of its own, with a log file; a failed one stops only what needs it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from robustseg.experiments.job import Job, Key, do, done
from robustseg.files import locked
from robustseg.traces import said

BUSY, STOPPED = 75, 130
"""Exit codes: another command does this job; it was interrupted."""

AGAIN = 5.0
"""Seconds after which a job that another command does is looked at again."""

Told = Callable[[Key, float], None]


@dataclass
class Running:
    """Where the jobs stand.

    Attributes:
        waiting: Not begun.
        active: Process and when it began.
        later: Jobs of another command, and when to look again.
        failed: Job -> what went wrong.
    """

    waiting: dict[Key, Job]
    active: dict[Key, tuple[BaseProcess, float]] = field(default_factory=dict)
    later: dict[Key, float] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)


def run_jobs(jobs: Mapping[Key, Job], processes: int, finished: Told) -> dict[Key, str]:
    """Does jobs, what they need first; gives what went wrong in those that failed.

    Args:
        jobs: What another needs stands before it.
        processes: So many at a time; they share the processor's cores.
        finished: Is told of each job that is done, and of the seconds that it took.

    Raises:
        KeyboardInterrupt: Ctrl-C; every training has left a checkpoint, and the same command goes on from it.
    """
    threads = max(1, cores() // processes)
    running = Running(dict(jobs))
    try:
        while running.waiting or running.active:
            _begin(running, processes, threads, finished)
            _collect(running, jobs, finished)
    except KeyboardInterrupt:  # the processes were interrupted as well, and save what they have
        for process, _ in running.active.values():
            process.join()
        raise
    finally:
        for process, _ in running.active.values():
            process.terminate()
            process.join()
    return running.failed


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(running: Running, processes: int, threads: int, finished: Told) -> None:
    """Starts jobs that wait for nothing, as many as there is room for."""
    now = time.monotonic()
    for key, job in list(running.waiting.items()):
        if any(needed in running.failed for needed in job.needs):
            running.failed[key] = "what it needs failed"
            del running.waiting[key]
            continue
        open_needs = any(needed in running.waiting or needed in running.active for needed in job.needs)
        if len(running.active) >= processes or open_needs or running.later.get(key, 0.0) > now:
            continue
        if _held(job):
            running.later[key] = now + AGAIN
            continue
        if done(job):  # by another command, meanwhile
            finished(key, 0.0)
            del running.waiting[key]
            continue
        process = get_context("spawn").Process(
            target=_work, args=(job, threads, os.getpid()), name="/".join(map(str, key))
        )
        process.start()
        running.active[key] = process, now
        del running.waiting[key]


def _held(job: Job) -> bool:
    """Whether another command does a job; asked before a process is started, which takes seconds."""
    try:
        with locked(job.places.lock(job.key), "busy"):
            return False
    except ValueError:
        return True


def _collect(running: Running, jobs: Mapping[Key, Job], finished: Told) -> None:
    """Waits until a process ends, or a while, and notes how it ended."""
    sentinels = [process.sentinel for process, _ in running.active.values()]
    if sentinels:
        connection.wait(sentinels, timeout=AGAIN)
    elif running.waiting:
        time.sleep(AGAIN / 5)
    for key, (process, began) in list(running.active.items()):
        if process.exitcode is None:
            continue
        del running.active[key]
        match process.exitcode:
            case 0:
                finished(key, time.monotonic() - began)
            case code if code == BUSY:
                running.waiting[key] = jobs[key]
                running.later[key] = time.monotonic() + AGAIN
            case code if code == STOPPED:
                raise KeyboardInterrupt
            case code:
                running.failed[key] = _why(jobs[key], code)


def _why(job: Job, code: int) -> str:
    log = job.places.log(job.key)
    if code < 0:
        return f"the process was killed by {signal.Signals(-code).name}, by the system if memory ran out; see {log}"
    if not log.is_file():
        return "the process ended before it could write a log"
    return f"{said(log.read_text(encoding='utf-8', errors='replace')[-20_000:])}; see {log}"


def _work(job: Job, threads: int, parent: int) -> None:
    """What a process does; ends with one of the exit codes above, 1 for an error that its log tells."""
    try:
        _speak_into(job.places.log(job.key))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background processes ignore it
        threading.Thread(target=_stop_with, args=(parent,), daemon=True).start()
        threads = min(threads, torch.get_num_threads())  # OMP_NUM_THREADS may ask for fewer
        torch.set_num_threads(threads)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(job.places.lock(job.key), "busy"))
            except ValueError:
                sys.exit(BUSY)
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"{now} {job.method.name}, seed {job.seed}, {threads} threads", flush=True)
            do(job)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _speak_into(log: Path) -> None:
    """Sends all that this process says, from now on, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file, stream.fileno())
    os.close(file)


def _stop_with(parent: int) -> None:
    """Interrupts this process, so that it saves what it has, when the command that started it is no more."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)
