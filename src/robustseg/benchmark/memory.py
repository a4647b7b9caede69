"""The most memory that predictions take: of a GPU as torch counts it, of a CPU as the system sees a fresh process.

A process that has computed before keeps memory that it no longer needs, so that its own peak tells little.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from robustseg.benchmark.settings import Settings, thread_count
from robustseg.benchmark.work import open_model, random_images
from robustseg.models.segmenter import Segmenter

MEGA = 10**6
RUNS = 3
STATUS = Path("/proc/self/status")
START = "from robustseg.benchmark.memory import tell; tell()"
RESIDENT = "peak resident size of a fresh process that loads the model and predicts, and its growth by predicting"
ALLOCATED = "peak of what torch has allocated on the GPU, and its growth by predicting; the driver's own share excluded"
UNKNOWN = "not known: this system has no /proc/self/status"


@dataclass(frozen=True)
class Memory:
    """Memory with all sensors, in MB.

    Attributes:
        peak: At most, the program included; None = unknown.
        predicting: What of it came on top of the loaded model.
        how: How it was measured.
    """

    peak: float | None
    predicting: float | None
    how: str


def peak_memory(folder: Path, settings: Settings) -> Memory:
    """Measures it in a process of its own.

    Raises:
        ValueError: That process failed, for want of memory perhaps.
    """
    command = [sys.executable, "-c", START, str(folder), json.dumps(asdict(settings))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise ValueError("the process that measures memory was killed: lower --size or --batch")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ValueError(f"the process that measures memory failed: {last}")
    return Memory(**json.loads(done.stdout.splitlines()[-1]))


def tell() -> None:
    """What that process runs: prints a `Memory` for the folder and the settings of its command line."""
    folder, text = sys.argv[1:]
    options = json.loads(text)
    settings = Settings(**options | {"size": tuple(options["size"])})
    with thread_count(settings.threads):
        print(json.dumps(asdict(_measured(open_model(Path(folder), settings), settings))))


@torch.inference_mode()
def _measured(model: Segmenter, settings: Settings) -> Memory:
    device = next(model.parameters()).device
    images = random_images(settings.batch, model.num_modalities, settings.size, seed=settings.seed, device=device)
    forget_peak(device)
    before, _ = held(device)
    for _ in range(RUNS):
        model.labels(images)
    _, peak = held(device)
    if before is None or peak is None:
        return Memory(None, None, UNKNOWN)
    return Memory(peak, peak - before, ALLOCATED if device.type == "cuda" else RESIDENT)


def forget_peak(device: torch.device) -> None:
    """Loading may have taken more than predicting will."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):  # where it cannot be reset, the peak is that of loading at least
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def held(device: torch.device) -> tuple[float | None, float | None]:
    """MB that are held now, and at most since `forget_peak`.

    Of a CPU not getrusage's: a child starts with the peak of the process that it was forked from.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / MEGA, torch.cuda.max_memory_allocated(device) / MEGA
    if not STATUS.is_file():
        return None, None
    text = STATUS.read_text(encoding="ascii", errors="replace")
    sizes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", text, re.MULTILINE))
    return 1024 * int(sizes["VmRSS"]) / MEGA, 1024 * int(sizes["VmHWM"]) / MEGA
