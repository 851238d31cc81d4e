from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.edge_impulse.ingestion import (
    NO_LABEL,
    IngestionClient,
    Outcome,
    Policy,
    UploadReport,
    read_label_file,
    sample_of_bytes,
    sample_of_file,
)
from ai_runner.errors import (
    HwIOError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    LinkTimeoutError,
)

FAST = {"pause": 0.0}


def client(service: Any, timeout: float = 20.0, key: str | None = None) -> IngestionClient:
    return IngestionClient(key or service.KEY, address=service.address, timeout=timeout)


def samples(count: int, **more: Any) -> list[Any]:
    return [sample_of_bytes(f"up.{i}.txt", f"content {i}".encode(), **more) for i in range(count)]


def outcomes(report: UploadReport) -> list[str]:
    return [result.outcome.name for result in report.results]


def test_what_is_sent_arrives(ei_service: Any) -> None:
    sample = sample_of_bytes(
        'a "name"\n.wav', b"RIFF\r\n--x\r\n", category="testing", label="Grün & 100%", metadata={"why": "é\n"}
    )
    report = client(ei_service).upload([sample])
    assert report.is_complete
    assert report.exit_code == 0
    [stored] = ei_service.stored
    assert (stored.name, stored.category, stored.content) == ("a %22name%22%0A.wav", "testing", b"RIFF\r\n--x\r\n")
    assert (stored.label, stored.metadata, stored.content_type) == ("Grün & 100%", {"why": "é\n"}, "audio/wav")
    [(method, path, headers)] = ei_service.requests
    assert (method, path) == ("POST", "/api/testing/files")
    assert headers["x-label"] == "Gr%C3%BCn%20%26%20100%25"
    assert headers["x-api-key"] == ei_service.KEY
    assert headers["x-disallow-duplicates"] == "1"
    assert "x-add-date-id" not in headers


def test_options_are_headers(ei_service: Any) -> None:
    policy = Policy(allow_duplicates=True, add_date_id=True, source="bench")
    client(ei_service).upload(samples(1, label=NO_LABEL), policy=policy)
    headers = ei_service.requests[0][2]
    assert (headers["x-label"], headers["x-no-label"], headers["x-add-date-id"]) == ("", "1", "1")
    assert headers["x-upload-source"] == "bench"
    assert "x-disallow-duplicates" not in headers


def test_what_differs_in_label_or_metadata_goes_in_different_requests(ei_service: Any) -> None:
    many = [
        sample_of_bytes("a.txt", b"1", label="x"),
        sample_of_bytes("b.txt", b"2", label="y"),
        sample_of_bytes("c.txt", b"3", label="x"),
        sample_of_bytes("d.txt", b"4", label="x", metadata={"k": "v"}),
        sample_of_bytes("a.txt", b"5", label="x"),
        sample_of_bytes("e.txt", b"6", category="anomaly", label="x"),
    ]
    assert client(ei_service).upload(many).is_complete
    assert len(ei_service.requests) == 5
    assert [(s.name, s.content, s.label) for s in ei_service.stored if s.metadata] == [("d.txt", b"4", "x")]
    assert len(ei_service.stored) == 6


def test_a_request_holds_a_thousand_files_and_so_many_bytes(ei_service: Any) -> None:
    assert client(ei_service).upload(samples(1001)).is_complete
    assert len(ei_service.requests) == 2
    assert len(ei_service.stored) == 1001
    ei_service.requests.clear()
    policy = Policy(batch_bytes=25)
    client(ei_service).upload(samples(5, label="again"), policy=policy)
    assert len(ei_service.requests) == 3


def test_a_200_may_hold_failures(ei_service: Any) -> None:
    broken = sample_of_bytes("broken.txt", b"REFUSE ME")
    report = client(ei_service).upload([*samples(2), broken])
    assert outcomes(report) == ["ACCEPTED", "ACCEPTED", "REFUSED"]
    assert report.results[2].reason == "cannot be parsed"
    assert report.fault is None
    assert report.exit_code == 1
    assert len(ei_service.requests) == 1


def test_a_duplicate_is_refused_unless_it_is_allowed(ei_service: Any) -> None:
    one = samples(1)
    assert client(ei_service).upload(one).is_complete
    assert outcomes(client(ei_service).upload(one)) == ["REFUSED"]
    assert client(ei_service).upload(one, policy=Policy(allow_duplicates=True)).is_complete
    assert len(ei_service.stored) == 2


@pytest.mark.parametrize(
    "fault", ["drop at start", "drop mid request", "drop before answer", "store and drop", "drop mid answer"]
)
def test_a_lost_connection_is_tried_again_and_nothing_is_there_twice(ei_service: Any, fault: str) -> None:
    ei_service.faults = [fault, fault]
    big = sample_of_bytes("big.txt", b"x" * 3_000_000)
    report = client(ei_service).upload([big, *samples(2)], policy=Policy(**FAST))
    assert outcomes(report) == ["ACCEPTED"] * 3
    assert ei_service.names() == ["big.txt", "up.0.txt", "up.1.txt"]
    assert len(ei_service.requests) == 3


