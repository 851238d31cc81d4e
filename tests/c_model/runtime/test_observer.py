from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_bool, c_int32, c_uint32, c_void_p
from typing import Any

import numpy as np
import pytest

MAGIC = 0x41694C47


@pytest.fixture
def observer(built: Callable[[str], Any]) -> Any:
    library = ctypes.CDLL(str(built("legacy").observer))
    for function in (library.ai_platform_observer_io_register, library.ai_platform_observer_io_unregister):
        function.restype = c_bool
    return library


@pytest.fixture
def network(built: Callable[[str], Any], abi: Any) -> Any:
    """A function that runs samples of `case`, with the handle as attribute."""
    library = ctypes.CDLL(str(built("legacy").library))
    handle = c_void_p()
    memory, arena = abi.aligned_block(built("legacy").arena_bytes, 8)
    library.ai_network_create_and_init(ctypes.byref(handle), (c_void_p * 1)(arena), None)
    library.ai_network_inputs_get.restype = ctypes.POINTER(abi.LegacyBuffer)
    library.ai_network_outputs_get.restype = ctypes.POINTER(abi.LegacyBuffer)

    def run(inputs: list[np.ndarray], batch: int = 1) -> int:
        own = library.ai_network_inputs_get(handle, None)
        given = (abi.LegacyBuffer * 2)(own[0], own[1])
        dims = [(c_uint32 * 4)(batch, *own[i].shape.data[1:4]) for i in range(2)]
        for i, value in enumerate(inputs):
            given[i].data = value.ctypes.data
            given[i].shape.data = ctypes.cast(dims[i], ctypes.POINTER(c_uint32))
        library.ai_network_run.restype = c_int32
        return int(library.ai_network_run(handle, given, None))

    run.handle = handle  # type: ignore[attr-defined]
    run.memory = memory  # type: ignore[attr-defined]
    return run


def test_events(observer: Any, network: Any, abi: Any, case: Any) -> None:
    events: list[tuple[int, int, int, float, list[tuple[bytes, float, int, list[int]]]]] = []

    def on_event(flags: int, node: Any) -> int:
        record = node.contents
        tensors = []
        for tensor in record.tensors[: record.n_tensors]:
            dims = tensor.shape.data[: tensor.shape.size]
            data = ctypes.string_at(tensor.data, int(np.prod(dims)))
            tensors.append((data, tensor.scale, tensor.zero_point, dims))
        events.append((flags, record.c_idx, record.id, record.elapsed_ms, tensors))
        return 0

    callback = abi.LegacyCallback(on_event)
    assert observer.ai_platform_observer_io_register(network.handle, callback, 1)
    assert not observer.ai_platform_observer_io_register(network.handle, callback, 1)
    assert network(case.inputs[0]) == 1
    assert observer.ai_platform_observer_io_unregister(network.handle, callback)
    assert not observer.ai_platform_observer_io_unregister(network.handle, callback)

    first, last = 0x100, 0x200
    assert [event[0] for event in events] == [first | 2, first | 4, 2, 4, 2, 4, last | 2, last | 4]
    assert [event[1:3] for event in events] == [(node, node) for node in range(4) for _ in range(2)]
    assert events[0][3] == 0.0
    assert all(0.0 < event[3] < 60_000.0 for event in events[1:])
    layers = case.tensors[0]
    assert [data for data, *_ in events[0][4]] == [layers[0].tobytes(), layers[1].tobytes()]
    assert events[0][4][1][1:] == (0.25, -2, [1, 2, 3, 2])
    posts = [event[4] for event in events if event[0] & 4]
    assert [tensors[0][0] for tensors in posts] == [layers[i].tobytes() for i in (2, 3, 4, 5)]
    assert posts[1][0][3] == [1, 12, 1, 1]

    network(case.inputs[0])
    assert len(events) == 8


def test_every_sample_of_a_batch_has_its_events(observer: Any, network: Any, abi: Any, case: Any) -> None:
    seen: list[tuple[int, int]] = []

    def on_event(flags: int, node: Any) -> int:
        seen.append((flags, node.contents.c_idx))
        return 0

    callback = abi.LegacyCallback(on_event)
    assert observer.ai_platform_observer_io_register(network.handle, callback, 4)
    batch = [np.concatenate([sample[i] for sample in case.inputs]) for i in range(2)]
    assert network(batch, batch=3) == 3
    observer.ai_platform_observer_io_unregister(network.handle, callback)
    assert len(seen) == 3 * 8
    assert seen[:8] == seen[8:16] == seen[16:]


def test_twenty_networks(observer: Any, abi: Any) -> None:
    class Handle(ctypes.Structure):
        _fields_ = [("magic", c_uint32), ("hook", c_void_p), ("cookie", c_void_p)]

    callback = abi.LegacyCallback(lambda flags, node: 0)
    handles = [Handle(magic=MAGIC) for _ in range(21)]
    register = observer.ai_platform_observer_io_register
    assert [register(ctypes.byref(handle), callback, 1) for handle in handles] == [True] * 20 + [False]
    assert observer.ai_platform_observer_io_unregister(ctypes.byref(handles[7]), callback)
    assert not handles[7].hook
    assert register(ctypes.byref(handles[20]), callback, 1)
    for handle in handles:
        observer.ai_platform_observer_io_unregister(ctypes.byref(handle), callback)


def test_what_cannot_be_registered(observer: Any, network: Any, abi: Any) -> None:
    callback = abi.LegacyCallback(lambda flags, node: 0)
    foreign = ctypes.create_string_buffer(64)
    register = observer.ai_platform_observer_io_register
    assert not register(None, callback, 1)
    assert not register(network.handle, None, 1)
    assert not register(network.handle, callback, 0)
    assert not register(foreign, callback, 1)
    assert not observer.ai_platform_observer_io_unregister(None, callback)
