"""The driver on the conformance examples: every variant gives what its README says, in every mode."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.c_library.driver import CLibraryDriver
from ai_runner.drivers.c_library.legacy_nodes import LegacyNodeObserver
from ai_runner.drivers.c_library.stai_nodes import StaiNodeObserver
from ai_runner.errors import InvalidModelError, InvalidParamError, NotConnectedError
from ai_runner.model import Caps, Mode
from ai_runner.profile import TimeSource
from ai_runner.quantization import Quantization
from ai_runner.registry import create_driver

RUNNING = [
    "legacy_f32",
    "legacy_s8",
    "legacy_f32_ext",
    "legacy_named",
    "stai_f32",
    "stai_s8",
    "stai_f32_ext",
    "stai_named",
]
MODES = [Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER_WITH_DATA, Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA]
WEIGHTS = np.array([[0.5, -1, 0.25, 2], [-0.75, 0.5, 1, -0.25], [1.5, 1, -0.5, 0]], np.float32)
BIASES = np.array([0.1, -0.2, 0.3], np.float32)
QUANTIZED_WEIGHTS = np.array([[25, -50, 12, 100], [-37, 25, 50, -12], [75, 50, -25, 0]], np.int64)
QUANTIZED_BIASES = np.array([100, -200, 300], np.int64)


def expected(inputs: Any) -> tuple[Any, Any]:
    """(dense, relu) of the example network, (batch, 3), by the formulas of its README."""
    x = inputs.reshape(len(inputs), 4)
    if x.dtype == np.float32:
        dense = x @ WEIGHTS.T + BIASES
        return dense, np.maximum(dense, 0)
    accumulators = (x.astype(np.int64) + 3) @ QUANTIZED_WEIGHTS.T + QUANTIZED_BIASES
    factor = np.float32(0.05) * np.float32(0.02) / np.float32(0.10)
    dense = np.clip(np.rint(accumulators.astype(np.float32) * factor) - 10, -128, 127).astype(np.int8)
    return dense, np.maximum(dense, -10)


def samples(driver: CLibraryDriver, batch: int = 5) -> Any:
    tensor = driver.info(driver.names()[0]).inputs[0]
    values = np.random.default_rng(1).uniform(-100, 100, (batch, *tensor.sample_shape))
    return values.astype(tensor.dtype)


def assert_close(found: Any, wanted: Any) -> None:
    wanted = wanted.reshape(found.shape)
    if found.dtype == np.int8:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("variant", RUNNING)
@pytest.mark.parametrize("options", ["", "?loop=sample"])
def test_outputs_and_nodes_in_all_modes(abi_probe: Path, open_driver, variant: str, options: str) -> None:
    driver = open_driver(abi_probe / variant, options)
    (name,) = driver.names()
    assert name == ("bobby" if variant.endswith("named") else "network")
    inputs = samples(driver)
    dense, relu = expected(inputs)
    for mode in MODES:
        result = driver.invoke(name, [inputs], mode)
        assert_close(result.outputs[0], relu)
        assert result.outputs[0].flags.owndata
        assert len(result.durations) == len(inputs)
        assert result.host_duration > 0
        if mode is Mode.IO_ONLY:
            assert result.nodes == ()
            native = variant.startswith("legacy") and not options
            assert result.source is (TimeSource.BATCH_MEAN if native else TimeSource.HOST)
            assert all(ms > 0 for ms in result.durations)
            assert len(result.exec_times) == (0 if native else len(inputs))
            continue
        assert result.mode & Mode.PER_LAYER
        assert [(n.info.m_id, n.info.type_id, n.info.type_name) for n in result.nodes] == [
            (1, 0x104, "Dense"),
            (2, 0x107, "NL"),
        ]
        assert [len(node.durations) for node in result.nodes] == [len(inputs)] * 2
        if Mode.PER_LAYER_WITH_DATA in mode:
            assert_close(result.nodes[0].data[0], dense)
            assert_close(result.nodes[1].data[0], relu)
            for node in result.nodes:  # the shape of the tensor, not flattened
                assert node.data[0].shape == (len(inputs), *node.info.outputs[0].sample_shape)
        else:
            assert [node.data for node in result.nodes] == [(), ()]


@pytest.mark.parametrize("variant", ["legacy_f32", "stai_f32"])
def test_info(abi_probe: Path, open_driver, variant: str) -> None:
    legacy = variant.startswith("legacy")
    info = open_driver(abi_probe / variant).info("network")
    assert (info.name, info.n_nodes, info.macc, info.hash) == (
        "network",
        2,
        15,
        "0x70f0000000000000000000000000700f",
    )
    assert info.model_datetime == "2026-01-01T00:00:00+0000"
    assert info.compile_datetime
    assert info.inputs[0].shape == ((1, 1, 1, 4) if legacy else (1, 4))
    assert info.outputs[0].shape == ((1, 1, 1, 3) if legacy else (1, 3))
    assert (info.inputs[0].name, info.inputs[0].tag, info.outputs[0].tag) == ("input_1", "I.0", "O.0")
    assert info.inputs[0].memory_pool == "in 'activations' buffer"
    assert (info.inputs[0].dtype, info.inputs[0].quantization) == (np.dtype(np.float32), None)
    assert [(pool.name, pool.size) for pool in (*info.params, *info.activations)] == [("params_1", 60), ("act_1", 48)]
    assert info.runtime.name == ("ST.AI (legacy api)" if legacy else "ST.AI (st-ai api)")
    assert (info.runtime.version, info.runtime.tools_version) == ((10, 2, 0), (2, 2, 0))
    assert info.runtime.capabilities == (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
    assert info.device.dev_type == "HOST"
    assert info.device.machine
    assert info.flags == ("" if legacy else "flag_inputs,flag_outputs,flag_weights")


@pytest.mark.parametrize("variant", ["legacy_s8", "stai_s8"])
def test_quantization(abi_probe: Path, open_driver, variant: str) -> None:
    driver = open_driver(abi_probe / variant)
    info = driver.info("network")
    scales = [np.float32(0.05), np.float32(0.1)]
    assert info.inputs[0].quantization == Quantization((float(scales[0]),), (-3,))
    assert info.outputs[0].quantization == Quantization((float(scales[1]),), (-10,))
    nodes = driver.invoke("network", [samples(driver)], Mode.PER_LAYER).nodes
    assert [n.info.outputs[0].quantization for n in nodes] == [Quantization((float(scales[1]),), (-10,))] * 2


@pytest.mark.parametrize("variant", ["legacy_f32_ext", "stai_f32_ext"])
def test_memory_of_the_caller(abi_probe: Path, open_driver, variant: str) -> None:
    info = open_driver(abi_probe / variant).info("network")
    assert info.inputs[0].memory_pool == info.outputs[0].memory_pool == "user"


@pytest.mark.parametrize("variant", ["legacy_noweights", "stai_noweights"])
class TestWeights:
    def test_their_bytes_are_asked_for(self, abi_probe: Path, open_driver, variant: str) -> None:
        with pytest.raises(InvalidModelError, match="holds no weights, it wants 60 bytes") as caught:
            open_driver(abi_probe / variant)
        assert "weights=[...]" in caught.value.hint

    @pytest.mark.parametrize("as_file", [False, True])
    def test_given_as_bytes_or_file_they_stay(
        self, abi_probe: Path, open_driver, variant: str, as_file: bool, tmp_path: Path
    ) -> None:
        blob = bytearray(np.concatenate([WEIGHTS.ravel(), BIASES]).tobytes())
        file = tmp_path / "weights.bin"
        file.write_bytes(blob)
        driver = open_driver(abi_probe / variant, weights=[file] if as_file else [memoryview(blob)])
        blob[:] = bytes(60)  # the driver has a copy
        file.unlink()
        inputs = samples(driver)
        for mode in (Mode.IO_ONLY, Mode.PER_LAYER):
            assert_close(driver.invoke("network", [inputs], mode).outputs[0], expected(inputs)[1])

    @pytest.mark.parametrize("weights", [[bytes(59)], [bytes(30), bytes(30)], [bytes(60), b""]])
    def test_of_wrong_size_or_number(self, abi_probe: Path, open_driver, variant: str, weights: list[bytes]) -> None:
        with pytest.raises(InvalidParamError, match="60 bytes expected"):
            open_driver(abi_probe / variant, weights=weights)


@pytest.mark.parametrize("variant", ["legacy_f32", "stai_f32"])
def test_weights_of_the_caller_replace_those_of_the_library(abi_probe: Path, open_driver, variant: str) -> None:
    driver = open_driver(abi_probe / variant, weights=[np.zeros(15, np.float32)])
    assert not driver.invoke("network", [samples(driver)]).outputs[0].any()


def test_an_error_of_init_is_decoded(abi_probe: Path, open_driver) -> None:
    with pytest.raises(InvalidModelError) as caught:
        open_driver(abi_probe / "legacy_badinit")
    assert (
        'ai_network_init() failed: type="Init Failed"(0x30), code="Network Activations"(0x13)' in caught.value.message
    )
    assert str(abi_probe / "legacy_badinit" / "libai_network.so") in caught.value.message


def test_without_a_description_of_nodes_only_io(abi_probe: Path, open_driver) -> None:
    driver = open_driver(abi_probe / "stai_nodetails")
    info = driver.info("network")
    assert info.runtime.capabilities == (Caps.IO_ONLY,)
    assert "g_network_details is not exported" in info.runtime.attributes["per_layer"]
    inputs = samples(driver)
    assert_close(driver.invoke("network", [inputs]).outputs[0], expected(inputs)[1])


@pytest.mark.parametrize("variant", ["legacy_f32", "stai_f32"])
def test_without_the_observer_library(abi_probe: Path, open_driver, tmp_path: Path, variant: str) -> None:
    shutil.copy(abi_probe / variant / "libai_network.so", tmp_path)
    driver = open_driver(tmp_path)
    info = driver.info("network")
    assert (Caps.PER_LAYER in info.runtime.capabilities) == (variant == "stai_f32")  # st-ai needs none
    if variant == "legacy_f32":
        assert "libai_observer.so is not beside the library" in info.runtime.attributes["per_layer"]
    inputs = samples(driver)
    assert_close(driver.invoke("network", [inputs]).outputs[0], expected(inputs)[1])


def test_an_observer_library_that_is_none(abi_probe: Path, open_driver, tmp_path: Path) -> None:
    shutil.copy(abi_probe / "legacy_f32" / "libai_network.so", tmp_path)
    (tmp_path / "libai_observer.so").write_text("oops")
    assert open_driver(tmp_path).info("network").runtime.capabilities == (Caps.IO_ONLY,)


@pytest.mark.parametrize("variant", ["legacy_f32", "stai_f32"])
class TestIndependence:
    def test_more_connections_than_the_observer_has_slots(self, abi_probe: Path, open_driver, variant: str) -> None:
        drivers = [open_driver(abi_probe / variant) for _ in range(22)]
        inputs = samples(drivers[0])
        for driver in drivers:
            assert len(driver.invoke("network", [inputs], Mode.PER_LAYER).nodes) == 2

    def test_of_two_connections(self, abi_probe: Path, open_driver, variant: str) -> None:
        zero = open_driver(abi_probe / variant, weights=[bytes(60)])
        normal = open_driver(abi_probe / variant)
        inputs = samples(zero)
        for mode in MODES:
            assert not zero.invoke("network", [inputs], mode).outputs[0].any()
            assert_close(normal.invoke("network", [inputs], mode).outputs[0], expected(inputs)[1])
        zero.close()
        assert_close(normal.invoke("network", [inputs]).outputs[0], expected(inputs)[1])

    def test_of_results_from_later_runs(self, abi_probe: Path, open_driver, variant: str) -> None:
        driver = open_driver(abi_probe / variant)
        inputs = samples(driver)
        first = driver.invoke("network", [inputs], Mode.PER_LAYER_WITH_DATA)
        kept = [first.outputs[0].copy(), first.nodes[0].data[0].copy()]
        driver.invoke("network", [inputs * 0], Mode.PER_LAYER_WITH_DATA)
        driver.close()
        np.testing.assert_array_equal(first.outputs[0], kept[0])
        np.testing.assert_array_equal(first.nodes[0].data[0], kept[1])

    def test_of_the_inputs_memory(self, abi_probe: Path, open_driver, variant: str) -> None:
        """Read-only and unaligned arrays are as good as any, and are not written to."""
        driver = open_driver(abi_probe / variant)
        inputs = samples(driver)
        odd = np.frombuffer(b"x" + inputs.tobytes(), inputs.dtype, offset=1).reshape(inputs.shape)
        assert not odd.flags.aligned
        assert not odd.flags.writeable
        for mode in MODES:
            assert_close(driver.invoke("network", [odd], mode).outputs[0], expected(inputs)[1])

    @pytest.mark.parametrize("batch", [1, 2, 7])
    def test_of_the_batch_size(self, abi_probe: Path, open_driver, variant: str, batch: int) -> None:
        driver = open_driver(abi_probe / variant)
        for size in (batch, 1, batch + 3):
            inputs = samples(driver, size)
            for mode in (Mode.IO_ONLY, Mode.PER_LAYER_WITH_DATA):
                result = driver.invoke("network", [inputs], mode)
                assert_close(result.outputs[0], expected(inputs)[1])
                assert len(result.durations) == size


def test_a_batch_larger_than_one_native_call_takes(
    abi_probe: Path, open_driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_runner.drivers.c_library.legacy._STAGING_BYTES", 28 * 4)
    driver = open_driver(abi_probe / "legacy_f32")
    inputs = samples(driver, 11)
    for mode in MODES:
        result = driver.invoke("network", [inputs], mode)
        assert_close(result.outputs[0], expected(inputs)[1])
        assert [len(node.durations) for node in result.nodes] == [11] * len(result.nodes)


@pytest.mark.parametrize("variant", ["legacy_f32", "stai_f32"])
def test_only_per_layer_modes_observe(
    abi_probe: Path, open_driver, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    driver = open_driver(abi_probe / variant)
    inputs = samples(driver)
    events: list[str] = []
    for observer in (LegacyNodeObserver, StaiNodeObserver):
        monkeypatch.setattr(observer, "attach", lambda self: events.append("attach"))
        monkeypatch.setattr(observer, "detach", lambda self: events.append("detach"))
    result = driver.invoke("network", [inputs])
    driver.invoke("network", [inputs], callback=AiRunnerCallback())
    assert (result.nodes, events) == ((), [])
    assert len(result.durations) == len(inputs)  # one a sample, not two
    with pytest.raises(InvalidModelError, match="0 \\+ 0 events"):
        driver.invoke("network", [inputs], Mode.PER_LAYER)
    assert events == ["attach", "detach"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
@pytest.mark.parametrize("variant", ["legacy_named", "stai_named"])
def test_nothing_stays_mapped(abi_probe: Path, open_driver, variant: str) -> None:
    def mapped() -> list[str]:
        maps = Path("/proc/self/maps").read_text().splitlines()
        return [line for line in maps if "libai_bobby" in line or str(abi_probe / variant) in line]

    driver = open_driver(abi_probe / variant)
    driver.invoke("bobby", [samples(driver)], Mode.PER_LAYER)
    assert mapped()
    driver.close()
    driver.close()
    assert mapped() == []


@pytest.mark.parametrize("how", ["keyword", "environment"])
def test_without_a_private_copy(abi_probe: Path, open_driver, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "environment":
        monkeypatch.setenv("AI_RUNNER_FORCE_NO_DLL_COPY", "1")
    driver = open_driver(abi_probe / "stai_f32", **({"reload": False} if how == "keyword" else {}))
    if sys.platform.startswith("linux"):
        assert str(abi_probe / "stai_f32" / "libai_network.so") in Path("/proc/self/maps").read_text()
    inputs = samples(driver)
    assert_close(driver.invoke("network", [inputs]).outputs[0], expected(inputs)[1])


def test_a_library_rebuilt_in_place_is_read_again(abi_probe: Path, open_driver, tmp_path: Path) -> None:
    path = tmp_path / "libai_network.so"
    shutil.copyfile(abi_probe / "stai_f32" / "libai_network.so", path)
    first = open_driver(path)
    shutil.copyfile(abi_probe / "stai_s8" / "libai_network.so", path)  # same inode
    assert open_driver(path).info("network").inputs[0].dtype == np.int8
    inputs = samples(first)
    assert_close(first.invoke("network", [inputs]).outputs[0], expected(inputs)[1])


class TestContract:
    def test_both_schemes_load_it(self, abi_probe: Path) -> None:
        for scheme in ("file", "lib"):
            driver = create_driver(parse_descriptor(f"{scheme}:{abi_probe / 'stai_f32'}"))
            assert isinstance(driver, CLibraryDriver)
            driver.open(Deadline(None))
            assert "ST.AI (st-ai api) 10.2.0" in driver.describe()
            driver.close()

    def test_the_expected_model(self, abi_probe: Path, open_driver) -> None:
        path = abi_probe / "stai_f32"
        assert open_driver(path, "?expect=0x70F0000000000000000000000000700f").names() == ("network",)
        with pytest.raises(InvalidModelError, match="has another model than 70f00001: network 0x70f0"):
            open_driver(path, "?expect=70f00001")

    @pytest.mark.parametrize("options", ["?api=other", "?loop=fast", "?isolate=yes", "?threads=2"])
    def test_options_are_checked_at_once(self, options: str) -> None:
        with pytest.raises(InvalidParamError):
            CLibraryDriver(parse_descriptor(f"file:x.so{options}"))

    def test_dll_name(self, abi_probe: Path, open_driver) -> None:
        assert open_driver(abi_probe / "stai_f32", dll_name="libai_network.so", context=object()).names() == (
            "network",
        )

    def test_the_same_info_for_every_call(self, abi_probe: Path, open_driver) -> None:
        driver = open_driver(abi_probe / "stai_f32")
        assert driver.info("network") is driver.info("network")
        assert driver.extension("network", cmd="self-test") is False

    def test_unknown_model_and_closed_connection(self, abi_probe: Path, open_driver) -> None:
        driver = open_driver(abi_probe / "stai_f32")
        inputs = samples(driver)
        with pytest.raises(InvalidParamError, match="no model 'other'"):
            driver.invoke("other", [inputs])
        driver.close()
        assert driver.names() == ()
        with pytest.raises(NotConnectedError):
            driver.invoke("network", [inputs])
        with pytest.raises(NotConnectedError):
            driver.info("network")

    def test_closing_without_opening(self) -> None:
        CLibraryDriver(parse_descriptor("file:x.so")).close()

    def test_a_failed_open_leaves_nothing(self, abi_probe: Path) -> None:
        driver = CLibraryDriver(parse_descriptor(f"file:{abi_probe / 'legacy_badinit'}"))
        with pytest.raises(InvalidModelError):
            driver.open(Deadline(None))
        if sys.platform.startswith("linux"):
            assert str(abi_probe / "legacy_badinit") not in Path("/proc/self/maps").read_text()

    def test_a_run_during_a_run_is_refused_and_close_waits(self, abi_probe: Path, open_driver) -> None:
        driver = open_driver(abi_probe / "stai_f32")
        inputs = samples(driver)
        caught: list[BaseException] = []

        class Meddler(AiRunnerCallback):
            def on_sample_begin(self, idx: int) -> None:
                def run() -> None:
                    try:
                        driver.invoke("network", [inputs])
                    except InvalidParamError as error:
                        caught.append(error)

                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
                driver.close()

        result = driver.invoke("network", [inputs], callback=Meddler())
        assert_close(result.outputs[0], expected(inputs)[1])
        assert len(caught) == len(inputs)
        assert driver.names() == ()