@pytest.mark.parametrize("fault", ["store and drop", "drop mid answer", "drop before answer"])
def test_with_duplicates_allowed_what_may_have_arrived_is_not_sent_again(ei_service: Any, fault: str) -> None:
    ei_service.faults = [fault]
    report = client(ei_service).upload(samples(2), policy=Policy(**FAST, allow_duplicates=True))
    assert outcomes(report) == ["UNKNOWN", "UNKNOWN"]
    assert isinstance(report.fault, LinkLostError)
    assert report.exit_code == 3
    assert len(ei_service.requests) == 1


def test_with_duplicates_allowed_what_cannot_have_arrived_is_sent_again(ei_service: Any) -> None:
    ei_service.faults = ["drop mid request"]
    big = sample_of_bytes("big.txt", b"x" * 30_000_000)
    report = client(ei_service).upload([big], policy=Policy(**FAST, allow_duplicates=True))
    assert outcomes(report) == ["ACCEPTED"]
    assert len(ei_service.requests) == 2


def test_retries_end(ei_service: Any) -> None:
    ei_service.faults = ["drop at start"] * 9
    report = client(ei_service).upload(samples(1), policy=Policy(**FAST, retries=3))
    assert isinstance(report.fault, LinkLostError)
    assert len(ei_service.requests) == 4
    assert report.exit_code == 3


def test_nobody_there(ei_service: Any) -> None:
    ei_service.close()
    report = client(ei_service).upload(samples(2), policy=Policy(**FAST, retries=1))
    assert outcomes(report) == ["NOT_SENT", "NOT_SENT"]
    assert "cannot be reached" in str(report.fault)


def test_a_server_that_never_answers(ei_service: Any) -> None:
    ei_service.faults = ["silent"]
    report = client(ei_service, timeout=0.2).upload(samples(1), policy=Policy(**FAST, retries=0))
    assert outcomes(report) == ["UNKNOWN"]
    assert isinstance(report.fault, LinkTimeoutError)


def test_a_head_in_single_bytes_that_never_ends(ei_service: Any) -> None:
    ei_service.faults = ["endless head"]
    report = client(ei_service, timeout=0.3).upload(samples(1), policy=Policy(**FAST, retries=0))
    assert outcomes(report) == ["UNKNOWN"]
    assert isinstance(report.fault, LinkTimeoutError)
    assert not [t for t in threading.enumerate() if isinstance(t, threading.Timer)]


def test_an_answer_in_single_bytes(ei_service: Any) -> None:
    ei_service.faults = ["trickle"]
    assert client(ei_service).upload(samples(3)).is_complete


def answer(status: int, content: bytes, **headers: str) -> tuple[Any, ...]:
    return ("status", status, content, headers)


@pytest.mark.parametrize(
    ("fault", "kind", "exit_code", "says"),
    [
        (answer(200, b"<html>Please log in</html>"), InvalidMsgError, 3, "is no JSON: '<html>Please log in</html>'"),
        (answer(200, b""), InvalidMsgError, 3, "no JSON"),
        (answer(200, b"[" * 100_000), InvalidMsgError, 3, "no JSON"),
        (answer(200, b"[]"), InvalidMsgError, 3, "says nothing about the files"),
        (answer(200, b'{"success": true}'), InvalidMsgError, 3, "says nothing about the files"),
        (
            answer(500, b'{"success": false, "error": "out of disk"}'),
            HwIOError,
            3,
            "the server failed (500): out of disk",
        ),
        (answer(503, b"busy"), HwIOError, 3, "(503): busy"),
        ("huge", InvalidMsgError, 3, "longer than 8 MiB"),
        ("no http", InvalidMsgError, 3, "no valid HTTP"),
    ],
)
def test_an_answer_that_leaves_it_unknown(ei_service: Any, fault: Any, kind: type, exit_code: int, says: str) -> None:
    ei_service.faults = [fault]
    report = client(ei_service).upload([*samples(2), *samples(1, category="testing")], policy=Policy(**FAST))
    assert outcomes(report) == ["UNKNOWN", "UNKNOWN", "NOT_SENT"]
    assert type(report.fault) is kind
    assert says in str(report.fault)
    assert report.exit_code == exit_code
    assert len(ei_service.requests) == 1, "an answered request is never sent again"


