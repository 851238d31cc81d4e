"""What the driver for Edge Impulse executables costs over a bare socket client, and how soon an engine is ready.

    python benchmarks/eim_driver.py [--rounds N] [--compute MICROSECONDS]

Measured on `eim_stand_in.c`, once answering at once and once computing for as long as a small keyword model does
(1 ms): the driver's `extension(cmd="classify")` and `invoke`, `ImpulseRunner.classify`, `AiRunner.run` and
`AiRunner.invoke` with one sample of 16000 features, by shared memory and as JSON, against the 30 lines of `BareClient`.
In each round each is asked twice in random order, and the second time counts, so that it follows a request of its own
kind; each kind of connection has an engine of its own. That is done in eight series, each with engines that are started
anew in another order, because where the system puts a process stays with it: one that shares the client's processor
answers some 30 us sooner than one whose processor has to be woken. Then 30 starts: from the constructor to the end of
the first hello, and from the moment at which the engine listens to its end. Exit code 1 where a limit is passed: 1.05 x
on the engine that computes, 30 us over the bare client on the other, 15 ms, 2 ms.
"""

from __future__ import annotations

import argparse
import json
import mmap
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import Driver
from ai_runner.edge_impulse import ImpulseRunner
from ai_runner.registry import create_driver

FEATURES = 16000
SERIES = 8
SOURCE = Path(__file__).with_name("eim_stand_in.c")


class BareClient:
    """Speaks the protocol with nothing around it: no deadline, no check, no bound."""

    def __init__(self, engine: Path, folder: Path, shm: bool) -> None:
        self.process = subprocess.Popen([engine, folder / "bare"], stdout=subprocess.DEVNULL)
        self.stream = socket.socket(socket.AF_UNIX)
        while self.stream.connect_ex(str(folder / "bare")):
            time.sleep(0.001)
        self.id = 0
        block = self.ask({"hello": 1})["features_shm"]
        self.memory = None
        if shm:
            with Path("/dev/shm", block["name"][1:]).open("r+b") as file:
                self.memory = np.frombuffer(mmap.mmap(file.fileno(), block["size_bytes"]), np.float32)

    def ask(self, request: dict[str, Any]) -> Any:
        self.id += 1
        self.stream.sendall(json.dumps({**request, "id": self.id}).encode())
        data = self.stream.recv(65536)
        while not data.endswith(b"\0"):
            data += self.stream.recv(65536)
        return json.loads(data[:-1])

    def classify(self, features: np.ndarray) -> Any:
        if self.memory is None:
            return self.ask({"classify": features.tolist()})
        self.memory[:] = features
        return self.ask({"classify_shm": {"elements": len(features)}})

    def close(self) -> None:
        self.stream.close()
        self.process.wait()


def compile_engine(path: Path, delay_us: int) -> Path:
    """The stand-in, computing for `delay_us`."""
    flags = ["-std=gnu11", "-O2", f"-DFEATURES={FEATURES}", f"-DDELAY_US={delay_us}", "-lrt"]
    subprocess.run(["cc", str(SOURCE), "-o", str(path), *flags], check=True)
    return path


def opened(engine: Path, shm: bool) -> Driver:
    """A driver on an engine of its own."""
    driver = create_driver(parse_descriptor(f"eim:{engine}?shm={'always' if shm else 'never'}"))
    driver.open(Deadline(10))
    return driver


