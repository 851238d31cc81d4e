"""``ai-runner ei``: data to an Edge Impulse project, and deployments from it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ai_runner.cli.console import add_verbosity
from ai_runner.cli.inputs import natural, positive, tolerance
from ai_runner.errors import ExitCode, InvalidParamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_runner.edge_impulse.ingestion import LabelFile, Sample, SampleResult, UploadReport
    from ai_runner.edge_impulse.secret import Secret

HELP = "upload data to an Edge Impulse project, download a deployment"

_KEY_HELP = "API key: the variable EI_API_KEY, or --api-key-file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``upload FILES``, ``collect FILES`` and ``download --project ID --target FORMAT``."""
    verbs = parser.add_subparsers(dest="ei_verb", metavar="upload|collect|download", required=True)
    _refuse_key(parser)
    what = "upload files: images, WAV, video, CSV, JSON and CBOR documents, with their *.labels files"
    upload = verbs.add_parser("upload", help=what, description=f"{what}. {_KEY_HELP}.", allow_abbrev=False)
    upload.add_argument("files", metavar="FILE", nargs="+", help="files, *.labels files, and folders of them")
    _add_upload_arguments(upload)
    upload.add_argument("--no-check", action="store_true", help="send files as they are, whatever they hold")
    what = "upload inputs with their labels and the reason: rows of .npz files as documents, images and WAV as they are"
    collect = verbs.add_parser("collect", help=what, description=f"{what}. {_KEY_HELP}.", allow_abbrev=False)
    collect.add_argument("files", metavar="FILE", nargs="+", help=".npz files (docs/ingestion.md), images, WAV files")
    _add_upload_arguments(collect)
    _add_row_arguments(collect)
    what = "download a deployment, and have it built before if there is none"
    download = verbs.add_parser("download", help=what, description=f"{what}. {_KEY_HELP}.", allow_abbrev=False)
    _add_download_arguments(download)


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api-key-file", metavar="FILE", help="holds the API key (default: the variable EI_API_KEY)")
    parser.add_argument("--address", metavar="URL", help="of the service (default: the public one, or as EI_HOST says)")
    parser.add_argument("--timeout", metavar="S", type=_seconds, help="how long an answer may take")
    _refuse_key(parser)
    add_verbosity(parser)


def _refuse_key(parser: argparse.ArgumentParser) -> None:
    """An unknown argument would be repeated in the error; a key must not be."""
    names = ("--api-key", "--apikey", "--key", "--hmac-key")
    parser.add_argument(*names, action=_KeyInTheOpen, nargs="?", help=argparse.SUPPRESS)


