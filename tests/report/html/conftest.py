"""Reports of every size and kind, and what a browser makes of a page."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Report = dict[str, Any]


@pytest.fixture(scope="session")
def report() -> Callable[..., Report]:
    """A maker: `targets` targets of `layers` layers each, the last of which diverges in its middle layer.

    `full`: every drawing has as many points and bars as a report can hold.
    """

    def make(targets: int = 2, layers: int = 5, samples: int = 30, classes: int = 4, full: bool = False) -> Report:
        generator = np.random.default_rng(1)
        made = [_target(place, layers, samples, classes, full, generator) for place in range(targets)]
        _spoil(made[-1], layers // 2)
        return {
            "schema": "ai-runner/validation/1",
            "verdict": "fail",
            "provenance": {
                "ai_runner": "0.1.0",
                "time": "2026-01-02T03:04:05+00:00",
                "host": {"name": "bench", "system": "Linux", "machine": "x86_64", "python": "3.11.2", "numpy": "2.4"},
                **{"model_hash": "0xabc", "runtime": "LiteRT", "version": "2.3.0", "kernels": "reference"},
                **{"device": "x86_64", "data": f"{samples} samples", "samples": samples, "seed": 42, "per_layer": True},
                **{"judged_by": "noise-floor", "data_sha256": "0" * 64},
            },
            "reference": _run("tflite:model.tflite?kernels=reference", samples, classes, generator),
            "targets": made,
            "notes": ["a note"],
            "error": None,
        }

    return make


def _run(descriptor: str, samples: int, classes: int, generator: Any) -> Report:
    times = generator.lognormal(0.0, 0.2, min(samples, 1000)).round(6).tolist()
    confusion = (np.eye(classes, dtype=int) * 20 + generator.integers(0, 2, (classes, classes))).tolist()
    one = {"support": 20, "answered": 20, "right": 20, "precision": 1.0, "recall": 1.0, "f1": 1.0, "roc_auc": 1.0}
    tensor = {"name": "image", "shape": [1, 8, 8, 1], "dtype": "int8", "scale": [0.5], "zero_point": [0]}
    return {
        "descriptor": descriptor,
        "info": {
            **{
                "name": "model",
                "hash": "0xabc",
                "model_datetime": "",
                "compile_datetime": "",
                "n_nodes": 5,
                "macc": 99,
            },
            **{"inputs": [tensor], "outputs": [{**tensor, "name": "scores"}]},
            **{"params": [{"name": "weights", "size": 4000}], "activations": [{"name": "pool", "size": 900}]},
            "runtime": {
                **{"protocol": "Python", "name": "LiteRT", "version": "2.3.0", "tools_version": "0.0.0"},
                **{"compiler": "", "capabilities": ["IO_ONLY"], "attributes": {"kernels": "xnnpack"}},
            },
            "device": {
                **{"dev_type": "HOST", "desc": "a machine", "dev_id": "x86_64", "system": "", "machine": "x86_64"},
                **{"sys_clock": 168_000_000, "bus_clock": 0, "attrs": ["fpu"]},
            },
        },
        **{"samples": samples, "c_duration_ms": 1.0, "c_duration_source": "device", "warnings": [], "error": None},
        "latency": {"count": samples, "min_ms": min(times), "max_ms": max(times), "ms": times},
        "task": {
            **{"type": "classification", "samples": samples, "unanswered": 0, "accuracy": 0.95, "top_k": {"2": 0.99}},
            **{"precision": 0.9, "recall": 0.9, "f1": 0.9, "roc_auc": 0.99, "roc_auc_error": 0.0},
            **{"classes": [{"name": f"class {k}", **one} for k in range(classes)], "confusion": confusion},
        },
        "accuracy": 0.95,
    }


def _target(place: int, layers: int, samples: int, classes: int, full: bool, generator: Any) -> Report:
    values = generator.normal(0.0, 1.0, (400 if full else 20, 2)).round(6).tolist()
    rows = [_layer(index, full, generator) for index in range(layers)]
    row = rows[0]
    return {
        **_run(f"serial:/dev/ttyACM{place}", samples, classes, generator),
        "verdict": "pass",
        "reasons": [],
        "outputs": [
            {
                **{key: row[key] for key in ("within_tolerance", "reason", "count", "metrics", "metrics_raw")},
                **{key: row[key] for key in ("max_lsb", "tolerance", "introduced", "error_histogram")},
                **{"name": "scores", "beyond": 0, "scatter": {"count": 9999, "fair": values, "worst": values[:50]}},
            }
        ],
        "layers": rows,
        "unpaired": [{"side": "target", "index": 3, "name": "pad", "type": "PAD", "reason": "no counterpart"}],
        "first_divergence": None,
        "structure": [{"where": "model", "what": "hash", "reference": "0xabc", "target": "0xdef"}],
        "health": {
            "findings": ["layer 1: constant"],
            "kinds": ["constant"],
            "repeatable": True,
            "outputs": [],
            "layers": [],
        },
        "error_budget": [
            {"stage": "quantisation", "from": "a", "to": "b", "rmse": 0.01, "share": 1.2},
            {"stage": "deployment", "from": "b", "to": "c", "rmse": 0.001, "share": -0.2},
        ],
        "changed_answers": {
            **{"samples": samples, "count": 2, "lost": 1, "gained": 0},
            "listed": [{"index": k, "reference": 1, "target": -1, "label": 1, "margin": 0.5} for k in range(2)],
        },
    }


def _layer(index: int, full: bool, generator: Any) -> Report:
    metrics = dict.fromkeys(("acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos", "snr", "max_abs"), 0.5)
    metrics |= dict.fromkeys(("reference_nan", "reference_inf", "target_nan", "target_inf"), 0) | {"count": 1000}
    errors = {str(error): int(generator.integers(1, 10_000)) for error in (range(-256, 257) if full else range(-3, 4))}
    return {
        **{"index": index, "name": f"conv_2d_{index}", "type": "CONV_2D", "target_name": f"node_{index}"},
        **{"paired_by": "id", "within_tolerance": True, "reason": "", "count": 1000, "metrics": metrics},
        **{"metrics_raw": metrics, "max_lsb": float(index % 7), "tolerance": {"max_lsb": 1.0}},
        **{"error_histogram": errors, "c_duration_ms": 0.25, "c_duration_source": "device", "signature": ""},
        "introduced": {
            **{"diverges": False, "reason": "", "operators": 1, "kernels": ["reference", "xnnpack"], "count": 1000},
            **{"outside": 0, "largest": 0.0, "allowed": 1.0, "band": 1.0, "non_finite": 0, "worst_channel": None},
            **{"worst_channel_outside": None, "answers_changed": None},
        },
    }


def _spoil(target: Report, place: int) -> None:
    layer = target["layers"][place]
    layer["introduced"] |= {"diverges": True, "largest": 40.0, "reason": "an element lies 40 LSB outside of the band"}
    name = f"layer {layer['index']} {layer['name']} (CONV_2D)"
    target |= {"verdict": "fail", "reasons": [f"{name}: {layer['introduced']['reason']}", "output 'scores': wrong"]}
    found = {key: layer[key] for key in ("name", "type")}
    target["first_divergence"] = {
        "layer": layer["index"],
        **found,
        "reason": layer["introduced"]["reason"],
        "stage": "target",
    }


class Elements(HTMLParser):
    """The elements of a page: tag and attributes of each, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="session")
