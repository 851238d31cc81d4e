"""Child processes as a channel: bytes, deadlines, what they print, how they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, LinkLostError, LinkTimeoutError, TargetCrashError
from ai_runner.transport.child_process import ChildProcess
from ai_runner.transport.process import ProcessTransport, start_listening, start_talking

if sys.platform == "win32":
    pytest.skip("processes with Unix sockets are for POSIX", allow_module_level=True)

Start = Callable[..., ProcessTransport]


@pytest.fixture
def script() -> Callable[[str], list[str]]:
    """The command that runs a piece of Python."""
    return lambda source: [sys.executable, "-ISc", source]


@pytest.fixture
def talk(script: Callable[[str], list[str]]) -> Iterator[Start]:
    """Starts a piece of Python that is talked to."""
    started: list[ProcessTransport] = []

    def start(source: str) -> ProcessTransport:
        started.append(start_talking(script("import os, sys, time\n" + source)))
        return started[-1]

    yield start
    for transport in started:
        transport.close()


ECHO = "while data := os.read(0, 1 << 16): os.write(1, data)"


def read_all(transport: ProcessTransport, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += transport.read(1 << 16, Deadline(20)) or pytest.fail("nothing came")
    return data


def test_bytes_go_both_ways(talk: Start) -> None:
    transport = talk(ECHO)
    transport.write(b"hello", Deadline(20))
    assert read_all(transport, 5) == b"hello"
    assert transport.read(10, Deadline(0.01)) == b""
    assert "(process " in transport.describe()


def test_more_than_the_pipe_holds_is_taken_when_the_other_end_reads(talk: Start) -> None:
    transport = talk(
        "n = len(os.read(0, 1 << 16))\nwhile n < 1 << 20: n += len(os.read(0, 1 << 16))\nos.write(1, b'%d' % n)"
    )
    transport.write(bytes(1 << 20), Deadline(20))
    assert read_all(transport, 7) == b"1048576"


def test_a_child_that_does_not_read(talk: Start) -> None:
    transport = talk("print('busy', file=sys.stderr)\ntime.sleep(3600)")
    with pytest.raises(LinkTimeoutError, match=r"took \d+ of 1048576 bytes") as caught:
        transport.write(bytes(1 << 20), Deadline(0.3))
    assert caught.value.evidence["returncode"] is None


def test_it_prints_while_it_is_written_to(talk: Start) -> None:
    transport = talk("os.write(2, b'x' * (1 << 20) + b'\\ndone\\n')\n" + ECHO)
    transport.write(b"a" * (1 << 17), Deadline(20))
    assert read_all(transport, 1 << 17) == b"a" * (1 << 17)
    assert transport.child.said()[-1] == "done"
    assert transport.child.printed == (1 << 20) + 6


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("sys.exit(4)", "ended with exit code 4"),
        ("os.kill(os.getpid(), 9)", "died of SIGKILL"),
        ("os.kill(os.getpid(), 40)", "died of signal 40"),
    ],
)
def test_how_it_died(talk: Start, end: str, words: str) -> None:
    transport = talk("os.write(2, b'first\\nlast\\n')\n" + end)
    with pytest.raises(TargetCrashError, match=f"{words}; it said last: 'last'") as caught:
        transport.read(1, Deadline(20))
    assert caught.value.evidence["output"] == ["first", "last"]
    with pytest.raises(TargetCrashError):
        transport.write(bytes(1 << 20), Deadline(20))


def test_it_closes_and_lives_on(talk: Start) -> None:
    transport = talk("os.close(1); time.sleep(3600)")
    with pytest.raises(LinkLostError, match="closed the connection and is running"):
        transport.read(1, Deadline(20))


def test_closed_here(talk: Start) -> None:
    transport = talk(ECHO)
    pid = transport.child.pid
    transport.close()
    transport.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(LinkLostError, match="is closed"):
        transport.read(1, Deadline(0))
    with pytest.raises(LinkLostError, match="is closed"):
        transport.write(b"x", Deadline(0))


def test_what_is_kept_of_a_flood(talk: Start) -> None:
    transport = talk("for i in range(100000): os.write(2, b'line %d\\n' % i)\nos.write(1, b'.')")
    assert read_all(transport, 1) == b"."
    said = transport.child.said()
    assert said[-1] == "line 99999"
    assert len(said) == 40
    assert transport.child.said(since=transport.child.printed - 11) == ["line 99999"]
    assert transport.child.said(since=transport.child.printed) == []


def test_a_stopped_child_is_told(talk: Start) -> None:
    transport = talk("import signal; os.write(1, b'.'); os.kill(os.getpid(), signal.SIGSTOP)")
    assert read_all(transport, 1) == b"."
    while not transport.child.is_stopped():
        transport.child.pause()
    assert transport.child.obituary() == "is stopped"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_wrapper_takes_its_children_along(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """An engine may be a shell script that starts the engine proper."""
    inner = "import signal, time; signal.signal(2, signal.SIG_IGN); print('in', flush=True); time.sleep(3600)"
    outer = f"import subprocess, sys; p = subprocess.Popen({script(inner)!r}); print(p.pid, flush=True); p.wait()"
    child = ChildProcess(script(outer))
    while len(child.said()) < 2:
        child.pause()
    pid = int(next(line for line in child.said() if line.isdigit()))
    child.stop()
    # Somebody else's child now: gone, or to be reaped by init.
    deadline = Deadline(20)
    while is_running(pid):
        assert not deadline.expired


class TestListening:
    def test_it_gets_the_path_of_a_private_socket(self, script: Callable[[str], list[str]]) -> None:
        source = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
stream, _ = listener.accept()
mode = os.stat(os.path.dirname(sys.argv[1])).st_mode & 0o777
stream.sendall(b"%o %d" % (mode, len(sys.argv[1])))
stream.recv(1)
"""
        transport = start_listening(script(source), Deadline(20))
        mode, length = read_all(transport, 6).split()
        assert mode == b"700"
        assert int(length) <= 107
        transport.close()

    def test_it_ends_before_it_listens(self, script: Callable[[str], list[str]]) -> None:
        with pytest.raises(TargetCrashError, match="ended with exit code 9 before it listened; it said last: 'why'"):
            start_listening(script("import sys; print('why', flush=True); sys.exit(9)"), Deadline(20))

    def test_it_never_listens(self, script: Callable[[str], list[str]]) -> None:
        with pytest.raises(LinkTimeoutError, match="does not listen on its socket, and is running"):
            start_listening(script("import time; time.sleep(3600)"), Deadline(0.2))

    def test_it_cannot_be_started(self) -> None:
        with pytest.raises(FileNotFoundError):
            start_listening(["/no/such/program"], Deadline(1))


def test_a_copy_in_a_forked_process_ends_nothing(talk: Start) -> None:
    transport = talk(ECHO)
    transport.child._owner = -1
    transport.child.stop()
    transport.child._owner = os.getpid()
    transport.write(b"x", Deadline(20))
    assert transport.read(1, Deadline(20)) == b"x"


def test_a_child_that_ignores_everything_is_killed(talk: Start) -> None:
    ignore = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nos.write(1, b'.')\ntime.sleep(3600)"
    transport = talk(ignore)
    assert read_all(transport, 1) == b"."
    transport.close()
    assert transport.child.returncode == -signal.SIGKILL


def test_the_system_does_not_end_it(talk: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = talk(ECHO)
    with monkeypatch.context() as patch:
        patch.setattr(transport.child, "ended_within", lambda seconds: False)
        patch.setattr(transport.child, "_signal", lambda number: None)
        with pytest.raises(HwIOError, match="does not end"):
            transport.child.stop()
