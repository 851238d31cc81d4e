"""A network with two inputs, two outputs and nodes of two tensors, in both APIs, and libraries with its faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_runner.errors import HwIOError, InvalidModelError, InvalidParamError
from ai_runner.model import Caps, Mode
from ai_runner.profile import TimeSource
from ai_runner.quantization import Quantization

APIS = ["legacy", "stai"]
OPTIONS = {"legacy": ["", "?loop=sample"], "stai": [""]}
CASES = [(api, options) for api in APIS for options in OPTIONS[api]]
MODES = [Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER_WITH_DATA]
REFUSED = 99.0


def inputs(batch: int = 4, refused: int | None = None) -> list[Any]:
    random = np.random.default_rng(batch)
    image = random.random((batch, 3, 2, 2)).astype(np.float32)
    if refused is not None:
        image[refused, 0, 0, 0] = REFUSED
    return [image, random.integers(-100, 100, (batch, 4)).astype(np.int8)]


def shaped(api: str, arrays: list[Any]) -> list[Any]:
    """Legacy tensors always have four dimensions."""
    return [arrays[0], arrays[1].reshape(-1, 1, 1, 4)] if api == "legacy" else arrays


def assert_results(api: str, result: Any, arrays: list[Any]) -> None:
    image, bias = shaped(api, arrays)
    np.testing.assert_array_equal(result.outputs[0], image * 2 + 1)
    np.testing.assert_array_equal(result.outputs[1], -bias)


@pytest.mark.parametrize(("api", "options"), CASES)
@pytest.mark.parametrize("batch", [1, 4])
def test_every_input_output_and_tensor(build_twin, open_driver, api: str, options: str, batch: int) -> None:
    driver = open_driver(build_twin(api), options)
    arrays = inputs(batch)
    image, bias = shaped(api, arrays)
    for mode in (*MODES, *MODES):
        result = driver.invoke("network", shaped(api, arrays), mode)
        assert_results(api, result, arrays)
        if mode is not Mode.IO_ONLY:
            assert [(n.info.m_id, n.info.type_name) for n in result.nodes] == [(7, "Split"), (7, "Add")]
            assert [len(n.info.outputs) for n in result.nodes] == [2, 2]
        if mode is Mode.PER_LAYER_WITH_DATA:
            split, add = (node.data for node in result.nodes)
            np.testing.assert_array_equal(split[0], image * 2)
            np.testing.assert_array_equal(split[1], -bias)
            np.testing.assert_array_equal(add[0], image * 2 + 1)
            np.testing.assert_array_equal(add[1], -bias)


def test_legacy_shapes_are_turned_to_channels_last(build_twin, open_driver) -> None:
    driver = open_driver(build_twin("legacy"))
    info = driver.info("network")
    assert [t.shape for t in info.inputs] == [(1, 3, 2, 2), (1, 1, 1, 4)]
    assert info.inputs[1].quantization == Quantization((0.5,), (-2,))
    nodes = driver.invoke("network", shaped("legacy", inputs()), Mode.PER_LAYER).nodes
    assert [t.shape for t in nodes[0].info.outputs] == [(1, 3, 2, 2), (1, 1, 1, 4)]
    assert [t.tag for t in nodes[1].info.outputs] == ["N.1.0", "N.1.1"]
    assert nodes[0].info.outputs[1].quantization == Quantization((0.5,), (-2,))


def test_legacy_times_are_the_observer_s_pre_and_post(build_twin, open_driver) -> None:
    driver = open_driver(build_twin("legacy"))
    result = driver.invoke("network", shaped("legacy", inputs(3)), Mode.PER_LAYER)
    assert [list(node.durations) for node in result.nodes] == [[0.25] * 3] * 2
    assert list(result.durations) == [2 * 0.125 + 2 * 0.25] * 3
    assert result.source is result.nodes[0].source is TimeSource.HOST


def test_stai_times_are_the_sum_of_the_nodes(build_twin, open_driver) -> None:
    result = open_driver(build_twin("stai")).invoke("network", inputs(3), Mode.PER_LAYER)
    sums = np.sum([node.durations for node in result.nodes], axis=0)
    np.testing.assert_allclose(result.durations, sums)
    assert (sums > 0).all()
    assert all(whole >= nodes for whole, nodes in zip(result.exec_times, sums, strict=True))


def test_stai_names_and_memory(build_twin, open_driver) -> None:
    driver = open_driver(build_twin("stai"))
    info = driver.info("network")
    assert [t.name for t in (*info.inputs, *info.outputs)] == ["image", "bias", "output_1", "output_2"]
    assert [t.memory_pool for t in (*info.inputs, *info.outputs)] == ["in 'activations' buffer"] * 2 + ["user"] * 2
    assert [(pool.name, pool.size) for pool in info.activations] == [("arena", 128)]
    assert (info.flags, info.params) == ("flag_inputs", ())
    nodes = driver.invoke("network", inputs(), Mode.PER_LAYER).nodes
    assert [[t.name for t in node.info.outputs] for node in nodes] == [["doubled", "negated"], ["sum", "copy"]]


@pytest.mark.parametrize(
    ("api", "options", "reason"),
    [
        ("legacy", "", 'ai_network_run() failed: type="Invalid Input"(0x12), code="Out Of Range"(0x20)'),
        ("legacy", "?loop=sample", 'ai_network_run() failed: type="Invalid Input"(0x12), code="Out Of Range"(0x20)'),
        ("stai", "", "stai_network_run() failed: invalid run (0x030020)"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [1, 4])
def test_after_a_refused_run_the_next_one_works(
    build_twin, open_driver, api: str, options: str, reason: str, mode: Mode, batch: int
) -> None:
    driver = open_driver(build_twin(api), options)
    for _ in range(2):
        with pytest.raises(InvalidModelError) as caught:
            driver.invoke("network", shaped(api, inputs(batch, refused=batch - 1)), mode)
        assert reason in caught.value.message
        for good in MODES:
            arrays = inputs(batch)
            assert_results(api, driver.invoke("network", shaped(api, arrays), good), arrays)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_that_ends_early_is_an_error(build_twin, open_driver, batch: int) -> None:
    driver = open_driver(build_twin("legacy", define=["SHORT_RUN"]))
    with pytest.raises(InvalidModelError, match=f"{batch - 1} of {batch} samples were run"):
        driver.invoke("network", shaped("legacy", inputs(batch)))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", MODES[1:])
def test_a_lost_event_is_an_error(build_twin, open_driver, api: str, mode: Mode) -> None:
    driver = open_driver(build_twin(api, define=["LOSE_EVENT"]))
    with pytest.raises(InvalidModelError, match=r"reports node|events for 4 samples"):
        driver.invoke("network", shaped(api, inputs()), mode)
    arrays = inputs()
    assert_results(api, driver.invoke("network", shaped(api, arrays)), arrays)


class TestBothApis:
    def test_st_ai_is_preferred(self, build_twin, open_driver) -> None:
        driver = open_driver(build_twin("legacy", "stai"))
        assert driver.names() == ("network",)
        assert driver.info("network").runtime.attributes["api"] == "st-ai"
        assert Caps.PER_LAYER_WITH_DATA in driver.info("network").runtime.capabilities

    @pytest.mark.parametrize("api", APIS)
    def test_the_option_chooses(self, build_twin, open_driver, api: str) -> None:
        word = {"legacy": "legacy", "stai": "st-ai"}[api]
        driver = open_driver(build_twin("legacy", "stai"), f"?api={word}")
        assert driver.info("network").runtime.attributes["api"] == word
        arrays = inputs()
        assert_results(api, driver.invoke("network", shaped(api, arrays), Mode.PER_LAYER), arrays)

    def test_an_incomplete_one_gives_way(self, build_twin, open_driver) -> None:
        driver = open_driver(build_twin("legacy", "stai", define=["stai_network_set_outputs=gone"]))
        assert driver.info("network").runtime.attributes["api"] == "legacy"

    def test_the_option_names_what_is_not_there(self, build_twin, open_driver) -> None:
        with pytest.raises(InvalidParamError, match="does not export the legacy API"):
            open_driver(build_twin("stai"), "?api=legacy")


def test_several_models_in_a_library_of_any_name(two_models, open_driver) -> None:
    driver = open_driver(two_models)
    assert driver.names() == ("first", "second")
    for name, api in (("first", "legacy"), ("second", "stai"), ("first", "legacy")):
        arrays = inputs()
        assert_results(api, driver.invoke(name, shaped(api, arrays), Mode.PER_LAYER), arrays)
        assert driver.info(name).name == name


class TestRefusedLibraries:
    @pytest.mark.parametrize(
        ("define", "version"),
        [
            (["OLD_INFO", "TOOLS=5,2,0", "PLATFORM=1,1"], "X-CUBE-AI 5.2.0 (platform API 1.1)"),
            (["TOOLS=7,0,0", "PLATFORM=1,1"], "X-CUBE-AI 7.0.0 (platform API 1.1)"),
            (["TOOLS=7,0,0", "PLATFORM=1,2"], "X-CUBE-AI 7.0.0 (platform API 1.2)"),
        ],
    )
    def test_older_tools_by_version(self, build_twin, open_driver, define: list[str], version: str) -> None:
        if "OLD_INFO" in define:
            define = [*define, "ai_network_data_params_get=gone"]
        with pytest.raises(InvalidModelError) as caught:
            open_driver(build_twin("legacy", define=define))
        assert f"generated by {version}" in caught.value.message
        assert "7.1 or later" in caught.value.hint

    @pytest.mark.parametrize("tools", ["7,1,0", "10,0,0", "1,0,0", "4,0,0"])
    def test_newer_tools_are_not(self, build_twin, open_driver, tools: str) -> None:
        driver = open_driver(build_twin("legacy", define=[f"TOOLS={tools}"]))
        assert driver.info("network").runtime.tools_version == tuple(int(part) for part in tools.split(","))

    @pytest.mark.parametrize(
        ("api", "missing"),
        [
            ("legacy", ["ai_network_get_error"]),
            ("legacy", ["ai_network_get_report"]),
            ("legacy", ["ai_network_create", "ai_network_destroy"]),
            ("stai", ["stai_network_get_info"]),
            ("stai", ["stai_network_run", "stai_network_set_inputs"]),
        ],
    )
    def test_missing_symbols_are_listed(self, build_twin, open_driver, api: str, missing: list[str]) -> None:
        with pytest.raises(InvalidModelError) as caught:
            open_driver(build_twin(api, define=[f"{name}=gone{i}" for i, name in enumerate(missing)]))
        assert caught.value.message.endswith(f"symbols missing: {', '.join(missing)}")
        assert caught.value.evidence["missing"] == missing

    def test_a_new_library_that_lost_its_report_is_not_called_old(self, build_twin, open_driver) -> None:
        with pytest.raises(InvalidModelError, match="symbols missing: ai_network_get_report"):
            open_driver(build_twin("legacy", define=["OLD_INFO"]))

    @pytest.mark.parametrize("api", APIS)
    def test_counts_that_cannot_be(self, build_twin, open_driver, api: str) -> None:
        with pytest.raises(InvalidModelError, match="declares 60000 inputs"):
            open_driver(build_twin(api, define=["MANY_INPUTS"]))

    def test_a_tensor_without_shape(self, build_twin, open_driver) -> None:
        with pytest.raises(InvalidModelError, match="dimensions of input_1 at no address"):
            open_driver(build_twin("legacy", define=["NULL_SHAPE"]))

    def test_a_size_that_contradicts_its_shape(self, build_twin, open_driver) -> None:
        with pytest.raises(InvalidModelError, match="declares 8 bytes for image"):
            open_driver(build_twin("stai", define=["SMALL_SIZE"]))

    def test_a_library_without_a_model(self, build_c, open_driver, tmp_path) -> None:
        path = build_c("int answer(void) { return 42; }", tmp_path / "libai_network.so")
        with pytest.raises(InvalidModelError, match="exports no C-model"):
            open_driver(path)
        with pytest.raises(InvalidParamError, match="holds no C-model library"):
            open_driver(tmp_path)


class TestDegraded:
    def test_no_description_of_nodes(self, build_twin, open_driver) -> None:
        info = open_driver(build_twin("stai", define=["BROKEN_DETAILS"])).info("network")
        assert info.runtime.capabilities == (Caps.IO_ONLY,)
        assert "2 nodes at no address" in info.runtime.attributes["per_layer"]

    def test_no_callback_function(self, build_twin, open_driver) -> None:
        info = open_driver(build_twin("stai", define=["stai_network_set_callback=gone"])).info("network")
        assert info.runtime.capabilities == (Caps.IO_ONLY,)

    def test_an_observer_that_refuses_the_network(self, build_twin, open_driver) -> None:
        driver = open_driver(build_twin("legacy", define=["BUSY"]))
        assert driver.info("network").runtime.capabilities == (Caps.IO_ONLY,)
        arrays = inputs()
        assert_results("legacy", driver.invoke("network", shaped("legacy", arrays)), arrays)
        with pytest.raises(InvalidParamError, match="nodes cannot be observed"):
            driver.invoke("network", shaped("legacy", arrays), Mode.PER_LAYER)

    def test_an_observer_that_refuses_later(self, build_twin, open_driver, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = open_driver(build_twin("legacy"))
        library = "ai_runner.drivers.c_library.legacy_nodes.ObserverLibrary"
        monkeypatch.setattr(f"{library}.register", lambda self, handle, callback: False)
        with pytest.raises(HwIOError, match="refuses the network"):
            driver.invoke("network", shaped("legacy", inputs()), Mode.PER_LAYER)

    @pytest.mark.parametrize("api", APIS)
    def test_no_texts(self, build_twin, open_driver, api: str) -> None:
        info = open_driver(build_twin(api, define=["NULL_TEXTS"])).info("network")
        assert (info.name, info.hash, info.model_datetime, info.compile_datetime) == ("network", "", "", "")
        assert [t.name for t in info.inputs] == ["input_1", "input_2"]

    @pytest.mark.parametrize("api", APIS)
    def test_no_readable_symbol_table(self, build_twin, open_driver, tmp_path, api: str) -> None:
        content = bytearray(build_twin(api).read_bytes())
        content[0x28:0x30] = bytes(8)  # e_shoff and e_shnum: the loader needs neither
        content[0x3C:0x3E] = bytes(2)
        path = tmp_path / "libai_network.so"
        path.write_bytes(content)
        assert open_driver(path).names() == ("network",)