def elements() -> Callable[[str], Elements]:
    return Elements


# Looks into the page from outside, since the page itself allows no script: is every drawing there, and visible?
_HARNESS = """<!DOCTYPE html><body><pre id="found"></pre>
<iframe src="page.html" width="1280" height="900"></iframe><script>
onload = () => {
  const inside = document.querySelector("iframe").contentDocument;
  const drawings = [...inside.querySelectorAll("figure svg")].map(svg => {
    const box = svg.getBoundingClientRect(), ink = svg.getBBox(), paints = new Set(), unread = [];
    for (const shape of svg.querySelectorAll("path, use, text")) {
      if (shape.closest("defs")) continue;
      const style = inside.defaultView.getComputedStyle(shape);
      for (const name of ["fill", "stroke"]) {
        const asked = shape.getAttribute(name) || "";
        if (!asked.startsWith("var(")) continue;
        paints.add(style[name]);
        if (!style[name].startsWith("rgb")) unread.push(asked);
      }
    }
    const missing = [...svg.querySelectorAll("use")].filter(use => !svg.querySelector(use.getAttribute("href"))).length;
    const place = text => ({said: text.textContent, at: text.getBoundingClientRect()});
    const texts = [...svg.querySelectorAll("text")].map(place);
    const cut = texts.filter(({at}) => at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1
                                       || at.bottom > box.bottom + 1).map(text => text.said);
    const deep = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
                           && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
    const covered = texts.flatMap((one, k) => texts.slice(k + 1).filter(other => deep(one.at, other.at))
                                                                .map(other => `${one.said} | ${other.said}`));
    return {width: box.width, height: box.height, inkWidth: ink.width, inkHeight: ink.height, paints: [...paints],
            unread, missing, cut, covered, label: svg.getAttribute("aria-label")};
  });
  const wide = inside.documentElement.scrollWidth - inside.documentElement.clientWidth;
  document.getElementById("found").textContent = JSON.stringify({drawings, wide});
};
</script></body>"""


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture
def in_browser(chromium: str, tmp_path: Path) -> Callable[..., tuple[Report, str]]:
    """Opens a page: what its drawings measure, and what the console had to say."""

    def look(page: str, dark: bool = False, width: int = 1280) -> tuple[Report, str]:
        (tmp_path / "page.html").write_text(page, "utf-8")
        harness = tmp_path / "harness.html"
        harness.write_text(_HARNESS.replace('width="1280"', f'width="{width}"'), "utf-8")
        profile = tmp_path / "profile"
        options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
        options += " --disable-component-update --disable-dev-shm-usage --allow-file-access-from-files"
        options += " --enable-logging=stderr --virtual-time-budget=20000 --dump-dom"
        dark_mode = ["--force-dark-mode"] if dark else []
        done = subprocess.run(
            [chromium, *options.split(), *dark_mode, f"--user-data-dir={profile}", harness.as_uri()],
            **{"capture_output": True, "text": True, "timeout": 120, "cwd": tmp_path},
        )
        shutil.rmtree(profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr
        dom = HTMLText(done.stdout)
        console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
        return json.loads(dom.found), console

    return look


class HTMLText(HTMLParser):
    """The text of the element that the harness writes to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = ""
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found += data


@pytest.fixture
def mapped() -> Callable[[Any, Callable[[Any], Any]], Any]:
    """A copy of a report with every text replaced by what a function makes of it."""

    def apply(value: Any, change: Callable[[Any], Any]) -> Any:
        if isinstance(value, dict):
            return {key: apply(item, change) for key, item in value.items()}
        if isinstance(value, list):
            return [apply(item, change) for item in value]
        return change(value) if isinstance(value, str) else copy.copy(value)

    return apply