def round_trips(engine: Path, folder: Path, shm: bool, rounds: int) -> dict[str, list[float]]:
    """us of each client in each round, of `SERIES` series."""
    times: dict[str, list[float]] = {}
    for _ in range(SERIES):
        for client, spent in series(engine, folder, shm, -(-rounds // SERIES)).items():
            times.setdefault(client, []).extend(spent)
    return times


def series(engine: Path, folder: Path, shm: bool, rounds: int) -> dict[str, list[float]]:
    """The same on engines started for it, in random order."""
    way = "always" if shm else "never"
    openers: dict[str, Callable[[], Any]] = {
        "bare": lambda: BareClient(engine, folder, shm),
        "by_command": lambda: opened(engine, shm),
        "by_batch": lambda: opened(engine, shm),
        "harness": lambda: AiRunner.open(f"eim:{engine}?shm={way}"),
        "impulse": lambda: ImpulseRunner(engine, shm=way).__enter__(),
    }
    connections = {key: openers[key]() for key in random.sample(sorted(openers), len(openers))}
    bare, by_command, by_batch, harness, impulse = (connections[key] for key in openers)
    name = by_batch.names()[0]
    # Fractional values, as most features are; JSON has all their digits.
    features = np.random.default_rng(0).standard_normal(FEATURES).astype(np.float32)
    batch = features[np.newaxis]
    clients: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare.classify(features),
        "extension": lambda: by_command.extension(None, cmd="classify", features=features),
        "invoke": lambda: by_batch.invoke(name, [batch]),
        "ImpulseRunner.classify": lambda: impulse.classify(features),
        "AiRunner.run": lambda: harness.run(batch),
        "AiRunner.invoke": lambda: harness.invoke(batch),
    }
    times: dict[str, list[float]] = {client: [] for client in clients}
    for _ in range(rounds):
        for client in random.sample(sorted(clients), len(clients)):
            clients[client]()
            begin = time.perf_counter()
            clients[client]()
            times[client].append((time.perf_counter() - begin) * 1e6)
    impulse.stop()
    for connection in (bare, by_command, by_batch, harness):
        connection.close()
    (folder / "bare").unlink(missing_ok=True)
    return times


def starts(engine: Path, folder: Path, count: int = 30) -> tuple[float, float]:
    """Medians in ms: to the end of the first hello, and of what of it comes after the engine listens."""
    whole, alone = [], []
    for _ in range(count):
        begin = time.perf_counter()
        driver = opened(engine, shm=True)
        whole.append((time.perf_counter() - begin) * 1e3)
        driver.close()
        path = folder / "alone"
        path.unlink(missing_ok=True)
        begin = time.perf_counter()
        process = subprocess.Popen([engine, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # said when it listens
        alone.append((time.perf_counter() - begin) * 1e3)
        process.kill()
        process.stdout.close()
        process.wait()
    return statistics.median(whole), statistics.median(whole) - statistics.median(alone)


def report(title: str, times: dict[str, list[float]], judge: Callable[[float, float], bool], limit: str) -> bool:
    """Prints a line for each client; True when all kept the limit."""
    base = statistics.median(times["bare"])
    print(f"{title}: bare client {base:.0f} us")
    kept = True
    for client in [client for client in times if client != "bare"]:
        # Of what a round shows, not of two medians: the machine is not equally busy in every round.
        over = statistics.median(a - b for a, b in zip(times[client], times["bare"], strict=True))
        ratio = statistics.median(a / b for a, b in zip(times[client], times["bare"], strict=True))
        fine = judge(over, ratio)
        kept = kept and fine
        print(f"  {client:<22} {over:+7.1f} us  {ratio:.3f} x  {'' if fine else f'more than {limit}'}")
    return kept


def main() -> int:
    """Prints everything; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--compute", type=int, default=1000, help="us that the realistic engine computes")
    arguments = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        at_once = compile_engine(folder / "at_once.eim", 0)
        realistic = compile_engine(folder / "realistic.eim", arguments.compute)
        for shm in (True, False):
            way = "shared memory" if shm else "JSON"
            times = round_trips(at_once, folder, shm, arguments.rounds)
            kept &= report(f"answers at once, {way}", times, lambda over, _: over <= 30, "30 us")
            times = round_trips(realistic, folder, shm, arguments.rounds)
            title = f"computes {arguments.compute} us, {way}"
            kept &= report(title, times, lambda _, ratio: ratio <= 1.05, "1.05 x")
        whole, ready = starts(at_once, folder)
    print(f"start to first hello {whole:.1f} ms, of which {ready:.1f} ms after the engine listens")
    return 0 if kept and whole <= 15 and ready <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
