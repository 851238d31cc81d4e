"""Which device a board is, from the numbers of its system information."""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol import SystemInfo
from ai_runner.model import DeviceInfo
from ai_runner.profile import TimeSource

# devid (DBGMCU_IDCODE) -> family. Numbers are those of ST's reference manuals.
_FAMILIES = {
    0x410: "STM32F10xx",
    0x412: "STM32F10xx low-density",
    0x414: "STM32F10xx high-density",
    0x422: "STM32F30xB/C",
    0x432: "STM32F37x",
    0x438: "STM32F303x6/x8 and F334",
    0x439: "STM32F301/F302x6/x8",
    0x446: "STM32F303xD/E",
    0x440: "STM32F05x",
    0x442: "STM32F09x",
    0x444: "STM32F03x",
    0x445: "STM32F04x",
    0x448: "STM32F07x",
    0x413: "STM32F405/407/415/417",
    0x419: "STM32F42x/43x",
    0x421: "STM32F446",
    0x423: "STM32F401xB/C",
    0x431: "STM32F411",
    0x433: "STM32F401xD/E",
    0x434: "STM32F469/479",
    0x441: "STM32F412",
    0x458: "STM32F410",
    0x463: "STM32F413/423",
    0x449: "STM32F74x/75x",
    0x451: "STM32F76x/77x",
    0x452: "STM32F72x/73x",
    0x450: "STM32H743/745/747/750/753/755/757",
    0x480: "STM32H7A3/7B3",
    0x483: "STM32H72x/73x",
    0x485: "STM32H7Rx/7Sx",
    0x474: "STM32H503",
    0x484: "STM32H5xx",
    0x415: "STM32L47x/48x",
    0x435: "STM32L43x/44x",
    0x461: "STM32L49x/4Ax",
    0x462: "STM32L45x/46x",
    0x464: "STM32L412/422",
    0x470: "STM32L4Rx/4Sx",
    0x471: "STM32L4P5/4Q5",
    0x472: "STM32L552/562",
    0x417: "STM32L05x/06x",
    0x425: "STM32L031/041",
    0x447: "STM32L07x/08x",
    0x457: "STM32L01x/02x",
    0x456: "STM32G05x/06x",
    0x460: "STM32G07x/08x",
    0x466: "STM32G03x/04x",
    0x467: "STM32G0Bx/0Cx",
    0x468: "STM32G431/441",
    0x469: "STM32G47x/48x",
    0x479: "STM32G491/4A1",
    0x482: "STM32U575/585",
    0x494: "STM32WB1x",
    0x495: "STM32WB5x",
    0x497: "STM32WLx",
    0x500: "STM32MP1",
    0x486: "STM32N6xx",
    0x155: "Corstone-300 FVP",
    0x2511: "SR5E1",
    **{0x2640 + n: f"SR6P{n}" for n in (3, 6, 7)},
    **{0x2630 + n: f"SR6G{n}" for n in (3, 6, 7)},
    0x2A47: "SR6P7G7",
}

_F4, _F7, _H7, _L5, _N6, _SR6 = range(1, 7)
_FPU, _NPU_CACHE, _LATENCY = 1 << 16, 1, 0xFF
# Series -> bits of the cache word and what they stand for.
_CORE_CACHES = ((10, "core_icache"), (11, "core_dcache"))
_CACHE_BITS: dict[int, tuple[tuple[int, str], ...]] = {
    _F4: ((9, "art_icache"),),
    _F7: (*_CORE_CACHES, (9, "art"), (8, "art_prefetch")),
    _H7: _CORE_CACHES,
    _L5: ((9, "icache"),),
    _N6: _CORE_CACHES,
}
# Firmware and ST's client disagree which of an F4's bits 10 and 8 is the data cache and which the prefetch.
_F4_EITHER: tuple[list[str], ...] = ([], ["art_dcache or art_prefetch"], ["art_dcache", "art_prefetch"])


def device_info(system: SystemInfo, source: TimeSource = TimeSource.DEVICE) -> DeviceInfo:
    """Description of the device; clocks in Hz, numbers that are not decoded in `extra`.

    `source`: whose clock its firmware counts with, which tells a process of the host and an emulated board apart.
    """
    clocks = f"@{system.sclock / 1e6:g}/{system.hclock / 1e6:g}MHz"
    if source is TimeSource.HOST:
        desc = "aiValidation firmware as a process of the host"
        return DeviceInfo("HOST", desc, "", "process", sys_clock=system.sclock, bus_clock=system.hclock)
    family = _FAMILIES.get(system.devid, "unknown device")
    series = system.cache >> 24
    attrs = [*_cache_attributes(system.cache), *(_npu_attributes(system.extra) if series == _N6 else [])]
    return DeviceInfo(
        dev_type="stm32",
        desc=f"stm32 family - {system.devid:#05x} - {family} {clocks}",
        dev_id=f"{system.devid:#05x}",
        system="bare-metal, emulated" if source is TimeSource.SIMULATED else "bare-metal",
        machine=family,
        sys_clock=system.sclock,
        bus_clock=system.hclock,
        attrs=tuple(attrs),
        extra={"cache": system.cache, "numbers": system.extra} if system.extra else {"cache": system.cache},
    )


def _cache_attributes(cache: int) -> list[str]:
    series = cache >> 24
    found = ["fpu"] if cache & _FPU else []
    found += [name for bit, name in _CACHE_BITS.get(series, ()) if cache >> bit & 1]
    if series == _N6:
        return found + (["npu_cache"] if cache & _NPU_CACHE else [])
    if series == _F4:
        found += _F4_EITHER[(cache >> 10 & 1) + (cache >> 8 & 1)]
    latency = cache & _LATENCY
    return found + ([f"lat={latency}"] if latency and series in (_F4, _F7, _H7, _L5) else [])


def _npu_attributes(extra: tuple[int, ...]) -> list[str]:
    """Clocks of the neural unit and its interconnect, which older firmware leaves out."""
    names = ("npu_freq", "nic_freq")
    return [f"{name}={hertz / 1e6:g}MHz" for name, hertz in zip(names, extra[1:3], strict=False)]
