"""A model in the st-ai C API (``stai_<name>_*``): one sample a call, all memory from the caller."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int32, c_uint8, c_uint32, c_void_p
from functools import partial
from typing import Any

import numpy as np

from ai_runner.canary import canary_patterns
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.c_library import stai_abi as abi
from ai_runner.drivers.c_library.binding import Binding
from ai_runner.drivers.c_library.c_names import Api, ExportedModel, symbol
from ai_runner.drivers.c_library.memory import Block, refuse_missing_weights, weight_blocks
from ai_runner.drivers.c_library.node_observer import NodeObserver
from ai_runner.drivers.c_library.runtime import runtime_info
from ai_runner.drivers.c_library.stai_nodes import Graph, StaiNodeObserver, read_graph, read_tensor
from ai_runner.drivers.c_library.tensors import (
    MAX_TENSORS,
    POOL_ACTIVATIONS,
    POOL_USER,
    checked_count,
    read_text,
)
from ai_runner.errors import InvalidModelError
from ai_runner.host import host_device
from ai_runner.model import MemoryPool, ModelInfo, TensorInfo, TensorRole
from ai_runner.shared_library.image import Image, NativeFunction

_MAX_CONTEXT_BYTES = 1 << 24


class StaiBinding(Binding):
    """A network with a context of its own, configured.

    Args:
        image: the loaded library.
        model: which of its networks.
        blobs: weights of the caller, empty for those inside the library.

    Raises:
        InvalidModelError: missing symbols or weights, or a return code that is an error.
        InvalidParamError: the weights do not fit.
    """

    def __init__(self, image: Image, model: ExportedModel, blobs: Sequence[bytes]) -> None:
        self._image, self._name = image, model.name
        if model.missing:
            raise InvalidModelError(
                f"{image.path}: symbols missing: {', '.join(model.missing)}",
                hint="link the library again with all of the generated sources, compiled with HAVE_NETWORK_INFO",
                evidence={"missing": list(model.missing)},
            )
        self._context = self._new_context()
        self._call("init")
        info = abi.NetworkInfo()
        self._call("get_info", ctypes.byref(info))
        self._flags: int = info.flags
        self._declare(info)
        self._allocate(info, blobs)
        self._configure()
        self._graph, no_graph = self._read_graph()
        self._ready(self._describe(info, no_graph))
        run = self._function("run", c_int32, c_void_p, c_int32)
        run.argtypes = None  # prepared arguments are passed as they are, which is a third faster
        self._run = partial(run, c_void_p(self._context.address), c_int32(abi.RUN_SYNCHRONOUSLY))

    def close(self) -> None:
        if self._image.has(symbol(Api.STAI, self._name, "deinit")):
            self._function("deinit", c_int32, c_void_p)(self._context.address)

    # -- setting up -------------------------------------------------------------------------------------------------

    def _function(self, name: str, result: type | None, *arguments: type) -> NativeFunction:
        return self._image.function(symbol(Api.STAI, self._name, name), result, arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the network; its arguments are pointers and a count."""
        kinds = [c_uint32 if isinstance(argument, int) else c_void_p for argument in arguments]
        code = self._function(name, c_int32, c_void_p, *kinds)(self._context.address, *arguments)
        if code not in (abi.SUCCESS, abi.DONE):
            raise self._failed(name, code)

    def _failed(self, name: str, code: int) -> InvalidModelError:
        return InvalidModelError(
            f"{self._image.path}: {symbol(Api.STAI, self._name, name)}() failed: {abi.code_text(code)}",
            hint="the library and the files it was generated with may not belong together: generate it again",
            evidence={"code": code},
        )

    def _new_context(self) -> Block:
        size = self._function("get_context_size", c_uint32)()
        if not 0 < size <= _MAX_CONTEXT_BYTES:
            raise InvalidModelError(f"{self._image.path}: the library declares a context of {size} bytes")
        return Block(size)

    def _tensors(self, address: int | None, count: int, what: str) -> list[abi.Tensor]:
        checked_count(count, address, MAX_TENSORS, what)
        return list((abi.Tensor * count).from_address(address)) if address and count else []

    def _declare(self, info: abi.NetworkInfo) -> None:
        roles = (
            (
                TensorRole.INPUT,
                info.inputs,
                info.n_inputs,
                POOL_ACTIVATIONS if self._flags & abi.FLAG_INPUTS else POOL_USER,
            ),
            (
                TensorRole.OUTPUT,
                info.outputs,
                info.n_outputs,
                POOL_ACTIVATIONS if self._flags & abi.FLAG_OUTPUTS else POOL_USER,
            ),
        )
        declared: list[tuple[TensorInfo, ...]] = []
        for role, address, count, pool in roles:
            kind = role.name.lower()
            tensors = self._tensors(address, count, f"{kind}s")
            if not tensors:
                raise InvalidModelError(f"{self._image.path}: the library declares no {kind}s")
            declared.append(
                tuple(
                    read_tensor(t, f"{kind}_{i + 1}", role, f"{role.name[0]}.{i}", pool) for i, t in enumerate(tensors)
                )
            )
        self._inputs, self._outputs = declared

    def _allocate(self, info: abi.NetworkInfo, blobs: Sequence[bytes]) -> None:
        """Memory that the library does not have itself."""
        activations = self._tensors(info.activations, info.n_activations, "activations")
        weights = self._tensors(info.weights, info.n_weights, "weights")
        states = self._tensors(info.states, info.n_states, "states")
        self._params_pools = _pools(weights, "params")
        self._activation_pools = _pools(activations, "act")
        sizes = [tensor.size_bytes for tensor in weights]
        if any(sizes) and not blobs and not self._flags & abi.FLAG_WEIGHTS:
            refuse_missing_weights(self._image.path, self._name, sizes)
        self._weights = weight_blocks(self._name, blobs, sizes) if blobs else []
        self._activations = [] if self._flags & abi.FLAG_ACTIVATIONS else [Block(t.size_bytes) for t in activations]
        self._states = [] if self._flags & abi.FLAG_STATES else [Block(t.size_bytes) for t in states]
        self._own_io: dict[str, list[Block]] = {}

    def _configure(self) -> None:
        """Gives the initialised network its memory."""
        for function, blocks in (
            ("set_activations", self._activations),
            ("set_states", self._states),
            ("set_weights", self._weights),
        ):
            if blocks:
                self._call(function, _addresses([block.address for block in blocks]), len(blocks))
        self._input_windows = self._io_windows("inputs", self._inputs, self._flags & abi.FLAG_INPUTS)
        self._output_windows = self._io_windows("outputs", self._outputs, self._flags & abi.FLAG_OUTPUTS)
        self._unwritten = self._windows_for_canaries()

    def _windows_for_canaries(self) -> list[tuple[memoryview, tuple[bytes, bytes]]]:
        """Outputs that share no memory with what a run reads; inside the activations they are scratch until written."""
        read = [*self._input_windows, *(block.view for block in (*self._states, *self._weights))]
        free = [not any(map(partial(np.may_share_memory, window), read)) for window in self._output_windows]
        canaries = [canary_patterns(tensor) for tensor in self._outputs]
        return [(w, c) for w, c, f in zip(self._output_windows, canaries, free, strict=True) if f and c is not None]

    def _io_windows(self, kind: str, tensors: Sequence[TensorInfo], provided: int) -> list[memoryview]:
        """Views on inputs or outputs: where the library has put them, else in memory of our own."""
        addresses = self._provided_addresses(kind, len(tensors)) if provided else [0] * len(tensors)
        if not all(addresses):
            own = self._own_io.setdefault(kind, [Block(tensor.size_bytes) for tensor in tensors])
            addresses = [address or block.address for address, block in zip(addresses, own, strict=True)]
            self._call(f"set_{kind}", _addresses(addresses), len(addresses))
        return [_window(address, tensor.size_bytes) for address, tensor in zip(addresses, tensors, strict=True)]

    def _provided_addresses(self, kind: str, count: int) -> list[int]:
        found, returned = (c_void_p * MAX_TENSORS)(), c_uint32(count)
        self._call(f"get_{kind}", found, ctypes.byref(returned))
        if returned.value != count:
            raise InvalidModelError(f"{self._image.path}: the library returns {returned.value} of {count} {kind}")
        return [address or 0 for address in found[:count]]

    def _read_graph(self) -> tuple[Graph, str]:
        """The nodes, and why there are none."""
        nothing, details = Graph((), ()), f"g_{self._name}_details"
        address = self._image.address(details)
        if not address:
            return nothing, f"{details} is not exported"
        if not self._image.has(symbol(Api.STAI, self._name, "set_callback")):
            return nothing, f"{symbol(Api.STAI, self._name, 'set_callback')} is not exported"
        try:
            graph = read_graph(address)
        except InvalidModelError as error:
            return nothing, f"{details} is broken: {error.message}"
        return graph, "" if graph.nodes else f"{details} describes no node"

    def _describe(self, info: abi.NetworkInfo, no_graph: str) -> ModelInfo:
        return ModelInfo(
            name=self._name,
            inputs=self._inputs,
            outputs=self._outputs,
            runtime=runtime_info("st-ai", _version(info.runtime_version), _version(info.tool_version), "", no_graph),
            device=host_device(),
            n_nodes=info.n_nodes,
            macc=info.macc,
            hash=read_text(info.model_signature),
            model_datetime=read_text(info.model_datetime),
            compile_datetime=read_text(info.compile_datetime),
            params=self._params_pools,
            activations=self._activation_pools,
            flags=abi.flags_text(info.flags),
        )

    # -- running ----------------------------------------------------------------------------------------------------

    def _refuse(self, status: int) -> None:
        if status == abi.DONE:
            return
        # The context keeps its first error and answers with it from then on; only init clears it.
        self._restart()
        raise self._failed("run", status)

    def _restart(self) -> None:
        self._call("init")
        self._configure()

    def _subscribe(self, callback: NativeFunction | None) -> None:
        function = self._function("set_callback", c_int32, c_void_p, c_void_p, c_void_p)
        code = function(self._context.address, callback and ctypes.cast(callback, c_void_p), None)
        if code not in (abi.SUCCESS, abi.DONE):
            self._restart()
            raise self._failed("set_callback", code)

    def _observer(self, batch: int, keep_data: bool, callback: AiRunnerCallback | None) -> NodeObserver:
        return StaiNodeObserver(self._graph, self._subscribe, batch, keep_data, callback)


def _pools(tensors: Sequence[abi.Tensor], prefix: str) -> tuple[MemoryPool, ...]:
    return tuple(
        MemoryPool(read_text(tensor.name) or f"{prefix}_{i + 1}", tensor.size_bytes) for i, tensor in enumerate(tensors)
    )


def _addresses(values: Sequence[int]) -> Any:
    return (c_void_p * len(values))(*values)


def _window(address: int, size: int) -> memoryview:
    return np.ctypeslib.as_array((c_uint8 * size).from_address(address)).data


def _version(of: abi.Version) -> tuple[int, int, int]:
    return of.major, of.minor, of.micro