class _KeyInTheOpen(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        raise InvalidParamError(
            "a key on the command line is seen by everybody on this machine",
            hint="set EI_API_KEY (EI_HMAC_KEY), or use --api-key-file (--hmac-key-file)",
        )


def _add_upload_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--category", choices=("training", "testing", "anomaly", "split"), help="where to (default: training)"
    )
    group.add_argument(
        "--split", action="store_true", help="as --category split: 80 %% training, 20 %% testing, by the content's MD5"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--label", metavar="L", type=_label, help="of all (default: the beginning of each file's name)")
    group.add_argument("--no-label", action="store_true", help="without a label")
    parser.add_argument("--metadata", metavar="K=V", type=_pair, action="append", default=[], help="repeat for several")
    parser.add_argument("--allow-duplicates", action="store_true", help="also store what the project has already")
    parser.add_argument("--add-date-id", action="store_true", help="append a unique id to the stored names")
    parser.add_argument("--jobs", metavar="N", type=positive, default=1, help="connections at once (default: 1)")
    parser.add_argument("--retries", metavar="N", type=natural, default=4, help="after lost connections (default: 4)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--journal", metavar="FILE", help="notes what is done, to go on from (default: one in the cache directory)"
    )
    group.add_argument("--no-journal", action="store_true", help="start anew, and note nothing")
    parser.add_argument(
        "--resend-unknown", action="store_true", help="with --allow-duplicates: also what may have arrived earlier"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would be sent, send nothing")
    _add_server_arguments(parser)


def _add_row_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", default="", help="why they are sent, where the file does not say")
    parser.add_argument("--interval-ms", metavar="MS", type=tolerance, help="from one value to the next")
    parser.add_argument("--sensors", metavar="A[:UNIT],B,...", type=_names, help="the columns of a row")
    parser.add_argument("--class-names", metavar="A,B,...", type=_names, help="of integer labels")
    parser.add_argument("--rows", metavar="I,J,...", type=_numbers, help="which rows (default: all)")
    parser.add_argument("--encoding", choices=("json", "cbor"), default="json", help="of documents (default: json)")
    parser.add_argument("--hmac-key-file", metavar="FILE", help="signs documents (default: the variable EI_HMAC_KEY)")


def _add_download_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", metavar="ID", type=positive, required=True, help="its number")
    parser.add_argument("--target", metavar="FORMAT", required=True, help="runner-linux-x86_64, zip (C++ library), ...")
    parser.add_argument("--engine", metavar="E", help="tflite, tflite-eon, ... (default: the target's own)")
    parser.add_argument(
        "--model-type", choices=("int8", "float32", "akida"), default="float32", help="(default: float32)"
    )
    parser.add_argument("--impulse", metavar="N", type=positive, help="(default: the project's default impulse)")
    parser.add_argument("--out", metavar="FILE", help="copy it to FILE (default: it stays in the cache)")
    parser.add_argument("--force-build", action="store_true", help="build it anew")
    parser.add_argument("--build-timeout", metavar="S", type=_seconds, help="how long the job may take (default: 3600)")
    parser.add_argument("--cancel", action="store_true", help="Ctrl-C cancels the job, which otherwise goes on")
    parser.add_argument("--cache-dir", metavar="DIR", help="where deployments are kept (docs/ingestion.md)")
    _add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Uploads or downloads; the exit code says what became of it."""
    if args.ei_verb == "download":
        return _download(args)
    samples, label_files = _collected(args) if args.ei_verb == "collect" else _files(args)
    if not samples:
        raise InvalidParamError("no files to upload", hint="their extensions are listed in docs/ingestion.md")
    return _upload(args, samples, label_files)


def _files(args: argparse.Namespace) -> tuple[list[Sample], list[LabelFile]]:
    import logging

    from ai_runner.cli.console import ProgressBar
    from ai_runner.edge_impulse.ingestion import files_in, read_label_file, sample_of_file

    paths, label_paths, left_out = files_in(args.files)
    if left_out:
        logging.getLogger("ai_runner.cli").warning(
            "%d files of the folders are left out: no known extension, for instance %s", len(left_out), left_out[0]
        )
    label_files = [read_label_file(path) for path in label_paths]
    attached = {path for file in label_files for name in file.entries for path in file.attachments(name)}
    paths = [path for path in paths if path not in attached]
    samples = []
    with ProgressBar("check") as progress:
        for i, path in enumerate(paths):
            samples.append(sample_of_file(path, **_about(args), check=not args.no_check))
            progress(i + 1, len(paths))
    return samples, label_files


def _collected(args: argparse.Namespace) -> tuple[list[Sample], list[LabelFile]]:
    from ai_runner.data import load_arrays
    from ai_runner.edge_impulse.ingestion import RowSettings, sample_of_file, samples_of_rows
    from ai_runner.edge_impulse.secret import hmac_key

    about = _about(args)
    metadata = about["metadata"] | ({"reason": args.reason} if args.reason else {})
    settings = RowSettings(
        **about,
        interval_ms=args.interval_ms,
        sensors=args.sensors or (),
        class_names=args.class_names or (),
        reason=args.reason,
        indices=args.rows,
    )
    key = hmac_key(args.hmac_key_file)
    samples: list[Sample] = []
    for path in map(Path, args.files):
        if path.suffix.lower() == ".npz":
            arrays = load_arrays(path, text=True)
            samples += samples_of_rows(arrays, str(path), path.stem, settings, encoding=args.encoding, hmac_key=key)
        else:
            samples.append(sample_of_file(path, **(about | {"metadata": metadata})))
    return samples, []


def _about(args: argparse.Namespace) -> dict[str, Any]:
    from ai_runner.edge_impulse.ingestion import NO_LABEL

    return {
        "category": "split" if args.split else args.category or "training",
        "label": NO_LABEL if args.no_label else args.label,
        "metadata": dict(args.metadata),
    }


def _upload(args: argparse.Namespace, samples: Sequence[Sample], label_files: Sequence[LabelFile]) -> int:
    from ai_runner.cli.console import ProgressBar
    from ai_runner.edge_impulse.ingestion import IngestionClient, Policy
    from ai_runner.edge_impulse.secret import api_key

    policy = Policy(
        allow_duplicates=args.allow_duplicates,
        add_date_id=args.add_date_id,
        resend_unknown=args.resend_unknown,
        retries=args.retries,
        jobs=args.jobs,
    )
    if args.dry_run:
        return _show_plan(samples, label_files)
    timeout = {} if args.timeout is None else {"timeout": args.timeout}
    key = api_key(args.api_key_file)
    client = IngestionClient(key, address=args.address, **timeout)
    journal = None if args.no_journal else args.journal or _journal_of(client.address, key, samples)
    with ProgressBar("upload, KiB") as bar:
        report = client.upload(
            samples,
            label_files,
            policy=policy,
            journal=journal,
            progress=lambda done, total: bar(done >> 10, total >> 10),
        )
    _show_report(report)
    if journal is not None and not report.is_complete:
        print("the same command again goes on from here; what was accepted is not sent twice")
    if report.fault is not None:
        raise report.fault
    return report.exit_code


def _journal_of(address: str, key: Secret, samples: Sequence[Sample]) -> Path:
    """The journal of this upload: the same samples to the same project have the same."""
    import hashlib

    from ai_runner.edge_impulse.deployment_cache import user_cache

    digest = hashlib.sha256(f"{address}\n{key.reveal()}\n".encode())
    for line in sorted(f"{s.sha256} {s.category} {s.shown_label!r} {s.name!r}" for s in samples):
        digest.update(line.encode())
    return user_cache() / "ei-upload" / f"{digest.hexdigest()[:16]}.journal"


def _show_plan(samples: Sequence[Sample], label_files: Sequence[LabelFile]) -> int:
    from collections import Counter

    from ai_runner.report.printable import printable

    for file in label_files:
        file.check_against(samples)
    groups = Counter((sample.category, sample.shown_label) for sample in samples)
    for (category, label), count in sorted(groups.items()):
        print(printable(f"{category:9} {label or '(no label)'}: {count}"))
    size = sum(sample.size for sample in samples)
    print(f"would send {len(samples)} samples, {size:,} bytes")
    return ExitCode.PASS


def _show_report(report: UploadReport) -> None:
    from ai_runner.edge_impulse.ingestion import Outcome
    from ai_runner.report.printable import printable

    for outcome in (Outcome.REFUSED, Outcome.UNKNOWN):
        for result in report.with_outcome(outcome):
            print(printable(f"{outcome.value:8} {_name(result)}: {result.reason}"))
    counts = [(outcome.value, len(report.with_outcome(outcome))) for outcome in Outcome]
    print(", ".join(f"{count} {what}" for what, count in counts if count))


def _name(result: SampleResult) -> str:
    content = result.sample.content
    return str(content) if isinstance(content, Path) else result.sample.name


def _download(args: argparse.Namespace) -> int:
    from ai_runner.cli.console import ProgressBar
    from ai_runner.edge_impulse.deployment_cache import copy_deployment
    from ai_runner.edge_impulse.secret import api_key
    from ai_runner.edge_impulse.studio import BUILD_SECONDS, Studio
    from ai_runner.report.output_file import check_writable
    from ai_runner.report.printable import printable

    if args.out:
        check_writable(args.out)
    timeout = {} if args.timeout is None else {"timeout": args.timeout}
    key = api_key(args.api_key_file)
    with (
        Studio(args.project, key, address=args.address, cache=args.cache_dir, **timeout) as studio,
        ProgressBar("download") as progress,
    ):
        found = studio.deployment(
            args.target,
            engine=args.engine,
            model_type=args.model_type,
            impulse=args.impulse,
            force_build=args.force_build,
            build_timeout=BUILD_SECONDS if args.build_timeout is None else args.build_timeout,
            cancel_on_interrupt=args.cancel,
            progress=progress,
        )
    path = found.path
    if args.out:
        path = Path(args.out)
        copy_deployment(found.path, path)
    how = "built" if found.was_built else "downloaded" if found.was_downloaded else "from the cache"
    print(printable(f"{path}: version {found.version}, {found.format}, {found.engine}, {found.model_type}; {how}"))
    return ExitCode.PASS


def _seconds(text: str) -> float:
    seconds = tolerance(text)
    if not 0.0 < seconds <= 86400.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 86400")
    return seconds


def _label(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty label is no label: use --no-label")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names")
    return names


def _numbers(text: str) -> list[int]:
    return [natural(number) for number in text.split(",")]
