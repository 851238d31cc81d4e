"""Uploads to an Edge Impulse project: files, recordings, labels (docs/ingestion.md).

::

    samples = [sample_of_file(Path("idle.1.csv"), category="split")]
    report = IngestionClient().upload(samples, journal="upload.journal")   # the key comes from EI_API_KEY
"""

from __future__ import annotations

from ai_runner.edge_impulse.ingestion.document import Recording, Sensor, is_signed_by, signed
from ai_runner.edge_impulse.ingestion.label_files import LabelFile, read_label_file
from ai_runner.edge_impulse.ingestion.reply import Outcome, SampleResult, UploadReport
from ai_runner.edge_impulse.ingestion.rows import RowSettings, samples_of_rows
from ai_runner.edge_impulse.ingestion.sample import (
    NO_LABEL,
    Sample,
    files_in,
    label_in,
    sample_of_bytes,
    sample_of_file,
    split_category,
)
from ai_runner.edge_impulse.ingestion.uploader import IngestionClient, Policy

__all__ = [
    "NO_LABEL",
    "IngestionClient",
    "LabelFile",
    "Outcome",
    "Policy",
    "Recording",
    "RowSettings",
    "Sample",
    "SampleResult",
    "Sensor",
    "UploadReport",
    "files_in",
    "is_signed_by",
    "label_in",
    "read_label_file",
    "sample_of_bytes",
    "sample_of_file",
    "samples_of_rows",
    "signed",
    "split_category",
]
