"""Faults inside a compiled C-model, in several numerics: found and named; and correct numerics pass.

A small part of what benchmarks/fault_detection.py measures, with its means.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")

SAMPLES, SEED = 16, 3
KINDS = (
    "zero_point_of_input",
    "zero_point_of_output",
    "swapped_channels",
    "wrong_rounding",
    "overflow",
    "scale_off_by_one_percent",
    "padding_off_by_one",
    "corrupted_filter",
    "overlapping_buffer",
    "stale_output",
    "saturation",
    "one_element",
    "some_samples",
)


@pytest.fixture(scope="module")
def planted(repository: Path) -> Iterator[SimpleNamespace]:
    """The modules of benchmarks/planted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        from planted import faults, inputs, instrumented, judging, models

        yield SimpleNamespace(faults=faults, inputs=inputs, instrumented=instrumented, judging=judging, models=models)


@pytest.fixture(scope="module")
def bench(planted: SimpleNamespace, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The bundled model as an instrumented C-model, samples, and who judges what it computes."""
    model = planted.models.MODELS[0]
    c_model = planted.instrumented.InstrumentedModel(model.path, tmp_path_factory.mktemp("planted") / "c", "-O1")
    samples = model.inputs(c_model.runner.model_info().inputs, SAMPLES, SEED)
    court = planted.judging.Court(model.path, samples)
    yield SimpleNamespace(c_model=c_model, samples=samples, court=court)
    court.close()
    c_model.close()


def run(planted: SimpleNamespace, bench: Any, samples: Any = None) -> Any:
    given = bench.samples if samples is None else samples
    return bench.c_model.runner.run(given, mode=planted.judging.LAYERS)


@pytest.fixture(params=["REFERENCE", "SINGLE", "FLOAT"])
def numerics(request: pytest.FixtureRequest, planted: SimpleNamespace, bench: Any) -> str:
    """How the C-model rounds; the target is judged exactly where that is as the reference does."""
    bench.c_model.rounds(planted.instrumented.Rounding[request.param])
    return str(request.param)


def test_correct_numerics_pass(planted: SimpleNamespace, bench: Any, numerics: str) -> None:
    clean = planted.judging.Recorded(run(planted, bench))
    for left_out in ("", *planted.judging.KERNELS):
        (found,) = bench.court.judge(clean, without=left_out)
        assert (left_out, found.reasons, found.first_divergence) == (left_out, (), None)
    if numerics == "REFERENCE":
        (found,) = bench.court.judge(clean, exact=True)
        assert found.reasons == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_at_fault_is_named(planted: SimpleNamespace, bench: Any, numerics: str, kind: str) -> None:
    clean = run(planted, bench)
    plant = getattr(planted.faults, kind)
    tried = 0
    for node, operator in enumerate(bench.court.operators):
        channels = clean.nodes[node].info.outputs[0].sample_shape[-1]
        site = planted.faults.Site(bench.c_model, node, operator, channels, False, np.random.default_rng(SEED + node))
        context = plant(site)
        if context is None or operator == "SOFTMAX":  # whose few scores may change by less than noise
            continue
        with context:
            faulty = run(planted, bench)
        if not planted.judging.changed_nodes(clean, faulty):
            continue
        tried += 1
        for exact in (False, True) if numerics == "REFERENCE" else (False,):
            (found,) = bench.court.judge(planted.judging.Recorded(faulty), exact=exact)
            assert found.first_divergence is not None, f"{kind} in {node} {operator}, exact={exact}"
            assert found.first_divergence.layer == node, f"{kind} in {node} {operator}: {found.first_divergence}"
    assert tried


def test_a_spoiled_input_is_named(planted: SimpleNamespace, bench: Any, numerics: str) -> None:
    for name, cast in planted.inputs.casts(bench.c_model.runner.model_info().inputs[0]):
        spoiled = np.ascontiguousarray(cast(bench.samples[0]))
        if np.array_equal(spoiled, bench.samples[0]):  # images of one channel are the same in any order
            continue
        faulty = run(planted, bench, [spoiled])
        (found,) = bench.court.judge(planted.judging.Recorded(faulty))
        divergence = found.first_divergence
        assert divergence is not None, name
        assert (divergence.layer, divergence.name) == (None, "input"), f"{name}: {divergence}"


def test_the_plan_leaves_nothing_behind(planted: SimpleNamespace, bench: Any) -> None:
    before = run(planted, bench)
    site = planted.faults.Site(bench.c_model, 0, "CONV_2D", 8, False, np.random.default_rng(SEED))
    for kind in planted.faults.KINDS:
        context = kind(site)
        if context is not None:
            with context:
                run(planted, bench)
    assert planted.judging.changed_nodes(before, run(planted, bench)) == []
