"""Numbers of a board as words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_runner.drivers.stm32.description import model_info, time_source
from ai_runner.drivers.stm32.device import device_info
from ai_runner.drivers.stm32.node_types import m_id_of, node_name, type_name
from ai_runner.drivers.stm32.protocol import (
    DIALECTS,
    ModelDescription,
    NodeReport,
    RuntimeId,
    SyncReply,
    SystemInfo,
    TensorDesc,
)
from ai_runner.drivers.stm32.protocol.codes import Capability, NotGiven, Runtime, RuntimeApi, Tool
from ai_runner.model import Caps
from ai_runner.profile import TimeSource

V3 = DIALECTS[-1]
SYSTEM = SystemInfo(0x486, 800_000_000, 400_000_000, 5 << 24 | 1 << 16 | 1 << 10 | 1, (3, 1_000_000_000, 9), 32)
SYNC = SyncReply(V3, (3, 2), Capability.OBSERVER | Capability.RELOC, None)
POOL = TensorDesc("pool", 0x00040440, 640, (1, 1, 1, 640), 0.0, 0)
FLOATS = TensorDesc("", 0x00821040, 4, (1, 4), 0.0, 0)
MODEL = ModelDescription(
    name="m",
    signature="0xabc",
    compile_datetime="now",
    runtime_version=(10, 2, 0),
    tool_version=(2, 2, 0),
    macc=7,
    n_nodes=1,
    inputs=(FLOATS,),
    outputs=(FLOATS,),
    activations=(POOL, replace(POOL, size=60)),
    params=(POOL,),
    runtime=RuntimeId(Runtime.STM_AI, RuntimeApi.ST_AI, Tool.IAR),
    runtime_desc="IAR 9 0xbeef1234",
    init_time=2.5,
)


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        (RuntimeId(Runtime.STM_AI), "ST.AI (legacy api)"),
        (RuntimeId(Runtime.STM_AI, RuntimeApi.ST_AI), "ST.AI (st-ai api)"),
        (RuntimeId(Runtime.TFLM), "TFLM"),
        (RuntimeId(Runtime.TFLM, RuntimeApi.LITE), "TFLM (lite api)"),
        (RuntimeId(Runtime.TVM), "TVM"),
        (RuntimeId(Runtime.ATONN, RuntimeApi.ST_AI | RuntimeApi.RELOC), "ATONN (st-ai+reloc api)"),
        (RuntimeId(Runtime.STM_AI_RELOC), "ST.AI reloc (legacy api)"),
        (RuntimeId(77), "runtime 77"),
    ],
)
def test_runtimes(runtime: RuntimeId, name: str) -> None:
    assert model_info(replace(MODEL, runtime=runtime), SYNC, SYSTEM).runtime.name == name


def test_a_v2_1_firmware_names_another_engine_than_sts_in_its_tool() -> None:
    old = replace(MODEL, runtime=None, tool_revision="TVM 0.8", tool_api_version=(1, 0, 0), api_version=(1, 0, 0))
    assert model_info(old, SYNC, SYSTEM).runtime.name == "TVM 0.8"
    assert model_info(replace(old, api_version=(1, 1, 0)), SYNC, SYSTEM).runtime.name == "ST.AI (legacy api)"


def test_versions_memory_and_capabilities() -> None:
    info = model_info(MODEL, SYNC, SYSTEM)
    assert info.runtime.rt_lib_desc == "v10.2.0-beef1234 compiled with IAR 9 (IAR)"
    assert (info.runtime.compiler, info.runtime.tools_version) == ("IAR", (2, 2, 0))
    assert info.runtime.attributes["init time"] == "2.5 ms"
    assert info.runtime.capabilities == (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA, Caps.RELOC)
    assert [(pool.name, pool.size) for pool in info.activations] == [("pool", 640), ("pool_2", 60)]
    assert (info.macc, info.hash) == (7, "0xabc")


def test_what_is_not_given_is_not_told() -> None:
    runtime = RuntimeId(1, not_given=NotGiven.MACC | NotGiven.PARAMS_SIZE | NotGiven.ACTIVATIONS_SIZE)
    info = model_info(replace(MODEL, runtime=runtime), SYNC, SYSTEM)
    assert (info.macc, info.params, info.activations) == (0, (), ())


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("GCC 12.2.0 0x1a2b3c4d", TimeSource.DEVICE),
        ("GCC 12 AiRunner host time 0x12345678", TimeSource.HOST),
        ("GCC 12 AiRunner simulated time 0x12345678", TimeSource.SIMULATED),
        ("GCC 12 AiRunner device time 0x12345678", TimeSource.DEVICE),
        ("GCC 12 on QEMU", TimeSource.SIMULATED),
        ("an emulated board", TimeSource.SIMULATED),
        ("", TimeSource.DEVICE),
    ],
)
def test_whose_clock_it_is(text: str, source: TimeSource) -> None:
    assert time_source(replace(MODEL, runtime_desc=text)) is source
    assert time_source(replace(MODEL, runtime_desc="", runtime_revision=text)) is source


@pytest.mark.parametrize(
    ("devid", "cache", "machine", "attrs"),
    [
        (
            0x413,
            1 << 24 | 1 << 16 | 0x705,
            "STM32F405/407/415/417",
            ("fpu", "art_icache", "art_dcache", "art_prefetch"),
        ),
        (0x413, 1 << 24 | 0x500, "STM32F405/407/415/417", ("art_dcache", "art_prefetch")),
        (0x413, 1 << 24 | 0x100, "STM32F405/407/415/417", ("art_dcache or art_prefetch",)),
        (0x449, 2 << 24 | 0xF07, "STM32F74x/75x", ("core_icache", "core_dcache", "art", "art_prefetch", "lat=7")),
        (0x482, 4 << 24 | 0x204, "STM32U575/585", ("icache", "lat=4")),
        (0x2643, 6 << 24, "SR6P3", ()),
        (0xFFFF, 0, "unknown device", ()),
    ],
)
def test_devices(devid: int, cache: int, machine: str, attrs: tuple[str, ...]) -> None:
    device = device_info(SystemInfo(devid, 1, 2, cache, (), 32))
    assert device.machine == machine
    assert tuple(attr for attr in device.attrs if attr != "lat=5") == attrs
    assert device.dev_id == f"{devid:#05x}"


def test_an_n6_has_a_neural_unit() -> None:
    assert device_info(SYSTEM).attrs == ("fpu", "core_icache", "npu_cache", "npu_freq=1000MHz", "nic_freq=9e-06MHz")
    short = device_info(replace(SYSTEM, extra=(3,)))
    assert short.attrs == ("fpu", "core_icache", "npu_cache")


def test_an_emulated_board_and_a_process_say_so() -> None:
    assert "emulated" in device_info(SYSTEM, TimeSource.SIMULATED).system
    assert device_info(SYSTEM, TimeSource.HOST).dev_type == "HOST"


def test_nodes_of_each_runtime() -> None:
    assert type_name(Runtime.STM_AI, 0x103) == (0x103, "Conv2D")
    assert type_name(Runtime.TFLM, 3) == (3, "CONV_2D")
    assert type_name(Runtime.ATONN, 0x32) == (0x32, "EpochSW")
    assert type_name(99, 5) == (5, "Node")
    epoch = NodeReport("", 0, 0x0005_0003, None)
    assert node_name(Runtime.ATONN, epoch, 0) == "EpochBlock_3"
    assert m_id_of(Runtime.ATONN, epoch.id) == 3
    assert node_name(Runtime.STM_AI, epoch, 4) == "ai_node_4"
    assert node_name(Runtime.STM_AI, replace(epoch, name="conv"), 4) == "conv"
