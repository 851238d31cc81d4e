"""The driver on our own firmware, which runs as a process behind a pseudo-terminal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.errors import (
    AiRunnerError,
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    LinkTimeoutError,
)
from ai_runner.model import Mode
from ai_runner.profile import TimeSource
from ai_runner.transport import Transport

PER_LAYER, WITH_DATA = Mode.PER_LAYER, Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
FIRMWARES: list[dict[str, Any]] = [
    {},
    {"large_packet": 4094},
    {"dialect": "v3.1-1b"},
    {"dialect": "v2.1"},
]


class Wire(Transport):
    """A line with something in it that may go wrong.

    Attributes:
        on_read: changes what was read, or raises.
        on_write: changes what is written, or raises.
    """

    def __init__(self, line: Transport) -> None:
        self.on_read: Callable[[bytes], bytes] = bytes
        self.on_write: Callable[[bytes], bytes] = bytes
        self._line = line

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        return self.on_read(self._line.read(max_bytes, deadline))

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._line.write(self.on_write(data), deadline)

    def close(self) -> None:
        self._line.close()

    def describe(self) -> str:
        return "a line"


@pytest.fixture
def wire(host_firmware: Callable[..., Any]) -> Iterator[Callable[..., Wire]]:
    """A line to a firmware that is started for it."""
    from ai_runner.transport.opening import open_transport

    opened: list[Wire] = []

    def make(**choices: Any) -> Wire:
        address = parse_descriptor(host_firmware(**choices).descriptor).address
        opened.append(Wire(open_transport(address, 115200, Deadline(10))))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def digits(driver: Any, batch: int = 3, seed: int = 0) -> list[Any]:
    (tensor,) = driver.info("digits").inputs
    return [np.random.default_rng(seed).integers(-128, 128, (batch, *tensor.sample_shape), np.int8)]


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
@pytest.mark.parametrize("mode", [Mode.IO_ONLY, PER_LAYER, WITH_DATA])
def test_both_models_are_bit_exact_in_all_modes(
    choices: dict[str, Any], mode: Mode, host_firmware: Callable[..., Any], digits_int8: Path, digits_float: Path
) -> None:
    pytest.importorskip("ai_edge_litert", reason="no LiteRT to compare with")
    with AiRunner.open(host_firmware(**choices).descriptor) as board:
        assert board.names == ["digits", "real"]
        for name, path in (("digits", digits_int8), ("real", digits_float)):
            x = board.generate_rnd_inputs(name, batch_size=5)
            with AiRunner.open(f"tflite:{path}?kernels=reference") as reference:
                expected = reference.run(x, mode=mode)
            found = board.run(x, name, mode=mode)
            assert found.source is TimeSource.HOST
            compare = np.testing.assert_array_equal if name == "digits" else np.testing.assert_allclose
            for a, b in zip(found.outputs, expected.outputs, strict=True):
                compare(a, b.reshape(a.shape), **({} if name == "digits" else {"rtol": 1e-4, "atol": 1e-5}))
            for node, layer in zip(found.nodes, expected.nodes, strict=True):
                assert len(node.durations) == 5
                for a, b in zip(node.data, layer.data, strict=True):
                    compare(a, b.reshape(a.shape), **({} if name == "digits" else {"rtol": 1e-4, "atol": 1e-5}))


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
def test_a_constant_input_is_the_same_wherever_it_is_made(
    choices: dict[str, Any], host_firmware: Callable[..., Any]
) -> None:
    with AiRunner.open(host_firmware(**choices).descriptor) as board:
        x = board.generate_rnd_inputs("digits", batch_size=3)[0]
        constant = np.broadcast_to(x[:, :1, :1, :1], x.shape).copy()
        expected = board.run(constant, "digits").outputs
        np.testing.assert_array_equal(board.run(x, "digits", mode=Mode.CONST_VALUE).outputs[0], expected[0])
        assert board.run(x, "digits", mode=Mode.PERF_ONLY).outputs == ()


def test_expected_model_by_file_or_hash(
    host_firmware: Callable[..., Any], digits_int8: Path, repository: Path, ai_runner_exit_code: Callable[..., int]
) -> None:
    descriptor = host_firmware().descriptor
    md5 = hashlib.md5(digits_int8.read_bytes()).hexdigest()
    for expected in (str(digits_int8), md5, f"0x{md5.upper()}"):
        AiRunner.open(f"{descriptor}?expect={expected}").close()
    with pytest.raises(InvalidModelError, match="another model") as caught:
        AiRunner.open(f"{descriptor}?expect={'0' * 32}")
    assert caught.value.EXIT_CODE == 4
    with pytest.raises(InvalidParamError, match="neither"):
        AiRunner.open(f"{descriptor}?expect=no-such-file")
    assert ai_runner_exit_code("info", "-d", f"{descriptor}?expect={'0' * 32}") == 4
    assert ai_runner_exit_code("info", "-d", f"{descriptor}?expect={md5}") == 0


@pytest.fixture
def ai_runner_exit_code() -> Callable[..., int]:
    from ai_runner.cli import main

    return lambda *arguments: int(main(list(arguments)))


@pytest.mark.parametrize("form", ["socket:127.0.0.1:{}", "socket://127.0.0.1:{}"])
def test_over_tcp(form: str, firmware_folder: Callable[..., Path]) -> None:
    from ai_runner.firmware import start_firmware

    with start_firmware(firmware_folder(), tcp=0) as firmware:
        port = parse_descriptor(firmware.descriptor).address.rpartition(":")[2]
        with AiRunner.open(form.format(port)) as board:
            assert len(board.run(board.generate_rnd_inputs("digits", batch_size=3)).durations) == 3
            assert board.least_seconds(10**6) is None  # the line has no rate


def test_a_long_run_is_foretold(host_firmware: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    with AiRunner.open(host_firmware().descriptor) as board, caplog.at_level("INFO", logger="ai_runner"):
        board.run(board.generate_rnd_inputs("digits", batch_size=10))
        assert not caplog.records
        board.run(board.generate_rnd_inputs("digits", batch_size=200))
        assert "200 samples take 7 s or more at 115200 Bd" in caplog.text
        assert board.least_seconds(200, "digits") == pytest.approx(200 * (64 + 10 + 288) * 10 * 34 / 32 / 115200)


class TestFaults:
    """Of the line: a typed error, and the next run is right, on the same line."""

    def recovers(self, driver: Any, expected: Any) -> None:
        np.testing.assert_array_equal(driver.invoke("digits", digits(driver)).outputs[0], expected)

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    @pytest.mark.parametrize("junk", [b"\0", b"abc" * 5, bytes(33), b"\xff" * 7], ids=lambda junk: junk.hex()[:8])
    def test_stray_bytes_to_the_board_are_noticed_before_a_run(
        self, choices: dict[str, Any], junk: bytes, wire: Any, driver_on: Any
    ) -> None:
        line = wire(**choices)
        driver = driver_on(line, silence="0.3")
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        line.write(junk, Deadline(1))
        self.recovers(driver, expected)

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    def test_stray_bytes_to_the_board_within_a_run(self, choices: dict[str, Any], wire: Any, driver_on: Any) -> None:
        line = wire(**choices)
        driver = driver_on(line, silence="0.3")
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        writes = iter(range(100))
        line.on_write = lambda data: data + b"abc" if next(writes) == 4 else data
        with pytest.raises((InvalidMsgError, LinkTimeoutError)):
            driver.invoke("digits", digits(driver))
        line.on_write = bytes
        self.recovers(driver, expected)

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    @pytest.mark.parametrize("which", [0, 1])
    def test_bytes_of_the_board_get_lost(self, choices: dict[str, Any], which: int, wire: Any, driver_on: Any) -> None:
        line = wire(**choices)
        driver = driver_on(line, silence="0.3")
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        writes: list[bytes] = []

        def lose_one(data: bytes) -> bytes:
            if len(data) == 1 or len(writes) <= which:
                return data
            line.on_read = bytes
            return data[:-1]

        def note(data: bytes) -> bytes:
            writes.append(data)
            return data

        line.on_write, line.on_read = note, lose_one
        if which == 0:  # the answer to the request: nothing has been run, and it is made again
            self.recovers(driver, expected)
        else:
            with pytest.raises((InvalidMsgError, LinkTimeoutError)):
                driver.invoke("digits", digits(driver))
        self.recovers(driver, expected)

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    @pytest.mark.parametrize("mode", [Mode.IO_ONLY, WITH_DATA])
    @pytest.mark.parametrize("after", [0, 1, 2, 5])
    def test_an_interrupt_leaves_the_board_at_rest(
        self, choices: dict[str, Any], mode: Mode, after: int, wire: Any, driver_on: Any
    ) -> None:
        line = wire(**choices)
        driver = driver_on(line)
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        reads = iter(range(after + 1))

        def interrupt(data: bytes) -> bytes:
            if next(reads, None) == after:
                raise KeyboardInterrupt
            return data

        line.on_read = interrupt
        with pytest.raises(KeyboardInterrupt):
            driver.invoke("digits", digits(driver), mode)
        said: list[bytes] = []
        line.on_write = lambda data: said.append(data) or data  # type: ignore[func-returns-value]
        self.recovers(driver, expected)
        assert len(said) <= 3 * 3 * 3  # a run of three samples and nothing to find out first

    def test_a_silent_board_is_an_error_in_time(self, wire: Any, driver_on: Any) -> None:
        line = wire()
        driver = driver_on(line, silence="0.3")
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        line.on_read = lambda _: b""
        with pytest.raises(LinkTimeoutError, match=r"silent for 0\.3 s"):
            driver.invoke("digits", digits(driver))
        line.on_read = bytes
        self.recovers(driver, expected)

    def test_garbage_is_an_error(self, wire: Any, driver_on: Any) -> None:
        line = wire()
        driver = driver_on(line, silence="0.3")
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        line.on_read = lambda data: bytes(byte ^ 0x55 for byte in data)
        with pytest.raises(InvalidMsgError):
            driver.invoke("digits", digits(driver))
        line.on_read = bytes
        self.recovers(driver, expected)

    def test_a_wrong_request_number_is_an_error(self, wire: Any, driver_on: Any) -> None:
        line = wire()
        driver = driver_on(line)
        expected = driver.invoke("digits", digits(driver)).outputs[0]
        line.on_read = lambda data: data[:3] + bytes([data[3] ^ 1]) + data[4:] if len(data) >= 34 else data
        with pytest.raises(InvalidMsgError, match="an answer to request"):
            driver.invoke("digits", digits(driver))
        line.on_read = bytes
        self.recovers(driver, expected)

    def test_a_lost_line_stays_lost(self, host_firmware: Any) -> None:
        firmware = host_firmware()
        driver = Stm32Driver(parse_descriptor(firmware.descriptor))
        driver.open(Deadline(10))
        x = digits(driver)
        firmware.stop()
        for _ in range(2):
            with pytest.raises((LinkLostError, LinkTimeoutError)):
                driver.invoke("digits", x)
        driver.close()

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    def test_closing_brings_a_disturbed_board_back(self, choices: dict[str, Any], wire: Any, driver_on: Any) -> None:
        line = wire(**choices)
        driver = driver_on(line, silence="0.3")
        line.on_read = lambda _: b""
        with pytest.raises(LinkTimeoutError):
            driver.invoke("digits", digits(driver), WITH_DATA)
        line.on_read = bytes
        driver.close()
        said: list[bytes] = []

        def listen(data: bytes) -> bytes:
            said.append(data)
            return data

        line.on_write = listen
        driver_on(line)
        zeros = [data for data in said if not data.strip(b"\0")]
        assert zeros == []  # nothing had to be aligned


class TestExtension:
    def test_memory_and_images(self, host_firmware: Any, tmp_path: Path) -> None:
        hexfile = pytest.importorskip("intelhex", reason="no intelhex").IntelHex()
        with AiRunner.open(host_firmware().descriptor) as board:
            address = board.model_info("digits").inputs[0].address
            data = bytes(range(1, 33))
            hexfile.frombytes(data, address)
            hexfile.write_hex_file(str(tmp_path / "image.hex"))
            assert board.extension(cmd="write", ihex=[str(tmp_path / "image.hex")])["error"] == 0
            assert board.extension(cmd="read-in-memory", target_addr=address, size=32)["data"] == data

    def test_what_a_firmware_lacks_is_said(self, host_firmware: Any) -> None:
        with (
            AiRunner.open(host_firmware(dialect="v2.1").descriptor) as board,
            pytest.raises(InvalidParamError, match="has no read-in-memory"),
        ):
            board.extension(cmd="read-in-memory", target_addr=0, size=4)

    @pytest.mark.parametrize("choices", FIRMWARES, ids=str)
    def test_all_self_tests_pass(self, choices: dict[str, Any], host_firmware: Any) -> None:
        with AiRunner.open(host_firmware(**choices).descriptor) as board:
            answer = board.extension(cmd="self-test")
            assert answer["error"] == 0, answer

    @pytest.mark.parametrize(
        "command",
        [
            {"cmd": "read-in-memory", "size": 4},
            {"cmd": "read-in-memory", "target_addr": -1, "size": 4},
            {"cmd": "write-in-memory", "target_addr": 0, "data": "text"},
            {"cmd": "write"},
            {"cmd": "unit-test", "test_id": 1 << 16},
            {"cmd": "unit-test", "test_id": 0, "params": 3},
        ],
        ids=str,
    )
    def test_impossible_arguments(self, command: dict[str, Any], host_firmware: Any) -> None:
        with AiRunner.open(host_firmware().descriptor) as board:
            with pytest.raises(InvalidParamError):
                board.extension(**command)
            assert board.extension(cmd="no-such-command") is False
            assert board.run(board.generate_rnd_inputs("digits")).durations


@pytest.mark.parametrize(
    "option",
    [
        *("timeout=0", "timeout=soon", "silence=0", "resume=-1", "resume=ever"),
        *("dialect=v9", "baudrate=fast", "recover=perhaps", "verify=yes"),
    ],
)
def test_impossible_options_are_refused_at_once(option: str) -> None:
    with pytest.raises(InvalidParamError, match=option.partition("=")[0]):
        Stm32Driver(parse_descriptor(f"serial:?{option}"))


def test_an_error_within_a_callback_of_a_node_arrives_after_the_sample(wire: Any, driver_on: Any) -> None:
    driver = driver_on(wire())

    class Fail(AiRunnerCallback):
        def on_node_end(self, idx: int, data: Any, logs: Any = None) -> None:
            if idx == 2:
                raise AiRunnerError("mine")

    with pytest.raises(AiRunnerError, match="mine"):
        driver.invoke("digits", digits(driver), PER_LAYER, Fail())
    assert driver.invoke("digits", digits(driver), PER_LAYER).nodes
