"""The same samples from every kind of source give the same report; broken ones end in one line."""

from __future__ import annotations

import json
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SAMPLES = 60


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory: pytest.TempPathFactory, digits_test: Path) -> Path:
    """The same digits as .npz, .csv, folder of images, list of images, and loader; pixels are multiples of 1/255."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path_factory.mktemp("data")
    with np.load(digits_test) as digits:
        order = np.argsort(digits["labels"][:SAMPLES], kind="stable")
        pixels = np.round(digits["m_inputs_1"][order, :, :, 0] * 255).astype(np.uint8)
        labels = digits["labels"][order]
    values = (pixels / 255).astype(np.float32)
    np.savez(folder / "d.npz", x=values[..., None], labels=labels)
    np.savez(folder / "bytes.npz", x=pixels[..., None], labels=labels)
    lines = [",".join([*map(str, row.ravel().tolist()), str(label)]) for row, label in zip(values, labels, strict=True)]
    header = ",".join([*(f"p{k}" for k in range(64)), "label"])
    (folder / "d.csv").write_text("\n".join([header, *lines]))
    entries = []
    for k, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        name = f"{label}/{k:03}.png"
        (folder / "images" / str(label)).mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(folder / "images" / name)
        entries.append({"file": name, "label": int(label)})
    (folder / "list.json").write_text(json.dumps(entries))
    (folder / "digits_of_a_test.py").write_text(
        "import numpy as np\nfrom pathlib import Path\n\n"
        "def load(inputs):\n    data = np.load(Path(__file__).with_name('d.npz'))\n"
        "    for x, label in zip(data['x'], data['labels']):\n        yield x, label\n"
    )
    return folder


def question(folder: Path, source: str) -> list[object]:
    match source:
        case "npz":
            return ["--inputs", folder / "d.npz", "--labels", f"{folder / 'd.npz'}:labels"]
        case "bytes":
            return ["--inputs", folder / "bytes.npz", "--labels", folder / "bytes.npz", "--preprocess", "scale=0..1"]
        case "csv":
            return ["--inputs", folder / "d.csv"]
        case "images":
            return ["--inputs", folder / "images", "--preprocess", "scale=0..1"]
        case "list":
            return [*question(folder, "images"), "--labels", folder / "list.json"]
    return ["--inputs", "py:digits_of_a_test:load"]


@pytest.mark.parametrize("source", ["bytes", "csv", "images", "list", "loader"])
def test_every_source_gives_the_same_report(
    ai_runner: Any, digits_int8: Path, data_sets: Path, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_sets)
    reports = []
    for kind in ("npz", source):
        ended = ai_runner(
            *("validate", "-m", digits_int8, "-d", f"tflite:{digits_int8}?kernels=xnnpack"),
            *(*question(data_sets, kind), "--json", tmp_path / "r.json"),
        )
        assert ended.code == 0, ended.err
        (target,) = json.loads((tmp_path / "r.json").read_text())["targets"]
        reports.append({key: target[key] for key in ("outputs", "task", "changed_answers", "accuracy", "samples")})
    assert reports[0] == reports[1]
    assert reports[0]["samples"] == SAMPLES


def test_failing_images_are_collected_as_images(
    ai_runner: Any, digits_int8: Path, data_sets: Path, tmp_path: Path
) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "images"
    zeros = sorted((data_sets / "images" / "0").iterdir())
    for path, name in zip(zeros, ("1/a.png", "1/b.bmp", "0/c.png"), strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.open(path).save(folder / name)
    saved = tmp_path / "failing.npz"
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", digits_int8, "--inputs", folder, "--preprocess", "scale=0..1"),
        *("--save-failing", saved),
    )
    assert (ended.code, f"failing samples saved in {saved}: 2" in ended.out) == (0, True), ended.err
    with np.load(saved) as found:
        assert found["labels"].tolist() == [1, 1]
        first, second = np.split(found["images"], found["image_ends"])[:2]
    assert first.tobytes() == (folder / "1" / "a.png").read_bytes()
    assert second[:4].tobytes() == b"\x89PNG"  # the service takes no BMP
    ended = ai_runner("ei", "collect", saved, "--dry-run")
    assert (ended.code, "would send 2 samples" in ended.out) == (0, True), ended.err


def test_run_takes_every_source(ai_runner: Any, digits_float: Path, data_sets: Path, tmp_path: Path) -> None:
    for kind in ("csv", "images"):
        ended = ai_runner(
            *("run", "-d", digits_float, "--save", tmp_path / "o.npz"),
            *(word for word in question(data_sets, kind)),
        )
        assert ended.code == 0, ended.err
        with np.load(tmp_path / "o.npz") as found:
            assert found["m_outputs_1"].reshape(SAMPLES, -1).shape == (SAMPLES, 10)


def break_wav(folder: Path) -> list[object]:
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(6))
    path = folder / "a.wav"
    path.write_bytes(path.read_bytes()[:-2])
    return ["--inputs", folder]


def break_csv(folder: Path) -> list[object]:
    (folder / "d.csv").write_text("1,2,3\n4,5\n")
    return ["--inputs", folder / "d.csv"]


def break_labels(folder: Path) -> list[object]:
    np.savez(folder / "d.npz", x=np.zeros((4, 3), np.float32), labels=np.zeros(3, int))
    return ["--inputs", folder / "d.npz", "--labels", f"{folder / 'd.npz'}:labels"]


def break_pickle(folder: Path) -> list[object]:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (folder / "executed",))

    np.savez(folder / "d.npz", x=np.array([Bomb()], object))
    return ["--inputs", folder / "d.npz"]


def break_zip(folder: Path) -> list[object]:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (20000000, 3)}"
    with zipfile.ZipFile(folder / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(240):
            member.write(bytes(1_000_000))
    return ["--inputs", folder / "d.npz"]


def break_list(folder: Path) -> list[object]:
    break_wav(folder)
    (folder / "l.csv").write_text("gone.wav,1\n")
    return ["--inputs", folder, "--labels", folder / "l.csv"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (break_wav, "a.wav: ends before the 3 samples that its header announces"),
        (break_csv, "d.csv: line 2 has 2 columns, the first has 3"),
        (break_labels, "d.npz: 3 labels for 4 samples"),
        (break_pickle, "d.npz:x: dtype object is no number"),
        (break_zip, "d.npz:x: inflates"),
        (break_list, "l.csv: line 1: "),
    ],
)
def test_broken_data_ends_in_one_line_before_anything_runs(
    ai_runner: Any, tmp_path: Path, fake_driver: Any, broken: Callable[[Path], list[object]], message: str
) -> None:
    ended = ai_runner("validate", "-m", "fake:r", "-d", "fake:t", *broken(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert message in ended.err
    assert fake_driver.runs == []
    assert not (tmp_path / "executed").exists()


def test_an_image_that_is_cut_off(ai_runner: Any, digits_int8: Path, data_sets: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    whole = next((data_sets / "images").rglob("*.png")).read_bytes()
    (tmp_path / "images" / "a.png").write_bytes(whole[: len(whole) // 2])
    ended = ai_runner(
        *("validate", "-m", digits_int8, "-d", digits_int8),
        *("--inputs", tmp_path / "images", "--preprocess", "scale=0..1"),
    )
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert "a.png: cannot be read as an image" in ended.err
