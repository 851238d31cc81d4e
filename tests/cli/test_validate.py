"""``ai-runner validate``: verdicts, errors, reports; on fakes, and on the bundled model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.tflite_model import TfliteModel

SAME = ("validate", "-m", "fake:reference", "-d", "fake:same")
OFF = ("validate", "-m", "fake:reference", "-d", "fake:off?add=0.01")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.json"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("ascii"))
    assert list(path.parent.glob("*.part")) == []
    return found


def test_pass(ai_runner: Any, report: Path, fake_driver: Any) -> None:
    ended = ai_runner(*SAME, "--json", report)
    assert (ended.code, ended.err) == (0, "")
    assert "verdict    PASS" in ended.out
    assert "16 random samples, seed 42" in ended.out
    assert "note       inputs are random" in ended.out
    found = read(report)
    assert (found["verdict"], found["provenance"]["seed"], found["provenance"]["samples"]) == ("pass", 42, 16)
    assert sorted(fake_driver.closed) == ["fake:reference", "fake:same"]


def test_fail(ai_runner: Any, report: Path) -> None:
    ended = ai_runner(*OFF, "-d", "fake:same", "--json", report)
    assert (ended.code, ended.err) == (1, "")
    assert "1 of 2 targets pass" in ended.out
    found = read(report)
    assert [target["verdict"] for target in found["targets"]] == ["fail", "pass"]
    assert found["error"] is None


def test_tolerances(ai_runner: Any) -> None:
    assert ai_runner(*OFF, "--atol", "0.011").code == 0
    assert ai_runner(*OFF, "--atol", "0", "--rtol", "0").code == 1


def test_layers(ai_runner: Any, report: Path) -> None:
    ended = ai_runner(*OFF, "--per-layer", "--json", report)
    assert "divergence begins at layer 0 double (MUL)" in ended.out
    (target,) = read(report)["targets"]
    assert target["first_divergence"]["layer"] == 0
    assert target["layers"][0]["c_duration_ms"] == 0.5


def test_random_inputs_of_a_seed(ai_runner: Any, report: Path) -> None:
    ai_runner(*SAME, "--random", 5, "--seed", 9, "--json", report)
    assert (read(report)["provenance"]["samples"], read(report)["provenance"]["seed"]) == (5, 9)


def test_inputs_and_labels_of_one_file(ai_runner: Any, tmp_path: Path, report: Path) -> None:
    values = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    path = tmp_path / "data.npz"
    np.savez(path, truth=values.argmax(axis=1), images=values)
    ended = ai_runner(*SAME, "--inputs", path, "--labels", f"{path}:truth", "--json", report)
    assert ended.code == 0
    assert "accuracy   1.0000 against labels, the reference has 1.0000" in ended.out
    found = read(report)
    assert found["reference"]["accuracy"] == found["targets"][0]["accuracy"] == 1.0
    assert found["provenance"]["seed"] is None


def test_labels_of_wrong_length(ai_runner: Any, tmp_path: Path, report: Path) -> None:
    np.save(tmp_path / "y.npy", np.zeros(15, int))
    ended = ai_runner(*SAME, "--labels", tmp_path / "y.npy", "--json", report)
    assert (ended.code, ended.out) == (2, "")
    assert "15 labels for 16 samples" in ended.err
    assert read(report)["targets"][0]["verdict"] == "fail"


def test_a_target_that_crashes(ai_runner: Any, report: Path) -> None:
    ended = ai_runner(
        "validate", "-m", "fake:r", "-d", "fake:c?dies=2", "-d", "fake:same", "--random", 140, "--json", report
    )
    assert ended.code == 3
    assert ended.err.splitlines() == ["ai-runner: error: the process died of SIGSEGV; see its log"]
    assert "verdict    FAIL: 1 of 2 targets pass" in ended.out
    crashed, same = read(report)["targets"]
    assert (crashed["verdict"], same["verdict"]) == ("fail", "pass")
    assert crashed["reasons"] == ["E801(HwIOError): the process died of SIGSEGV"]
    assert (crashed["samples"], same["samples"]) == (128, 140)


@pytest.mark.parametrize(("fault", "code"), [("busy", 3), ("broken", 4)])
def test_a_target_that_cannot_be_opened(ai_runner: Any, report: Path, fault: str, code: int) -> None:
    ended = ai_runner("validate", "-m", "fake:r", "-d", f"fake:{fault}", "-d", "fake:same", "--json", report)
    assert ended.code == code
    first, second = read(report)["targets"]
    assert (first["descriptor"], first["verdict"]) == (f"fake:{fault}", "fail")
    assert second["verdict"] == "pass"


def test_a_reference_that_cannot_be_opened(ai_runner: Any, report: Path) -> None:
    ended = ai_runner("validate", "-m", "fake:busy", "-d", "fake:same", "--json", report)
    assert (ended.code, ended.out) == (3, "")
    found = read(report)
    assert found["error"]["message"] == "port COM3 is in use"
    assert found["targets"][0]["reasons"] == ["E801(HwIOError): port COM3 is in use"]


def test_a_reference_that_crashes(ai_runner: Any, report: Path) -> None:
    ended = ai_runner("validate", "-m", "fake:r?dies=1", "-d", "fake:same", "--json", report)
    assert ended.code == 3
    assert read(report)["targets"][0]["reasons"][0].startswith("the reference failed: E801")


def test_an_unwritable_report_is_said_before_anything_runs(ai_runner: Any, tmp_path: Path, fake_driver: Any) -> None:
    ended = ai_runner(*SAME, "--json", tmp_path / "none" / "report.json")
    assert ended.code == 2
    assert fake_driver.closed == []


# -- on the bundled model ---------------------------------------------------------------------------------------------


def test_the_reference_kernels_are_the_default_and_it_says_so(
    ai_runner: Any, digits_int8: Path, digits_test: Path, report: Path
) -> None:
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", f"tflite:{digits_int8}?kernels=reference", "--per-layer"),
        *("--inputs", digits_test, "--labels", f"{digits_test}:labels", "--json", report),
    )
    assert ended.code == 0, ended.err
    assert "note       the reference runs on LiteRT's reference kernels" in ended.out
    found = read(report)
    assert found["provenance"]["kernels"] == "reference"
    assert found["reference"]["descriptor"].endswith("digits_int8.tflite?kernels=reference")
    (target,) = found["targets"]
    assert [layer["index"] for layer in target["layers"]] == list(range(7))
    assert {layer["max_lsb"] for layer in target["layers"]} == {0}
    assert target["outputs"][0]["metrics"]["cos"] == 1.0
    assert target["accuracy"] > 0.95


def test_other_kernels_can_be_chosen(ai_runner: Any, digits_int8: Path, report: Path) -> None:
    model = f"tflite:{digits_int8}?kernels=builtin"
    ended = ai_runner("validate", "-m", model, "-d", model, "--json", report)
    assert ended.code == 0, ended.err
    assert read(report)["provenance"]["kernels"] == "builtin"
    assert "reference kernels" not in ended.out


def test_a_float_model_gets_the_real_values_of_the_integer_one(
    ai_runner: Any, digits_int8: Path, digits_float: Path, digits_test: Path, report: Path
) -> None:
    ended = ai_runner(
        *("validate", "-m", digits_float, "-d", f"{digits_int8}", "--inputs", digits_test, "--per-layer"),
        *("--json", report, "--atol", "0.3"),
    )
    assert ended.code == 0, ended.err
    (output,) = read(report)["targets"][0]["outputs"]
    assert output["tolerance"] == {"atol": 0.3, "rtol": 1e-4}
    assert output["max_lsb"] is None
    assert 0.99 < output["metrics"]["cos"] < 1.0


def with_other_weights(model: Path, operator: int, changed: Path) -> Path:
    """A copy of the model in which the first weight of one operator is another."""
    parsed = TfliteModel.read(model)
    weights = parsed.tensors[parsed.operators[operator].inputs[1]].data
    assert weights is not None
    old, new = weights.tobytes(), weights.copy()
    new.reshape(-1)[:8] = -new.reshape(-1)[:8] - 1
    assert parsed.raw.count(old) == 1
    changed.write_bytes(parsed.raw.replace(old, new.tobytes()))
    return changed


@pytest.mark.parametrize("operator", [0, 1, 2, 5])
def test_changed_weights_are_found_at_their_layer(
    ai_runner: Any, digits_int8: Path, digits_test: Path, tmp_path: Path, report: Path, operator: int
) -> None:
    target = with_other_weights(digits_int8, operator, tmp_path / "changed.tflite")
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", f"tflite:{target}?kernels=reference", "--per-layer"),
        *("--inputs", digits_test, "--json", report),
    )
    assert ended.code == 1, ended.err
    (found,) = read(report)["targets"]
    assert found["first_divergence"]["layer"] == operator
    assert [layer["max_lsb"] == 0 for layer in found["layers"]][:operator] == [True] * operator
    (difference,) = found["structure"]
    assert (difference["where"], difference["what"]) == ("model", "hash")
    assert "differs    model: hash is" in ended.out
    assert found["first_divergence"]["stage"] == "deployment"


def test_generated_c_models_of_both_interfaces(
    ai_runner: Any, compiler: str, digits_int8: Path, digits_test: Path, tmp_path: Path, report: Path
) -> None:
    folders = {api: tmp_path / api for api in ("st-ai", "legacy")}
    for api, folder in folders.items():
        assert ai_runner("c-model", digits_int8, "--out", folder, "--api", api).code == 0
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", f"file:{folders['st-ai']}", "-d", f"file:{folders['legacy']}"),
        *("--inputs", digits_test, "--labels", f"{digits_test}:labels", "--per-layer", "--max-lsb", 0),
        *("--json", report),
    )
    assert ended.code == 0, ended.err
    found = read(report)
    for target in found["targets"]:
        assert target["warnings"] == []
        assert target["info"]["hash"] == found["provenance"]["model_hash"]
        assert [layer["index"] for layer in target["layers"]] == list(range(7))
        assert [layer["paired_by"] for layer in target["layers"]] == ["id"] * 7
        assert {layer["max_lsb"] for layer in target["layers"]} == {0}
        assert all(layer["c_duration_ms"] > 0 for layer in target["layers"])
        assert target["unpaired"] == []


def test_policies(ai_runner: Any, digits_int8: Path, digits_test: Path, report: Path) -> None:
    question = ("validate", "-m", f"tflite:{digits_int8}", "-d", f"tflite:{digits_int8}?kernels=xnnpack")
    question += ("--inputs", str(digits_test), "--per-layer", "--json", str(report))
    assert ai_runner(*question).code == 0
    (target,) = read(report)["targets"]
    assert target["outputs"][0]["max_lsb"] > 1
    assert target["outputs"][0]["introduced"]["diverges"] is False
    assert set(target["layers"][0]["introduced"]["kernels"]) <= {"reference", "builtin", "xnnpack"}
    assert ai_runner(*question, "--policy", "exact").code == 0
    assert ai_runner(*question, "--policy", "tolerance").code == 1
    assert ai_runner(*question, "--max-lsb", "1").code == 1
    assert ai_runner(*question, "--max-lsb", "20").code == 0


def test_policies_that_cannot_be(ai_runner: Any, digits_int8: Path) -> None:
    ended = ai_runner(*SAME, "--policy", "exact")
    assert (ended.code, "cannot run its layers again" in ended.err) == (2, True)
    ended = ai_runner("validate", "-m", f"tflite:{digits_int8}", "-d", "fake:same", "--policy", "exact", "--atol", "1")
    assert (ended.code, "--policy exact and --atol exclude each other" in ended.err) == (2, True)


def test_a_reproducer_of_the_first_divergence(
    ai_runner: Any, digits_int8: Path, digits_test: Path, tmp_path: Path
) -> None:
    changed = with_other_weights(digits_int8, 2, tmp_path / "changed.tflite")
    question = ("validate", "-m", digits_int8, "-d", f"tflite:{changed}?kernels=reference", "--inputs", digits_test)
    ended = ai_runner(*question, "--per-layer", "--reproducer", tmp_path / "case")
    assert (ended.code, "reproducer " in ended.out) == (1, True)
    (operator,) = TfliteModel.read(tmp_path / "case" / "operator.tflite").operators
    assert operator.name == "CONV_2D"
    ended = ai_runner(*question, "-d", f"tflite:{digits_int8}", "--per-layer", "--reproducer", tmp_path / "two")
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["target-0"]


# -- data, labels, journal --------------------------------------------------------------------------------------------


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        passing = ("time", "notes", "c_duration_ms", "latency", "descriptor")
        return {key: without_times(item) for key, item in value.items() if key not in passing}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_a_board_that_was_unplugged_is_resumed_by_the_same_command(
    ai_runner: Any, tmp_path: Path, report: Path
) -> None:
    question = ("validate", "-m", "fake:r", "--random", 40, "--per-layer", "--json", report)
    assert ai_runner(*question, "-d", "fake:board").code == 0
    whole = without_times(read(report))
    journal = ("--journal", tmp_path / "journal")
    ended = ai_runner(*question, *journal, "-d", "fake:board?silence=3")
    assert ended.code == 3
    assert ended.err.splitlines()[-1].endswith(f"the same command resumes: {tmp_path / 'journal'} has what was run")
    assert read(report)["verdict"] == "fail"
    ended = ai_runner(*question, *journal, "-d", "fake:board?add=1")
    assert (ended.code, "options was {}, is {'add': '1'}" in ended.err) == (2, True)
    ended = ai_runner(*question, *journal, "-d", "fake:other-port")
    assert ended.code == 0
    assert "were taken from the journal" in ended.out
    assert without_times(read(report)) == whole


def test_names_of_classes_from_every_side(ai_runner: Any, tmp_path: Path, report: Path) -> None:
    rows = ["a,b,c,label", *(f"{x},{y},{z},{k}" for x, y, z, k in ((1, 0, 0, "up"), (0, 1, 0, "on"), (0, 0, 1, "up")))]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    question = (*SAME, "--inputs", tmp_path / "data.csv", "--json", report)
    ended = ai_runner(*question)
    assert (ended.code, "2 names of classes (on, up) where the model has 3" in ended.err) == (2, True)
    ended = ai_runner(*question, "--label-names", "up,on,off")
    assert ended.code == 0
    task = read(report)["targets"][0]["task"]
    assert task["confusion"] == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert [one["name"] for one in task["classes"]] == ["up", "on", "off"]
    assert "confused   up taken for off: 1 x" in ended.out
    for names, message in (("up,on", "2 names for 3 classes"), ("up,on,up", "the name 'up' comes twice")):
        ended = ai_runner(*question, "--label-names", names)
        assert (ended.code, message in ended.err) == (2, True)
    ended = ai_runner(*question, "--label-names", "up,down,off")
    assert (ended.code, "label 'on' is none of the model's: up, down, off" in ended.err) == (2, True)


def test_a_regression(ai_runner: Any, tmp_path: Path, report: Path) -> None:
    values = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=values, labels=values * 2.0)
    question = ("--inputs", tmp_path / "d.npz", "--labels", tmp_path / "d.npz:labels", "--json", report)
    ended = ai_runner(*OFF, *question)
    assert ended.code == 1
    assert "task       mae 0.0100 (+0.0100), rmse 0.0100 (+0.0100)" in ended.out
    found = read(report)
    assert found["reference"]["task"]["mae"] == 0.0
    assert found["targets"][0]["task"]["max_error"] == pytest.approx(0.01, rel=1e-3)
    assert found["targets"][0]["changed_answers"] is None
    assert "accuracy" not in found["reference"]
    for task, code in (("regression", 1), ("none", 1), ("classification", 2)):
        assert ai_runner(*OFF, *question, "--task", task).code == code
    ended = ai_runner(*OFF, *question, "--save-failing", tmp_path / "f.npz")
    assert (ended.code, "which samples fail is told of class scores only" in ended.err) == (2, True)


def test_failing_samples_are_saved_as_ei_collect_reads_them(
    ai_runner: Any, digits_int8: Path, digits_test: Path, tmp_path: Path, report: Path
) -> None:
    changed, saved = with_other_weights(digits_int8, 2, tmp_path / "changed.tflite"), tmp_path / "failing.npz"
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", f"tflite:{changed}?kernels=reference", "--inputs", digits_test),
        *("--labels", f"{digits_test}:labels", "--save-failing", saved, "--json", report),
    )
    assert ended.code == 1
    (target,) = read(report)["targets"]
    answers = target["changed_answers"]
    assert 0 < answers["count"] < 400
    with np.load(saved) as found, np.load(digits_test) as digits:
        assert set(found) == {"inputs", "labels", "reasons", "indices"}
        np.testing.assert_allclose(found["inputs"], digits["m_inputs_1"][found["indices"]], atol=1 / 255)
        np.testing.assert_array_equal(found["labels"], digits["labels"][found["indices"]])
        assert {one["index"] for one in answers["listed"]} <= set(found["indices"].tolist())
        assert any("where the reference answers" in reason for reason in found["reasons"])
        count = len(found["labels"])
    assert f"failing samples saved in {saved}: {count}" in ended.out
    ended = ai_runner("ei", "collect", saved, "--interval-ms", 1, "--dry-run")
    assert (ended.code, f"would send {count} samples" in ended.out) == (0, True)


def test_nothing_failed(ai_runner: Any, tmp_path: Path) -> None:
    ended = ai_runner(*SAME, "--task", "classification", "--save-failing", tmp_path / "f.npz")
    assert (ended.code, "nothing is saved" in ended.out, (tmp_path / "f.npz").exists()) == (0, True, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preprocess", "scale=0..1"), "--preprocess belongs to --inputs"),
        (("--columns", "1-3"), "--columns belongs to --inputs"),
        (("--inputs", "none.csv"), "none.csv: cannot be read: No such file"),
        (("--inputs", "py:nothing_like_this:load"), "there is no module 'nothing_like_this'"),
        (("--inputs", "none.npz", "--columns", "1"), "--columns is for CSV files"),
        (("--inputs", "none.npz", "--preprocess", "sharpen=2"), "there is no 'sharpen'"),
        (("--save-failing", "no/such/folder/f.npz"), "cannot be written"),
    ],
)
def test_data_options_that_cannot_be(ai_runner: Any, options: tuple[str, ...], message: str, fake_driver: Any) -> None:
    ended = ai_runner(*SAME, *options)
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert len(ended.err.splitlines()) == 1
    assert fake_driver.runs == []
