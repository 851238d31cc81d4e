"""Whether a validation that is killed again and again comes to the same end as one that is not.

python benchmarks/resume.py [--kills 50] [--samples 500] [--seed 1]

A validation of the digits model, LiteRT against the C-model that was generated from it, per layer, with a journal and
a bundle. It is killed (SIGKILL) at random moments after its first new result, and started again with the same command;
after every second kill on average it may end. Then the tensors of every sample, the metrics and the verdict are held
against those of a run without a journal. (Times are not compared: they are measured.)
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.c_model import generate

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
# What differs from run to run: when, how long, and what the journal contributed.
PASSING = {"time", "notes", "c_duration_ms", "latency"}


class Validation:
    """One validation in a folder of its own, started as often as it takes."""

    def __init__(self, folder: Path, c_model: Path, samples: int, with_journal: bool) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        folder.mkdir()
        self._command = [sys.executable, "-m", "ai_runner.cli", "validate", "-m", f"tflite:{MODEL}?kernels=reference"]
        self._command += ["-d", f"file:{c_model}", "--random", str(samples), "--per-layer"]
        self._command += ["--json", str(folder / "report.json"), "--bundle", str(folder / "bundle")]
        self._command += ["--journal", str(self.journal)] if with_journal else []

    def start(self) -> subprocess.Popen[bytes]:
        """A process that works on it."""
        shutil.rmtree(self.folder / "bundle", ignore_errors=True)  # of one that was killed when it had written it
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self) -> int:
        """Lets it end; its exit code."""
        with self.start() as process:
            _, said = process.communicate()
        if process.returncode not in (0, 1):
            raise SystemExit(f"the validation ended with {process.returncode}: {said.decode(errors='replace')}")
        return process.returncode

    def wait_for_result(self, process: subprocess.Popen[bytes]) -> None:
        """Until this start has added to the journal, or ended."""
        before = set(self.journal.rglob("*.piece"))
        while process.poll() is None and set(self.journal.rglob("*.piece")) == before:
            time.sleep(0.001)

    def samples_kept(self) -> int:
        """How many runs of samples the journal has."""
        return sum(int(path.stem.split("-")[2]) for path in self.journal.rglob("*.piece"))

    def report(self) -> Any:
        """What it found, without what differs from run to run."""
        return without_passing(json.loads((self.folder / "report.json").read_text()))

    def arrays(self) -> dict[str, Any]:
        """Every array of its bundle: outputs of every runtime for every sample, and the worst samples."""
        found = {}
        for path in sorted((self.folder / "bundle").rglob("*.np[yz]")):
            if path.stem == "durations":
                continue
            name, loaded = path.relative_to(self.folder).as_posix(), np.load(path)
            arrays = {name: loaded} if path.suffix == ".npy" else {f"{name}:{key}": loaded[key] for key in loaded.files}
            found.update(arrays)
        return found


def without_passing(value: Any) -> Any:
    """A report without times and notes."""
    if isinstance(value, dict):
        return {key: without_passing(item) for key, item in value.items() if key not in PASSING}
    return [without_passing(item) for item in value] if isinstance(value, list) else value


def differences(one: Validation, other: Validation) -> list[str]:
    """What is not the same."""
    found = [] if one.report() == other.report() else ["report"]
    mine, theirs = one.arrays(), other.arrays()
    if mine.keys() != theirs.keys():
        return [*found, "names of arrays"]
    return found + [
        name
        for name, array in mine.items()
        if array.dtype != theirs[name].dtype
        or not np.array_equal(array, theirs[name], equal_nan=array.dtype.kind == "f")
    ]


def main() -> int:
    """Kills, resumes, compares; 0 when every resumed run equals the uninterrupted one."""
    parser = argparse.ArgumentParser(description="Kills validations and resumes them.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="ai-runner-resume-") as text:
        folder = Path(text)
        generate(MODEL, folder / "c-model", api="st-ai")
        whole = Validation(folder / "whole", folder / "c-model", args.samples, with_journal=False)
        whole.finish()
        window = working_time(Validation(folder / "timed", folder / "c-model", args.samples, with_journal=True))
        runs = 0
        kills: list[float] = []
        wrong: list[str] = []
        while len(kills) < args.kills:
            run = Validation(folder / f"run-{runs}", folder / "c-model", args.samples, with_journal=True)
            kept = kill_some(run, chance, window, args.kills - len(kills))
            run.finish()
            kills += [share / run.samples_kept() for share in kept]
            wrong += differences(whole, run)
            shutil.rmtree(run.folder)
            runs += 1
        arrays = len(whole.arrays())
    print(f"{len(kills)} kills in {runs} runs of {args.samples} samples, {window:.2f} s from first result to end")
    quartiles = ", ".join(f"{share:.0%}" for share in np.quantile(kills, [0, 0.25, 0.5, 0.75, 1]))
    print(f"the journal had of its results at a kill (smallest, quartiles, largest): {quartiles}")
    print(f"compared with an uninterrupted run: the report, and {arrays} arrays; {len(wrong)} differences")
    for name in sorted(set(wrong)):
        print(f"  {name}: in {wrong.count(name)} runs")
    return 1 if wrong else 0


def working_time(run: Validation) -> float:
    """Seconds from its first result to its end."""
    with run.start() as process:
        run.wait_for_result(process)
        begun = time.perf_counter()
        process.communicate()
    shutil.rmtree(run.folder)
    return time.perf_counter() - begun


def kill_some(run: Validation, chance: random.Random, window: float, most: int) -> list[int]:
    """Kills one run at least once, at random moments; what the journal had each time."""
    kept: list[int] = []
    while len(kept) < most and (not kept or chance.random() < 0.5):
        with run.start() as process:
            run.wait_for_result(process)
            time.sleep(chance.random() * window)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
        kept.append(run.samples_kept())
    return kept


if __name__ == "__main__":
    sys.exit(main())
