"""Where inputs and labels come from: arrays, CSV files, folders of images or WAV, a loader of the user, random numbers.

A source has `samples`, `seed`, `labels`, `description` and `chunk(start, stop)`, which gives one array an input,
``(stop - start,) + sample_shape`` in the type that the model stores. Memory does not grow with the number of samples.
"""

from ai_runner.data.array_file import MAX_NPZ_BYTES, load_arrays
from ai_runner.data.array_inputs import ArrayInputs, FileInputs
from ai_runner.data.csv_inputs import CsvInputs
from ai_runner.data.image_inputs import ImageInputs
from ai_runner.data.labelled_files import LabelledFiles, labelled_files
from ai_runner.data.labels import Labels, load_labels, read_labels, split_labels
from ai_runner.data.loader_inputs import LoaderInputs
from ai_runner.data.preprocessing import Preprocessing, parse_preprocessing
from ai_runner.data.random_inputs import DEFAULT_SAMPLES, DEFAULT_SEED, RandomInputs
from ai_runner.data.sound_inputs import SoundInputs
from ai_runner.data.source import Source, open_source, with_labels

__all__ = [
    "DEFAULT_SAMPLES",
    "DEFAULT_SEED",
    "MAX_NPZ_BYTES",
    "ArrayInputs",
    "CsvInputs",
    "FileInputs",
    "ImageInputs",
    "LabelledFiles",
    "Labels",
    "LoaderInputs",
    "Preprocessing",
    "RandomInputs",
    "SoundInputs",
    "Source",
    "labelled_files",
    "load_arrays",
    "load_labels",
    "open_source",
    "parse_preprocessing",
    "read_labels",
    "split_labels",
    "with_labels",
]
