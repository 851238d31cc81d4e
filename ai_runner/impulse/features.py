"""What may be given to a model as features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError


def checked_features(features: Any, count: int) -> npt.NDArray[np.float32]:
    """`features` as float32 (count,).

    Raises:
        InvalidParamError: they are no numbers, not finite, or not as many.
    """
    try:
        array = np.asarray(features, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidParamError(f"features are no numbers: {error}") from error
    if array.size != count:
        raise InvalidParamError(
            f"{array.size} features, and the model takes {count}",
            hint="the raw features of one window or image; input_features_count of the hello",
        )
    check_finite(array)
    return array.reshape(-1)


def check_finite(features: npt.NDArray[Any]) -> None:
    """Raises InvalidParamError where a feature is NaN or infinite."""
    # Counting takes half the time of all(), which is written in Python; this is done for every sample.
    if np.count_nonzero(np.isfinite(features)) != features.size:
        raise InvalidParamError(
            "features have to be finite", hint="a quantised network makes some ordinary-looking result of NaN"
        )
