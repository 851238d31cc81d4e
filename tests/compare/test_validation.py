"""validate() over runtimes that do as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_runner.compare.tolerance import ToleranceRule
from ai_runner.compare.validation import failed_target, failed_validation, validate
from ai_runner.compare.verdict import Verdict
from ai_runner.errors import InvalidModelError, InvalidParamError, LinkTimeoutError, TargetCrashError
from ai_runner.model import DeviceInfo

Array = npt.NDArray[Any]
WEIGHTS = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)


def dense(inputs: list[Array]) -> list[Array]:
    return [inputs[0] @ WEIGHTS]


@pytest.fixture
def model(tensors: Any, fake_session: Any) -> Callable[..., Any]:
    """A maker of float sessions: input x [1, 6], output y [1, 4], two layers."""

    def make(compute: Callable[[list[Array]], list[Array]] = dense, first: Array | float = 0.0, **options: Any) -> Any:
        def nodes(inputs: list[Array]) -> list[Any]:
            outputs = compute(inputs)
            return [
                tensors.node(0, tensors.f32("scaled", 6), inputs[0] * 2 + first, ms=0.25, kind="MUL"),
                tensors.node(1, tensors.f32("y", 4), outputs[0], ms=0.5, kind="DENSE"),
            ]

        return fake_session([tensors.f32("x", 6)], [tensors.f32("y", 4)], compute, nodes, **options)

    return make


@pytest.fixture
def source(array_source: Any) -> Any:
    return array_source(np.random.default_rng(6).normal(size=(50, 6)).astype(np.float32))


def test_equal_runtimes_pass(model: Any, source: Any) -> None:
    found = validate(model(), [model(descriptor="fake:two")], source)
    assert found.verdict is Verdict.PASS
    (target,) = found.targets
    assert target.run.descriptor == "fake:two"
    assert target.reasons == ()
    assert (target.run.samples, target.outputs[0].tensor.count) == (50, 200)
    assert (target.run.c_duration_ms, target.run.c_duration_source) == (2.0, "host")
    assert (target.layers, target.unpaired, target.first_divergence) == ((), (), None)
    assert (found.samples, found.data, found.seed, found.error) == (50, "arrays of a test", None, None)


def test_an_output_beyond_tolerance_fails_with_its_name(model: Any, source: Any) -> None:
    off = model(lambda inputs: [dense(inputs)[0] + np.float32(0.01)])
    found = validate(model(), [model(), off], source)
    assert [target.verdict for target in found.targets] == [Verdict.PASS, Verdict.FAIL]
    assert found.verdict is Verdict.FAIL
    assert found.error is None
    (reason,) = found.targets[1].reasons
    assert reason.startswith("output 'y': 200 of 200 values beyond atol")
    assert validate(model(), [off], source, tolerance=ToleranceRule(atol=0.02)).verdict is Verdict.PASS


def test_layers_tell_where_it_began_and_do_not_decide(model: Any, source: Any) -> None:
    found = validate(model(), [model(first=0.5)], source, per_layer=True)
    (target,) = found.targets
    assert target.verdict is Verdict.PASS
    divergence = target.first_divergence
    assert divergence is not None
    assert (divergence.layer, divergence.name, divergence.type) == (0, "scaled_node", "MUL")
    assert divergence.reason.startswith("300 of 300 values beyond")
    assert [(layer.index, layer.evidence) for layer in target.layers] == [(0, "id"), (1, "id")]
    assert [layer.c_duration_ms for layer in target.layers] == [0.25, 0.5]
    assert [layer.c_duration_source for layer in target.layers] == ["host", "host"]
    assert target.layers[1].tensor is not None
    assert target.layers[1].tensor.within


def test_the_result_does_not_depend_on_the_chunks(model: Any, source: Any) -> None:
    off = model(lambda inputs: [dense(inputs)[0] * np.float32(1.01)], first=0.1)
    whole, single = (
        validate(model(), [off], source, per_layer=True, chunk_samples=length).targets[0] for length in (50, 1)
    )
    assert single.reasons == whole.reasons
    for one, other in zip(whole.layers, single.layers, strict=True):
        assert one.tensor is not None
        assert other.tensor is not None
        assert other.tensor.metrics == pytest.approx(one.tensor.metrics, rel=1e-9, abs=1e-12, nan_ok=True)


def test_chunks_are_limited_by_samples_and_by_bytes(model: Any, source: Any) -> None:
    reference, board = model(), model()
    validate(reference, [model()], source)
    assert reference.batches == [50]
    reference, board.info = model(), replace(board.info, device=DeviceInfo("stm32", "a board", "0x413"))
    validate(reference, [model(), board], source)
    assert reference.batches == board.batches[:2] == [32, 18]
    reference = model()
    validate(reference, [model()], source, chunk_bytes=400)
    assert set(reference.batches) == {10}  # 40 bytes a sample: six inputs and four outputs
    reference = model()
    validate(reference, [model()], source, chunk_bytes=400, per_layer=True)
    assert reference.batches == [1] + [5] * 10  # 40 more of nodes, learnt from one sample
    reference = model()
    validate(reference, [model()], source, chunk_bytes=1)
    assert reference.batches == [1] * 50


def test_memory_does_not_grow_with_the_samples(
    tensors: Any, fake_session: Any, array_source: Any, peak_memory: Any
) -> None:
    tensor = tensors.f32("x", 1000)
    many = np.zeros((1, 1000), np.float32)

    def peak(samples: int) -> int:
        session = [fake_session([tensor], [tensor], lambda inputs: [inputs[0].copy()]) for _ in range(2)]
        for one in session:
            one.inputs = _Nothing()
        values = array_source(np.broadcast_to(many, (samples, 1000)).copy())
        return int(peak_memory(lambda: validate(session[0], [session[1]], values)))

    assert peak(3200) < 1.5 * peak(320)


class _Nothing(list[Any]):
    def append(self, item: Any) -> None:
        """Keeps nothing."""


def test_a_target_that_dies_fails_alone(model: Any, source: Any) -> None:
    calls = []

    def dies(inputs: list[Array]) -> list[Array]:
        calls.append(len(inputs[0]))
        if len(calls) == 2:
            raise TargetCrashError("the process died of SIGSEGV", hint="look at it")
        return dense(inputs)

    found = validate(model(), [model(dies), model()], source, chunk_samples=10)
    first, second = found.targets
    assert first.verdict is Verdict.FAIL
    assert first.reasons == ("E801(HwIOError): the process died of SIGSEGV",)
    assert first.run.samples == 10
    assert first.outputs[0].tensor.count == 40
    assert isinstance(found.error, TargetCrashError)
    assert second.verdict is Verdict.PASS
    assert second.run.samples == 50
    assert calls == [10, 10]


def test_when_all_targets_are_dead_the_reference_rests(model: Any, source: Any) -> None:
    def dies(inputs: list[Array]) -> list[Array]:
        raise LinkTimeoutError("no answer")

    reference = model()
    found = validate(reference, [model(dies)], source, chunk_samples=10)
    assert reference.batches == [10]
    assert found.targets[0].reasons == ("E801(HwIOError): no answer",)


def test_a_reference_that_dies_ends_it_for_all(model: Any, source: Any) -> None:
    def dies(inputs: list[Array]) -> list[Array]:
        raise LinkTimeoutError("no answer")

    found = validate(model(dies), [model(), model()], source)
    assert found.verdict is Verdict.FAIL
    assert isinstance(found.error, LinkTimeoutError)
    assert {target.reasons for target in found.targets} == {("the reference failed: E801(HwIOError): no answer",)}


def test_another_model_is_refused_before_it_runs(tensors: Any, fake_session: Any, model: Any, source: Any) -> None:
    other = fake_session([tensors.f32("x", 7)], [tensors.f32("y", 4)], dense)
    found = validate(model(), [other, model()], source)
    assert isinstance(found.error, InvalidModelError)
    assert other.batches == []
    assert [target.verdict for target in found.targets] == [Verdict.FAIL, Verdict.PASS]


def test_an_output_without_counterpart_fails(tensors: Any, fake_session: Any, source: Any) -> None:
    x, y, z = tensors.f32("x", 6), tensors.f32("y", 4), tensors.f32("z", 6)
    reference = fake_session([x], [y, z], lambda inputs: [dense(inputs)[0], inputs[0]])
    target = fake_session([x], [y], dense)
    (found,) = validate(reference, [target], source).targets
    assert found.reasons == ("output 'z' has no counterpart in the target",)
    assert [(node.side, node.name) for node in found.unpaired] == [("reference", "z")]
    (found,) = validate(target, [reference], source).targets
    assert found.verdict is Verdict.PASS
    assert [(node.side, node.name) for node in found.unpaired] == [("target", "z")]


def test_labels_give_accuracy_of_everybody(model: Any, source: Any) -> None:
    labels = dense(source.chunk(0, 50))[0].argmax(axis=1)
    labels[:5] = (labels[:5] + 1) % 4
    upside_down = model(lambda inputs: [-dense(inputs)[0]])
    found = validate(model(), [model(), upside_down], source, labels=labels, chunk_samples=7)
    assert found.reference.accuracy == pytest.approx(0.9)
    assert found.targets[0].run.accuracy == pytest.approx(0.9)
    assert found.targets[1].run.accuracy is not None
    assert found.targets[1].run.accuracy < 0.2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(49, int), "49 class numbers for 50 samples"),
        (np.full(50, 4), "class number 4 is not in 0..3"),
        (np.full(50, -1), "class number -1 is not in 0..3"),
    ],
)
def test_labels_that_do_not_fit(model: Any, source: Any, labels: Array, message: str) -> None:
    with pytest.raises(InvalidParamError, match=message):
        validate(model(), [model()], source, labels=labels)


def test_labels_need_class_scores(tensors: Any, fake_session: Any, source: Any) -> None:
    session = fake_session([tensors.f32("x", 6)], [tensors.f32("y", 2, 3)], lambda inputs: inputs)
    with pytest.raises(InvalidParamError, match="no vector of class scores"):
        validate(session, [session], source, labels=np.zeros(50, int))


def test_a_runtime_without_node_data_is_timed_only(model: Any, source: Any) -> None:
    found = validate(model(), [model(shows_data=False)], source, per_layer=True)
    (target,) = found.targets
    assert target.verdict is Verdict.PASS
    assert target.run.warnings == ("shows no data of its nodes: its layers are not compared",)
    assert [node.side for node in target.unpaired] == ["reference", "reference"]


def test_notes_on_models_and_warnings_are_kept_once(model: Any, source: Any) -> None:
    reference = model(model_hash="0xAAAA")
    target = model(model_hash="bbbb", names=["network", "other"], warnings=("is warm",))
    (found,) = validate(reference, [target], source).targets
    assert found.run.warnings == (
        "of the models network, other 'network' is used",
        "is warm",
    )
    assert [str(difference) for difference in found.structure] == ["model: hash is bbbb, the reference has aaaa"]
    (found,) = validate(reference, [model(model_hash="aaaa")], source).targets
    assert (found.run.warnings, found.structure) == ((), ())


def test_times_that_were_not_measured_are_absent(model: Any, source: Any) -> None:
    (found,) = validate(model(), [model(durations=False)], source).targets
    assert (found.run.c_duration_ms, found.run.c_duration_source) == (None, None)


def test_a_node_list_that_changes_is_the_peer_s_fault(tensors: Any, fake_session: Any, model: Any, source: Any) -> None:
    calls: list[int] = []

    def nodes(inputs: list[Array]) -> list[Any]:
        calls.append(1)
        return [tensors.node(0, tensors.f32("y", 4), dense(inputs)[0])] * min(len(calls), 2)

    target = fake_session([tensors.f32("x", 6)], [tensors.f32("y", 4)], dense, nodes)
    (found,) = validate(model(), [target], source, per_layer=True, chunk_samples=32).targets
    assert found.reasons == ("E803(InvalidMsgError): the runtime reported 2 nodes, in an earlier run 1",)


def test_the_time_of_a_layer_is_that_of_all_its_nodes(tensors: Any, fake_session: Any, model: Any, source: Any) -> None:
    def nodes(inputs: list[Array]) -> list[Any]:
        scaled = tensors.f32("scaled", 6)
        return [
            tensors.node(0, replace(scaled, name="step"), inputs[0], ms=1.0),
            tensors.node(0, scaled, inputs[0] * 2, ms=2.0),
            tensors.node(1, tensors.f32("y", 4), dense(inputs)[0]),
        ]

    target = fake_session([tensors.f32("x", 6)], [tensors.f32("y", 4)], dense, nodes)
    (found,) = validate(model(), [target], source, per_layer=True).targets
    assert [layer.c_duration_ms for layer in found.layers] == [3.0, None]
    assert [(node.side, node.name) for node in found.unpaired] == [("target", "step_node")]
    assert found.first_divergence is None


def test_progress_counts_the_runs_of_all(model: Any, source: Any) -> None:
    seen: list[tuple[int, int]] = []
    validate(model(), [model()], source, chunk_samples=25, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 100), (25, 100), (50, 100), (75, 100), (100, 100)]


def test_quantized_models_get_the_same_real_values(tensors: Any, fake_session: Any, array_source: Any) -> None:
    ours, theirs = tensors.i8("x", 5, scale=0.5, zero_point=3), tensors.i8("x", 5, scale=0.25, zero_point=0)
    reference = fake_session([ours], [ours], lambda inputs: inputs)
    target = fake_session([theirs], [theirs], lambda inputs: inputs)
    values = np.random.default_rng(7).integers(-10, 10, (20, 5)).astype(np.int8)
    (found,) = validate(reference, [target], array_source(values)).targets
    assert found.verdict is Verdict.PASS
    assert found.outputs[0].tensor.max_lsb == 0
    assert found.outputs[0].tensor.metrics["rmse"] == 0


def test_outputs_with_channels_first_and_last_are_compared(tensors: Any, fake_session: Any, array_source: Any) -> None:
    x = tensors.f32("x", 30)
    reference = fake_session([x], [tensors.f32("y", 2, 3, 5)], lambda inputs: [inputs[0].reshape(-1, 2, 3, 5)])

    def with_channels_first(wrong: float) -> Any:
        def compute(inputs: list[Array]) -> list[Array]:
            moved = np.moveaxis(inputs[0].reshape(-1, 2, 3, 5), -1, 1).copy()
            moved[0, 4, 1, 2] += wrong
            return [moved]

        return fake_session([x], [tensors.f32("z", 5, 2, 3)], compute)

    source = array_source(np.random.default_rng(7).normal(size=(20, 30)).astype(np.float32))
    right, wrong = validate(reference, [with_channels_first(0), with_channels_first(1)], source).targets
    assert right.verdict is Verdict.PASS
    assert right.run.warnings == ("output 'z' [1, 5, 2, 3] is compared as [1, 2, 3, 5], with the channels moved",)
    assert wrong.verdict is Verdict.FAIL
    assert wrong.outputs[0].tensor.beyond == 1
    assert wrong.outputs[0].tensor.metrics["max_abs"] == pytest.approx(1)


def test_what_could_not_start_is_a_failure_too() -> None:
    error = InvalidParamError("m.tflite: no such file")
    found = failed_validation("tflite:m.tflite", ["file:a", "file:b"], error)
    assert found.verdict is Verdict.FAIL
    assert found.error is error
    assert [target.reasons for target in found.targets] == [("E804(InvalidParamError): m.tflite: no such file",)] * 2
    assert failed_target("file:a", error).reasons == ("E804(InvalidParamError): m.tflite: no such file",)
    assert failed_target("file:a", error).verdict is Verdict.FAIL


def test_no_targets_is_no_pass(model: Any, source: Any) -> None:
    assert validate(model(), [], source).verdict is Verdict.FAIL
