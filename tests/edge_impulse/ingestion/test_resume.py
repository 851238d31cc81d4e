from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ai_runner.edge_impulse.ingestion import IngestionClient, Policy, UploadReport, sample_of_bytes


def client(service: Any) -> IngestionClient:
    return IngestionClient(service.KEY, address=service.address, timeout=20.0)


def samples(count: int) -> list[Any]:
    return [sample_of_bytes(f"up.{i}.txt", f"content {i}".encode()) for i in range(count)]


def outcomes(report: UploadReport) -> list[str]:
    return [result.outcome.name for result in report.results]


def test_a_journal_lets_an_upload_go_on(ei_service: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    policy = Policy(batch_bytes=10, retries=0)
    ei_service.faults = [None, None, ("status", 429, b"", {})]
    report = client(ei_service).upload(samples(5), policy=policy, journal=journal)
    assert outcomes(report) == ["ACCEPTED", "ACCEPTED", "NOT_SENT", "NOT_SENT", "NOT_SENT"]
    report = client(ei_service).upload(samples(5), policy=policy, journal=journal)
    assert outcomes(report) == ["ACKNOWLEDGED", "ACKNOWLEDGED", "ACCEPTED", "ACCEPTED", "ACCEPTED"]
    assert len(ei_service.stored) == 5
    assert len(ei_service.requests) == 6
    assert not journal.exists()


def test_what_got_no_answer_is_there_once_after_going_on(ei_service: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    ei_service.faults = ["store and drop"]
    report = client(ei_service).upload(samples(2), policy=Policy(retries=0), journal=journal)
    assert outcomes(report) == ["UNKNOWN", "UNKNOWN"]
    report = client(ei_service).upload(samples(2), journal=journal)
    assert outcomes(report) == ["ACCEPTED", "ACCEPTED"]
    assert len(ei_service.stored) == 2


def test_what_got_no_answer_is_left_alone_while_duplicates_are_allowed(ei_service: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    policy = Policy(allow_duplicates=True)
    ei_service.faults = ["store and drop"]
    client(ei_service).upload(samples(1), policy=policy, journal=journal)
    report = client(ei_service).upload(samples(1), policy=policy, journal=journal)
    assert outcomes(report) == ["UNKNOWN"]
    assert report.exit_code == 3
    assert len(ei_service.requests) == 1
    resend = Policy(allow_duplicates=True, resend_unknown=True)
    assert client(ei_service).upload(samples(1), policy=resend, journal=journal).is_complete
    assert len(ei_service.stored) == 2


def test_ctrl_c_leaves_a_note_of_what_may_be_there(ei_service: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from ai_runner.edge_impulse import service as module

    journal = tmp_path / "journal"
    whole = module.Answer.whole

    def interrupted(*arguments: Any) -> Any:
        whole(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Answer, "whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client(ei_service).upload(samples(1), journal=journal)
    monkeypatch.undo()
    report = client(ei_service).upload(samples(1), journal=journal)
    assert outcomes(report) == ["ACCEPTED"]
    assert len(ei_service.stored) == 1
