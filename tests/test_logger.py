"""The logging functions of ST's AiRunner: levels, prefixes, and no file unless one is named."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ai_runner import get_log_level, get_logger, set_log_level


def test_writes_a_file_only_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    get_logger("quiet").warning("nothing on disk")
    assert list(tmp_path.iterdir()) == []
    named = get_logger("named", filename="run.log")
    named.warning("on disk")
    for handler in named.handlers:
        handler.close()
    assert "named:WARNING: on disk" in (tmp_path / "run.log").read_text()


def test_prefix_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("plain", "WARNING", with_prefix=False)
    logger.info("hidden")
    logger.warning("shown")
    assert capsys.readouterr().err == "shown\n"
    set_log_level("debug", logger)
    assert get_log_level(logger) == logging.DEBUG


def test_loggers_of_one_name_are_independent() -> None:
    first, second = get_logger("same", logging.DEBUG), get_logger("same", logging.ERROR)
    assert (get_log_level(first), get_log_level(second)) == (logging.DEBUG, logging.ERROR)
