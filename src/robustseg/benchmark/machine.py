"""Where it was measured."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def processor(device: torch.device) -> str:
    """The processor's name, or the GPU's, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    text = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()