@pytest.mark.parametrize(
    ("fault", "exit_code", "says"),
    [
        (answer(401, b'{"error": "no such key"}'), 2, "the API key was refused (401): no such key"),
        (answer(403, b""), 2, "refused (403)"),
        (answer(404, b"no such page"), 2, "refused (404): no such page"),
        (answer(302, b"", Location="https://evil.example/steal"), 3, "redirects to evil.example"),
        (answer(307, b"", Location="/elsewhere"), 3, "redirects to the same host"),
        (answer(429, b"slow down"), 3, "too many requests (429): slow down"),
    ],
)
def test_an_answer_after_which_it_is_useless_to_go_on(ei_service: Any, fault: Any, exit_code: int, says: str) -> None:
    ei_service.faults = [fault]
    report = client(ei_service).upload([*samples(2), *samples(1, category="testing")], policy=Policy(**FAST))
    assert outcomes(report) == ["NOT_SENT"] * 3
    assert says in str(report.fault)
    assert report.exit_code == exit_code
    assert len(ei_service.requests) == 1


def test_a_refused_batch_does_not_stop_the_next(ei_service: Any) -> None:
    ei_service.faults = [answer(400, b'{"success": false, "error": "bad"}')]
    report = client(ei_service).upload([*samples(2), *samples(1, category="testing")])
    assert outcomes(report) == ["REFUSED", "REFUSED", "ACCEPTED"]
    assert report.results[0].reason == "bad (400)"
    assert report.exit_code == 1


def test_a_refusal_while_the_body_is_still_sent_is_read(ei_service: Any) -> None:
    ei_service.faults = ["answer early"]
    big = sample_of_bytes("big.txt", b"x" * 30_000_000)
    report = client(ei_service).upload([big], policy=Policy(**FAST, retries=0))
    # Whether the answer is read before the reset is up to the kernel; never is it taken for stored.
    assert outcomes(report) in (["REFUSED"], ["NOT_SENT"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"success": false, "error": "quota"}', ["REFUSED", "REFUSED"]),
        (b'{"success": true, "files": [{"success": true}, {"success": false}]}', ["ACCEPTED", "REFUSED"]),
        (b'{"success": false, "files": [{"success": true}, {"success": false}]}', ["ACCEPTED", "REFUSED"]),
        (b'{"success": true, "files": [{"success": true}]}', ["UNKNOWN", "UNKNOWN"]),
        (b'{"success": true, "files": [{"success": true, "fileName": "up.1.txt"}]}', ["UNKNOWN", "ACCEPTED"]),
        (
            b'{"files": [{"success": false, "fileName": "up.1.txt"}, {"success": true, "fileName": "up.0.txt"}]}',
            ["ACCEPTED", "REFUSED"],
        ),
        (b'{"success": true, "files": [{"success": "yes"}, null]}', ["UNKNOWN", "UNKNOWN"]),
        (b'{"success": true, "files": [{"success": 1}, {}]}', ["UNKNOWN", "UNKNOWN"]),
    ],
)
def test_every_entry_of_an_answer_counts(ei_service: Any, content: bytes, expected: list[str]) -> None:
    ei_service.faults = [answer(200, content)]
    report = client(ei_service).upload(samples(2))
    assert outcomes(report) == expected
    assert report.exit_code == (3 if "UNKNOWN" in expected else 1)


