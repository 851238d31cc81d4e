"""Planted faults in a real model: the layer that has one is named, whatever numerics the target has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner import AiRunner, Caps, Mode, RunResult
from ai_runner.compare.target_judge import NoiseFloor
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import TargetResult, Verdict
from ai_runner.model import ModelInfo
from ai_runner.rerun import MODEL_INPUT, Rerun, TensorPlace

pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")

Array = npt.NDArray[Any]
Fault = Callable[[Array], Array]
LAYERS = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA


class FaultyTarget:
    """A target that computes layer by layer, with some kernel set, and spoils what a test tells it to."""

    def __init__(
        self,
        runner: AiRunner,
        kernels: str = "builtin",
        layer: int | None = None,
        fault: Fault = lambda tensor: tensor,
        spoil_input: Fault = lambda tensor: tensor,
        shows_layers: bool = True,
    ) -> None:
        self.descriptor = f"faulty:{kernels}"
        self._runner = runner
        self._kernels = kernels
        self._layer = layer
        self._fault = fault
        self._spoil_input = spoil_input
        self._shows_layers = shows_layers
        self.names = runner.names

    def model_info(self, name: Any = None) -> ModelInfo:
        info = self._runner.model_info()
        caps = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA) if self._shows_layers else (Caps.IO_ONLY,)
        return replace(info, runtime=replace(info.runtime, capabilities=caps))

    def run(self, inputs: Any, name: Any = None, *, mode: Mode = Mode.IO_ONLY) -> RunResult:
        result = self._runner.run(inputs, mode=LAYERS)
        tensors: dict[TensorPlace, Array] = {(MODEL_INPUT, 0): self._spoil_input(np.asarray(inputs[0]))}
        nodes = []
        for position, node in enumerate(result.nodes):
            rerun = self._runner.rerun(position, {place: tensors[place] for place in node.info.reads})
            assert rerun is not None
            data = rerun.outputs[self._kernels][0]
            if position == self._layer:
                data = self._fault(data)
            tensors[(position, 0)] = data
            nodes.append(replace(node, data=(data,)))
        last = tensors[(len(nodes) - 1, 0)]
        return replace(result, nodes=tuple(nodes) if self._shows_layers else (), outputs=(last,))


@pytest.fixture(scope="module")
def reference(digits_int8: Path) -> Iterator[AiRunner]:
    with AiRunner.open(f"tflite:{digits_int8}?kernels=reference") as opened:
        yield opened


@pytest.fixture(scope="module")
def digits(digits_test: Path, reference: AiRunner) -> Array:
    images = np.load(digits_test)["m_inputs_1"][:48]
    tensor = reference.model_info().inputs[0]
    assert tensor.quantization is not None
    return tensor.quantization.quantize(images, tensor.dtype)


@pytest.fixture
def judge(reference: AiRunner, digits: Array, array_source: Any) -> Callable[..., TargetResult]:
    def run(exact: bool = False, **options: Any) -> TargetResult:
        floor = NoiseFloor(reference.rerun, exact=exact)
        target = FaultyTarget(reference, **options)
        found = validate(reference, [target], array_source(digits), per_layer=True, noise_floor=floor, chunk_samples=16)
        return found.targets[0]

    return run


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_no_kernel_set_alarms(judge: Callable[..., TargetResult], kernels: str) -> None:
    found = judge(kernels=kernels)
    assert (found.verdict, found.reasons, found.first_divergence) == (Verdict.PASS, (), None)
    assert [layer.introduced is not None for layer in found.layers] == [True] * 7


def corrupted_channel(tensor: Array) -> Array:
    spoiled = tensor.copy()
    spoiled[..., 1] //= 2
    return spoiled


def shifted(tensor: Array) -> Array:
    return np.clip(tensor.astype(np.int16) + 3, -128, 127).astype(np.int8)


def swapped(tensor: Array) -> Array:
    spoiled = tensor.copy()
    spoiled[..., [2, 5]] = tensor[..., [5, 2]]
    return spoiled


def stuck(tensor: Array) -> Array:
    return np.repeat(tensor[:1], len(tensor), axis=0)


def clipped(tensor: Array) -> Array:
    return np.minimum(tensor, np.int8(-60))


FAULTS: Sequence[tuple[Fault, str]] = (
    (corrupted_channel, "only channel 1"),
    (shifted, "a constant offset of +3 LSB"),
    (swapped, "channels 2 and 5 are swapped"),
    (stuck, "stale: the same values for different inputs"),
    (clipped, "values above -60 are clipped"),
)


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize(("fault", "looks"), FAULTS)
def test_the_layer_with_the_fault_is_named(
    judge: Callable[..., TargetResult], fault: Fault, looks: str, layer: int, kernels: str
) -> None:
    found = judge(kernels=kernels, layer=layer, fault=fault)
    assert found.verdict is Verdict.FAIL
    assert found.first_divergence is not None
    assert found.first_divergence.layer == layer
    assert [item.index for item in found.layers if item.within is False] == [layer]
    assert looks in found.first_divergence.reason


def test_real_arithmetic_rounded_once_is_right_where_no_kernel_set_has_it(
    reference: AiRunner, digits: Array, array_source: Any
) -> None:
    def rounded(tensor: Array) -> Array:
        steps = np.indices(tensor.shape).sum(axis=0) % 8 == 0
        return np.clip(tensor.astype(np.int16) + steps, -128, 127).astype(np.int8)

    def rerun(node: int, tensors: Any) -> Rerun | None:
        found = reference.rerun(node, tensors)
        if found is None or node != 1:
            return found
        return replace(found, rounded_once=lambda: (rounded(found.outputs["builtin"][0]),))

    def judged(**options: Any) -> TargetResult:
        target = FaultyTarget(reference, layer=1, fault=rounded)
        found = validate(reference, [target], array_source(digits), per_layer=True, noise_floor=NoiseFloor(**options))
        return found.targets[0]

    assert judged(rerun=reference.rerun).verdict is Verdict.FAIL
    assert judged(rerun=rerun).reasons == ()
    assert judged(rerun=rerun, exact=True).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: (x.astype(np.int16) ^ 0x80).astype(np.int8), "sign bit flipped"),
        (lambda x: np.maximum(x, 0), "lost its negative values"),
        (lambda x: np.zeros_like(x), "all zero"),
        (lambda x: np.ascontiguousarray(x.transpose(0, 2, 1, 3)), "height and width exchanged"),
    ],
)
@pytest.mark.parametrize("shows_layers", [True, False])
def test_a_spoiled_input_is_told_from_a_fault_of_the_first_layer(
    judge: Callable[..., TargetResult], spoil: Fault, said: str, shows_layers: bool
) -> None:
    found = judge(spoil_input=spoil, shows_layers=shows_layers)
    divergence = found.first_divergence
    assert divergence is not None
    assert (divergence.layer, divergence.name) == (None, "input")
    assert said in divergence.reason


def test_without_layers_the_outputs_are_judged(judge: Callable[..., TargetResult]) -> None:
    assert judge(kernels="xnnpack", shows_layers=False).verdict is Verdict.PASS
    found = judge(layer=2, fault=stuck, shows_layers=False)
    assert found.verdict is Verdict.FAIL
    assert found.first_divergence is not None
    assert (found.first_divergence.layer, found.first_divergence.type) == (None, "output")
    (output,) = found.outputs
    assert output.introduced is not None
    assert output.introduced.operators == 7


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_exact_accepts_each_kernel_set_and_nothing_else(judge: Callable[..., TargetResult], kernels: str) -> None:
    assert judge(kernels=kernels, exact=True).verdict is Verdict.PASS

    def one_step(tensor: Array) -> Array:
        spoiled = tensor.copy()
        spoiled[5:6, 0, 0, 0] ^= 1
        return spoiled

    assert judge(kernels=kernels, layer=1, fault=one_step).verdict is Verdict.PASS
    found = judge(kernels=kernels, layer=1, fault=one_step, exact=True)
    assert found.first_divergence is not None
    assert found.first_divergence.layer == 1
