"""What an engine of `ai-runner eim` costs: from start to hello and to the first result, and a request.

    python benchmarks/eim_engine.py [MODEL.tflite] [--sensor camera] [--rounds 600]

A bare socket client asks, so that no client of ours is measured. Requests in shared memory, requests as JSON and the
model in this process (input set, invoked, output read) take turns; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import mmap
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.eim_engine import EngineOptions, build_engine

DIGITS = Path(__file__).parents[1] / "examples" / "models" / "digits_int8.tflite"
STARTS = 15


class Client:
    """One engine and its socket."""

    def __init__(self, engine: Path, folder: Path) -> None:
        path = folder / "engine.sock"
        path.unlink(missing_ok=True)
        started = time.perf_counter()
        self.process = subprocess.Popen([engine, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(str(path)):
            time.sleep(0.0005)
        self.hello = self.ask({"id": 1, "hello": 1})
        self.hello_ms = (time.perf_counter() - started) * 1e3
        self.count = self.hello["features_shm"]["elements"]
        with Path("/dev/shm", self.hello["features_shm"]["name"][1:]).open("r+b") as file:
            self.features = np.frombuffer(mmap.mmap(file.fileno(), 0), np.float32)
        self.ask({"id": 2, "classify_shm": {"elements": self.count}})
        self.first_ms = (time.perf_counter() - started) * 1e3

    def ask(self, request: dict[str, Any]) -> Any:
        self.socket.sendall(json.dumps(request).encode())
        reply = self.socket.recv(1 << 20)
        while not reply.endswith(b"\0"):
            reply += self.socket.recv(1 << 20)
        return json.loads(reply[:-1])

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


def model_in_process(path: Path) -> Callable[[], None]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, got = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    values = np.zeros(given["shape"], given["dtype"])

    def run() -> None:
        interpreter.set_tensor(given["index"], values)
        interpreter.invoke()
        interpreter.get_tensor(got["index"])

    return run


def interleaved(what: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in what}
    for _ in range(rounds):
        for name, run in what.items():
            run()  # the one that is timed follows one of its own kind
            began = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - began) * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=DIGITS)
    parser.add_argument("--sensor", default="unknown")
    parser.add_argument("--rounds", type=int, default=600)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = build_engine(args.model, folder / "model.eim", EngineOptions(sensor=args.sensor)).path
        starts = []
        for _ in range(STARTS):
            client = Client(engine, folder)
            starts.append((client.hello_ms, client.first_ms))
            client.close()
        print(f"start to hello         {statistics.median(hello for hello, _ in starts):8.1f} ms")
        print(f"start to first result  {statistics.median(first for _, first in starts):8.1f} ms")
        client = Client(engine, folder)
        numbers = np.random.default_rng(0).integers(0, 256, client.count).tolist()
        found = interleaved(
            {
                "model in this process": model_in_process(args.model),
                "request, shared memory": lambda: client.ask({"id": 3, "classify_shm": {"elements": client.count}}),
                "request, JSON": lambda: client.ask({"id": 3, "classify": numbers}),
                "request, no inference": lambda: client.ask({"id": 3}),
            },
            args.rounds,
        )
        client.close()
        for what, us in found.items():
            print(f"{what:<22} {us:8.1f} us")


if __name__ == "__main__":
    main()
