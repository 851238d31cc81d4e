"""What has changed between two reports, what makes it worse, and what cannot be compared."""

from __future__ import annotations

from typing import Any

from ai_runner.policy.changes import Change, changes


def found(old: Any, new: Any, what: str) -> Change:
    (change,) = (change for change in changes(old, new) if change.what == what)
    return change


def test_nothing(reports: Any) -> None:
    assert changes(reports.report(), reports.report()) == ()
    later = reports.report(time="2026-01-02")
    assert changes(reports.report(), later) == ()


def test_a_verdict(reports: Any) -> None:
    good, bad = reports.report(), reports.report(reports.target(verdict="fail", reasons=["it is wrong"]))
    bad["verdict"] = "fail"
    assert [(c.what, c.worse) for c in changes(good, bad)] == [("verdict", True), ("verdict", True), ("reason", False)]
    assert [(c.what, c.worse) for c in changes(bad, good)] == [
        ("verdict", False),
        ("verdict", False),
        ("reason", False),
    ]
    assert found(good, bad, "reason").new == "it is wrong"


def test_a_divergence_that_was_not_there(reports: Any) -> None:
    place = {"layer": 3, "name": "conv", "type": "CONV_2D", "reason": "far out", "stage": None}
    good, bad = reports.report(), reports.report(reports.target(first_divergence=place))
    change = found(good, bad, "first divergence")
    assert (change.worse, change.new) == (True, "layer 3 conv (CONV_2D): far out")
    assert not found(bad, good, "first divergence").worse
    elsewhere = reports.report(reports.target(first_divergence={**place, "layer": 1}))
    assert not found(bad, elsewhere, "first divergence").worse


def test_what_is_gone_is_worse(reports: Any) -> None:
    two = reports.report(reports.target("a", outputs=[reports.output("y"), reports.output("z")]), reports.target("b"))
    one = reports.report(reports.target("a", outputs=[reports.output("y")]))
    assert [(c.what, c.new) for c in changes(two, one) if c.worse] == [("output 'z'", "is gone"), ("target", "is gone")]
    assert [(c.what, c.new) for c in changes(one, two)] == [("target", "is new")]


def test_a_layer_that_diverges_and_did_not(reports: Any) -> None:
    def with_layer(**introduced: Any) -> Any:
        layer = reports.layer(2, "conv", introduced=reports.introduced(**introduced))
        return reports.report(reports.target(layers=[layer]))

    good, bad = with_layer(largest=0.5), with_layer(largest=3.0, reason="far out")
    assert [(c.what, c.worse) for c in changes(good, bad)] == [
        ("layer 2 conv", True),
        ("layer 2 conv introduced", False),
    ]
    assert not any(c.worse for c in changes(bad, good))


def test_numbers_decide_nothing_and_are_refused_where_they_cannot_be_compared(reports: Any) -> None:
    old = reports.report(reports.target(accuracy=0.9, c_duration_ms=1.0))
    new = reports.report(reports.target(accuracy=0.8, c_duration_ms=2.0))
    assert [(c.what, c.old, c.new, c.worse, c.refused) for c in changes(old, new)] == [
        ("accuracy", "0.9", "0.8", False, ""),
        ("ms a sample", "1", "2", False, ""),
    ]
    slower = reports.report(reports.target(c_duration_ms=2.0, accuracy=0.9, info=reports.info(sys_clock=240_000_000)))
    assert found(old, slower, "clock").new == "240/240 MHz"
    assert found(old, slower, "ms a sample").refused == "clock is 240/240 MHz, was 480/240 MHz"
    other = reports.report(reports.target(accuracy=0.8, c_duration_ms=1.0), data="4 other samples")
    assert found(old, other, "accuracy").refused == "data is 4 other samples, was 4 samples of x.npz"


def test_an_output_that_diverges_and_did_not(reports: Any) -> None:
    """Also where another one did already, so that the verdict stays what it was."""

    def with_outputs(*reasons: str) -> Any:
        outputs = [
            reports.output(f"y{k}", introduced=reports.introduced(reason=reason)) for k, reason in enumerate(reasons)
        ]
        return reports.report(reports.target(verdict="fail", outputs=outputs))

    one, two = with_outputs("far out", ""), with_outputs("far out", "far out")
    assert found(one, two, "output 'y1'").worse
    assert not any(change.worse for change in changes(two, one))
    held = reports.report(reports.target(outputs=[reports.output(introduced=None)]))
    beyond = reports.output(introduced=None, within_tolerance=False, reason="7 values beyond 1 LSB")
    assert found(held, reports.report(reports.target(outputs=[beyond])), "output 'softmax'").worse


def test_another_deployed_model_of_the_same_reference(reports: Any) -> None:
    def deployed(model_hash: str, ms: float) -> Any:
        layer = reports.layer(2, "conv", introduced=reports.introduced(largest=ms))
        return reports.report(reports.target(c_duration_ms=ms, info=reports.info(model_hash), layers=[layer]))

    old, new = deployed("0xabcdef01", 1.0), deployed("0x12345678", 2.0)
    clause = "model is abcdef01, deployed 12345678, was abcdef01"
    for what in ("ms a sample", "layer 2 conv introduced"):
        assert found(old, new, what).refused == clause
    assert found(deployed("", 1.0), deployed("0xABCDEF01", 2.0), "ms a sample").refused == ""
