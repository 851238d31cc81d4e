"""The engine as a process, spoken to through a bare socket and through its streams."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.eim_engine.engine.framing import MAX_BUFFER

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX") or sys.platform == "win32", reason="no Unix sockets")

BANNER = "Edge Impulse Linux impulse runner - "
START = Callable[[Path], Any]


def shared(name: str) -> Path:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        pytest.skip("no /dev/shm")
    return folder / name.lstrip("/")


def test_a_conversation(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    hello = engine.ask(hello=1)
    assert hello["model_parameters"]["labels"] == list("0123456789")
    result = engine.ask(classify=[0.5] * 64)
    memory = shared(hello["features_shm"]["name"])
    assert memory.stat().st_size == 256
    assert memory.stat().st_mode & 0o777 == 0o600
    memory.write_bytes(np.full(64, 0.5, "<f4").tobytes())
    assert engine.ask(classify_shm={"elements": 64})["result"] == result["result"]
    code, out, _ = engine.close()
    assert code == 0
    path = engine.socket_path
    lines = [f"{BANNER}listening for JSON messages on socket '{path}'", f"Waiting for connection on {path}..."]
    assert out.decode().splitlines() == [*lines, "Connected"]
    assert not memory.exists()
    assert path.exists()


def test_replies_end_with_line_feed_and_nul(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    two = engine.raw(b'{"id":61}')
    assert two == b'{"error":"Invalid message, should initialize first","id":61,"success":false}\n\0'
    engine.connection.sendall(b'{"id":62}{"id":63}')
    received = b""
    while received.count(b"\0") < 2:
        received += engine.connection.recv(1 << 16)
    assert [json.loads(reply)["id"] for reply in received.split(b"\0")[:-1]] == [62, 63]


def test_one_byte_at_a_time(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    message = b'{"id":1,"hello":1}'
    for k in range(len(message)):
        engine.connection.sendall(message[k : k + 1])
    assert engine.raw(b"")[:20] == b'{"features_shm":{"el'


def test_closing_in_the_middle_of_a_message_ends_it(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    engine.connection.sendall(b'{"id":1,"hel')
    assert engine.close()[0] == 0


def test_a_second_client_is_not_served(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    engine.ask(hello=1)
    with engine.connect() as second:
        second.sendall(b'{"id":1,"hello":1}')
        assert engine.ask(classify=[0.5] * 64)["success"]
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.recv(1)
        assert engine.close()[0] == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_remove_the_shared_memory(name: str, start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    memory = shared(engine.ask(hello=1)["features_shm"]["name"])
    assert memory.exists()
    number = getattr(signal, name)
    engine.process.send_signal(number)
    assert engine.process.wait(60) == 128 + number
    assert not memory.exists()


def test_a_message_that_is_too_long_ends_it(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    with pytest.raises(ConnectionError):
        engine.connection.sendall(b"{" * (MAX_BUFFER + (1 << 20)))
    engine.connection.close()
    out, _ = engine.process.communicate(timeout=60)
    assert engine.process.returncode == 1
    assert b"more than 33554432 bytes" in out


def test_an_unusable_path(digits_eim: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "x.sock", tmp_path, tmp_path / ("x" * 108)):
        done = subprocess.run([digits_eim, path], capture_output=True, text=True)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "ERR: Failed to bind UNIX socket")


def test_a_relative_path_and_one_that_is_taken(digits_eim: Path, tmp_path: Path) -> None:
    (tmp_path / "it.sock").write_text("an earlier engine's")
    process = subprocess.Popen([digits_eim, "it.sock"], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)][1] == b"Waiting for connection on it.sock...\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "it.sock"))
    assert process.wait(60) == 0
    process.stdout.close()


def test_print_info(digits_eim: Path) -> None:
    done = subprocess.run([digits_eim, "--print-info"], capture_output=True, text=True)
    banner, _, text = done.stdout.partition("\n")
    assert (done.returncode, banner) == (0, f"{BANNER}printing model metadata")
    info = json.loads(text)
    assert text == json.dumps(info, indent=4, sort_keys=True) + "\n"
    assert (info["success"], info["project"]["name"]) == (True, "Digits")
    assert not shared(info["features_shm"]["name"]).exists()


def test_without_an_argument_it_says_what_it_wants(digits_eim: Path) -> None:
    done = subprocess.run([digits_eim], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("end", [b"", b'\0{"id":4}'])
def test_stdin(end: bytes, digits_eim: Path) -> None:
    requests = b'{"id":1,"hello":1}\n{"id":2,"classify":[1]}noise{"id":3,"classify":' + b"[" + b"0.5," * 63 + b"0.5]}"
    done = subprocess.run([digits_eim, "stdin"], input=requests + end, capture_output=True)
    assert done.returncode == 0
    assert b"\0" not in done.stdout
    banner, *replies = done.stdout.decode().splitlines()
    assert banner == f"{BANNER}listening for JSON messages on stdin"
    assert [json.loads(reply)["success"] for reply in replies] == [True, False, True]


def test_debug_text_is_mixed_into_stdout(digits_camera_eim: Path) -> None:
    pixels = ",".join(["8421504"] * 64)  # 0x808080
    requests = f'{{"id":1,"hello":1}}{{"id":2,"classify":[{pixels}],"debug":true}}'
    done = subprocess.run([digits_camera_eim, "stdin"], input=requests, capture_output=True, text=True)
    _, _, features, running, reply = done.stdout.splitlines()
    assert features == "Features (0 ms.): " + "0.501961 " * 64
    assert running == "Running impulse..."
    assert json.loads(reply)["id"] == 2


def test_continuous_classification(start: START, digits_audio_eim: Path, digits_test: Path) -> None:
    engine = start(digits_audio_eim)
    parameters = engine.ask(hello=1)["model_parameters"]
    assert (parameters["slice_size"], parameters["use_continuous_mode"]) == (16, True)
    stream = np.load(digits_test)["m_inputs_1"][:2].reshape(8, 16)
    replies = [engine.ask(classify_continuous=part.tolist())["result"]["classification"] for part in stream]
    assert [set(reply.values()) for reply in replies[:3]] == [{0.0}] * 3
    for k in range(3, 8):
        window = stream[k - 3 : k + 1].reshape(-1).tolist()
        assert engine.ask(classify=window)["result"]["classification"] == replies[k]


def test_labels_come_in_alphabetical_order(start: START, digits_eim: Path) -> None:
    engine = start(digits_eim)
    engine.ask(hello=1)
    raw = engine.raw(b'{"id":2,"classify":[' + b"0," * 63 + b"0]}")
    keys = [pair[0] for pair in json.loads(raw[:-1], object_pairs_hook=list)[1][1][0][1]]
    assert keys == sorted(keys)
    assert len(keys) == 10


def test_freeform_outputs_in_shared_memory(start: START, digits_freeform_eim: Path) -> None:
    engine = start(digits_freeform_eim)
    hello = engine.ask(hello=1)
    (scores,) = engine.ask(classify=[0.5] * 64)["result"]["freeform"]
    shared(hello["features_shm"]["name"]).write_bytes(np.full(64, 0.5, "<f4").tobytes())
    assert engine.ask(classify_shm={"elements": 64})["result"] == {"freeform": "shm"}
    (output,) = hello["freeform_output_shm"]
    assert np.fromfile(shared(output["name"]), "<f4").tolist() == scores


def test_it_runs_alone(digits_eim: Path, tmp_path: Path) -> None:
    """Nothing of ai_runner is imported but what the file holds, and numpy not for hello."""
    requests = '{"id":1,"hello":1}{"id":2,"classify":[' + "0," * 63 + "0]}"
    command = [sys.executable, "-IS", "-v", digits_eim]
    done = subprocess.run([*command, "stdin"], input=requests, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    imported = [line for line in done.stderr.splitlines() if line.startswith("import 'ai_runner")]
    assert len(imported) > 8
    assert all(f'zipimporter object "{digits_eim}' in line for line in imported)
    done = subprocess.run([*command, "--print-info"], capture_output=True, text=True, cwd=tmp_path)
    assert "import 'numpy" not in done.stderr


def test_a_missing_runtime_is_said_and_ends_it(digits_eim: Path, tmp_path: Path) -> None:
    """hello is answered: it needs no runtime. What comes next finds none."""
    bare = tmp_path / "bare.eim"
    with zipfile.ZipFile(digits_eim) as whole, zipfile.ZipFile(bare, "w") as copy:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "impulse.json":
                data = json.dumps({**json.loads(data), "python_path": []}).encode()
            copy.writestr(name, data)
    command = [sys.executable, "-IS", bare, "stdin"]
    done = subprocess.run(command, input='{"id":1,"hello":1}', capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("ERR: ")
    assert "numpy" in done.stderr


def test_a_reader_that_went_away_is_no_reason_to_end(digits_eim: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    path = tmp_path / "it.sock"
    process = subprocess.Popen([digits_eim, path], stdout=writing)
    os.close(writing)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            while True:
                try:
                    connection.connect(str(path))
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    assert process.poll() is None
            connection.settimeout(60)
            connection.sendall(b'{"id":1,"hello":1}')
            assert connection.recv(1 << 16).startswith(b'{"features_shm"')
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
