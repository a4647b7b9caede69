"""A pool's processes do not outlive the process that made the pool."""

import signal
import subprocess
import sys

PARENT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from robustseg.data.benchmarks.muses.project import _start
pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_start, initargs=(None,))
pool.submit(os.getpid).result()
print("ready", flush=True)
time.sleep(100)
"""


def test_they_end_when_it_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        parent.communicate(timeout=30)  # its process has the same output, which would stay open
