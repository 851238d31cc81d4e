"""The same measurement in several processes, one after the other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ai_runner.bench.baseline import Baseline, read_baseline
from ai_runner.errors import AiRunnerError, ExitCode, HwIOError, InvalidModelError, InvalidParamError, LinkTimeoutError

_TIMEOUT_S = 3600.0
_ERRORS = {ExitCode.USAGE: InvalidParamError, ExitCode.BENCH: HwIOError, ExitCode.ARTEFACT: InvalidModelError}


def measure_in_processes(
    command: Callable[[Path], Sequence[str]], processes: int, progress: Callable[[int, int], None] | None = None
) -> Baseline:
    """Measures in processes of their own and joins what they found.

    Args:
        command: the arguments of a process that writes its baseline to the path it is given.
        processes: how many, at least 1.

    Raises:
        AiRunnerError: as the process that failed has ended: InvalidParamError, HwIOError or InvalidModelError.
    """
    found: list[Baseline] = []
    with TemporaryDirectory(prefix="ai-runner-bench-") as folder:
        for number in range(processes):
            if progress is not None:
                progress(number, processes)
            path = Path(folder) / f"{number}.json"
            _run(command(path))
            found.append(read_baseline(path))
    if progress is not None:
        progress(processes, processes)
    joined = found[0]
    for other in found[1:]:
        joined = joined.joined(other)
    return joined


def _run(command: Sequence[str]) -> None:
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise LinkTimeoutError(f"a measuring process did not end within {_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise HwIOError(f"a measuring process does not start: {error}") from error
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"it ended with exit code {ended.returncode}"]
        message = lines[-1].removeprefix("ai-runner: error: ")
        raise _ERRORS.get(ended.returncode, AiRunnerError)(
            f"a measuring process failed: {message}", evidence={"stderr": "\n".join(lines[-20:])}
        )
