"""Starts and stops an engine many times, and looks at what is left.

    python benchmarks/eim_endurance.py [starts, default 1000] [PATH.eim, default: eim_stand_in.c, compiled]

Each start says hello, classifies once and is closed; every tenth engine is killed before the close, every tenth stopped
(SIGSTOP). At the end there shall be no child process (zombies included), no socket or folder of it, no shared memory
object, no file descriptor and no thread more than before. Exit code 1 where something is left.
"""

from __future__ import annotations

import gc
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.registry import create_driver


def compiled(folder: Path) -> Path:
    """The stand-in in C."""
    source = Path(__file__).with_name("eim_stand_in.c")
    path = folder / "stand_in.eim"
    subprocess.run(["cc", "-std=gnu11", "-O2", "-o", str(path), str(source), "-lrt"], check=True)
    return path


def children() -> int:
    """Processes whose parent this one is, zombies included."""
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def main() -> int:
    """Runs them; 1 where something is left."""
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        tempfile.tempdir = name  # what the driver makes is then easy to find
        engine = Path(sys.argv[2]) if len(sys.argv) > 2 else compiled(Path(name))
        driver = create_driver(parse_descriptor(f"eim:{engine}"))
        driver.open(Deadline(20))
        features = np.zeros(driver.info(driver.names()[0]).inputs[0].shape, np.float32)
        driver.close()
        gc.collect()
        before = (children(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count())
        memory, times = [], []
        for number in range(starts):
            begin = perf_counter()
            driver.open(Deadline(20))
            times.append((perf_counter() - begin) * 1e3)
            driver.invoke(driver.names()[0], [features])
            hello = driver.extension(None, cmd="hello")
            memory += [hello["features_shm"]["name"]] if "features_shm" in hello else []
            if number % 10 in (3, 7):
                pid = int(driver.describe().split("process ")[1].split(")")[0])
                os.kill(pid, signal.SIGKILL if number % 10 == 3 else signal.SIGSTOP)
            driver.close()
        gc.collect()
        after = (children(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count())
        folders = [entry.name for entry in Path(name).iterdir() if entry.name.startswith("ai_runner_")]
        objects = [shm for shm in memory if Path("/dev/shm", shm[1:]).exists()]
    print(f"{starts} starts, median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms")
    print(f"children, descriptors, threads before {before}, after {after}")
    print(f"folders left: {len(folders)}, shared memory left: {len(objects)} of {len(memory)}")
    return 1 if after != before or folders or objects else 0


if __name__ == "__main__":
    sys.exit(main())