def test_labels_and_attachments_go_with_the_samples_of_their_folder(ei_service: Any, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff" + name.encode())
    (tmp_path / "notes.txt").write_text("seen at night")
    boxes = tmp_path / "bounding_boxes.labels"
    box = '{"label": "cat", "x": 0, "y": 1, "width": 2, "height": 3}'
    boxes.write_text(
        f'{{"version": 1, "type": "bounding-box-labels", "boundingBoxes": {{"a.jpg": [{box}], "z.jpg": []}}}}'
    )
    attachments = tmp_path / "attachments.labels"
    attachments.write_text(
        '{"version": 1, "type": "attachments", "attachments": {"a.jpg": [{"filename": "notes.txt"}]}}'
    )
    files = [sample_of_file(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    report = client(ei_service).upload(files, [read_label_file(boxes), read_label_file(attachments)])
    assert outcomes(report) == ["ACCEPTED"] * 3
    extras = {extra.name: extra for extra in ei_service.extras}
    assert set(extras) == {"bounding_boxes.labels", "attachments.labels"}
    assert extras["bounding_boxes.labels"].content_type == "application/json"
    assert extras["bounding_boxes.labels"].content == (
        b'{"version":1,"type":"bounding-box-labels","boundingBoxes":'
        b'{"a.jpg":[{"label":"cat","x":0,"y":1,"width":2,"height":3}]}}'
    )
    assert ei_service.names() == ["a.jpg", "b.jpg", "c.jpg", "notes.txt"]


def test_a_file_that_changes_meanwhile_is_not_sent_to_its_end(ei_service: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 1000)
    sample = sample_of_file(path)
    for content in (b"b" * 1000, b"a" * 10):
        path.write_bytes(content)
        report = client(ei_service).upload([sample])
        assert outcomes(report) == ["NOT_SENT"]
        assert "was changed while it was uploaded" in str(report.fault)
    assert ei_service.stored == []


def test_several_connections(ei_service: Any) -> None:
    seen: list[tuple[int, int]] = []
    policy = Policy(jobs=4, batch_bytes=20)
    report = client(ei_service).upload(samples(40), policy=policy, progress=lambda done, of: seen.append((done, of)))
    assert report.is_complete
    assert len(ei_service.stored) == 40
    assert seen == sorted(seen)
    assert seen[-1] == (sum(s.size for s in samples(40)),) * 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupted_upload_leaves_no_thread(ei_service: Any) -> None:
    ei_service.faults = ["silent"] * 3

    def interrupt() -> None:
        ei_service.waiting.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    user = threading.Thread(target=interrupt)
    user.start()
    policy = Policy(jobs=3, batch_bytes=10)
    with pytest.raises(KeyboardInterrupt):
        client(ei_service, timeout=1000.0).upload(samples(6), policy=policy)
    user.join()
    end = time.monotonic() + 10
    # One that was just being started, and cannot be joined yet, sees that it is too late, and ends.
    while any(t.name.startswith("ei-upload") or isinstance(t, threading.Timer) for t in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_large_file_is_streamed(ei_service: Any, tmp_path: Path, peak_memory: Any) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(60_000_000)
    ei_service.keep_bodies = False
    ei_service.faults = [None] * 3
    sample = sample_of_file(path)
    assert peak_memory(lambda: client(ei_service).upload([sample], policy=Policy(retries=0))) < 12_000_000
    assert ei_service.received > 3 * 60_000_000


@pytest.mark.parametrize("fault", ["drop at start", "silent", "no http", answer(401, b""), "drop mid answer"])
def test_the_key_is_in_no_error(ei_service: Any, fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    ei_service.faults = [fault]
    key = "ei_secret_that_nobody_sees"
    report = client(ei_service, timeout=0.2, key=key).upload(samples(1), policy=Policy(retries=0))
    assert report.fault is not None
    text = "".join(traceback.format_exception(report.fault)) + repr(report) + repr(vars(report.fault)) + caplog.text
    assert key not in text
    chain: BaseException | None = report.fault
    while chain is not None:
        assert type(chain).__module__.startswith("ai_runner"), "httpx's exceptions hold the request"
        chain = chain.__context__


def test_the_key_that_a_server_repeats_is_hidden(ei_service: Any) -> None:
    report = client(ei_service, key="ei_wrong_key_of_mine").upload(samples(1))
    assert "Invalid API key [API key]" in str(report.fault)
    assert "ei_wrong_key_of_mine" not in repr(report.fault)


@pytest.mark.parametrize(
    "address",
    [
        "http://ingestion.edgeimpulse.com",
        "http://192.168.1.5:80",
        "ftp://localhost",
        "localhost",
        "https://u:p@host",
        "https://h/?a=b",
        "http://localhost.evil.example",
        "https://",
        "https://a b",
        "http://[::1",
        "http://localhost:99999",
    ],
)
def test_addresses_that_a_key_is_not_sent_to(address: str) -> None:
    with pytest.raises(InvalidParamError):
        IngestionClient("ei_key", address=address)


@pytest.mark.parametrize(
    "address", ["https://h.example/x/", "http://localhost:1", "http://127.0.0.2", "http://[::1]:5"]
)
def test_addresses_that_are_fine(address: str) -> None:
    assert IngestionClient("ei_key", address=address).address == address.rstrip("/")


def test_a_policy_that_makes_no_sense() -> None:
    for wrong in ({"jobs": 0}, {"jobs": 17}, {"retries": -1}, {"pause": -1.0}, {"batch_bytes": 0}):
        with pytest.raises(InvalidParamError):
            Policy(**wrong)  # type: ignore[arg-type]


def test_deadline_of_an_answer_counts_as_a_whole(ei_service: Any) -> None:
    from ai_runner.edge_impulse.secret import Secret
    from ai_runner.edge_impulse.service import Line

    ei_service.faults = ["trickle"]
    line = Line(ei_service.address, Secret(ei_service.KEY), 20.0)
    answered = line.open("GET", "/nothing")
    with pytest.raises(LinkTimeoutError, match="did not end in time"):
        answered.whole(Deadline(0.0))
    answered.close()
    line.close()


def test_outcomes_are_told_apart(ei_service: Any) -> None:
    report = client(ei_service).upload(samples(1))
    assert len(report.with_outcome(Outcome.ACCEPTED)) == 1
    assert report.with_outcome(Outcome.REFUSED) == []
