"""Processes that work for another one, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Lets this process of a pool end when the one that made the pool does, even if that was killed.

    To be the pool's initialiser, or called by it. Without it such processes wait for ever for more work, and keep their
    memory.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "asked for in a pool's process only"
    parent.join()
    os._exit(1)  # in the middle of whatever it does: files are written atomically
