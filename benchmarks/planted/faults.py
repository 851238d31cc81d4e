"""The kinds of faults, each planted into one node of an instrumented C-model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planted.instrumented import InstrumentedModel, Rounding

Array = npt.NDArray[Any]
Planted = AbstractContextManager[None]

_OF_CHANNELS = ("bias", "multiplier", "shift")


@dataclass(frozen=True)
class Site:
    """A node that gets a fault.

    Attributes:
        node: its position, which is the index of the operator in the .tflite.
        operator: ``CONV_2D``, ...
        channels: size of the last dimension of what it writes.
        rng: chooses where exactly, and how much.
    """

    model: InstrumentedModel
    node: int
    operator: str
    channels: int
    is_float: bool
    rng: np.random.Generator

    @property
    def parameters(self) -> dict[str, int | float]:
        return self.model.parameters[self.node]

    def constant(self, member: str) -> Array | None:
        """On the library's memory; None where the node has no such constant."""
        return self.model.constants.get(f"node_{self.node}_{member}")

    def filters(self) -> Array | None:
        """The weights, one row an output channel: a view."""
        weights = self.constant("weights")
        if weights is None:
            return None
        rows_first = not self.is_float and self.operator in ("CONV_2D", "FULLY_CONNECTED")
        return weights.reshape(self.channels, -1) if rows_first else weights.reshape(-1, self.channels).T

    def typed(self, raw: Array) -> Array:
        """Bytes as the values of the model."""
        return raw.view(np.float32 if self.is_float else np.int8)

    def channel(self) -> int:
        return int(self.rng.integers(self.channels))

    def patch(self, **parameters: int | float) -> Planted:
        """Other parameters, dots in their names written as two underscores."""
        named = {name.replace("__", "."): value for name, value in parameters.items()}
        return self.model.planted(self.node, parameters=named)

    def after(self, change: Callable[[Array], None]) -> Planted:
        """Changes what the node has written: its values as ``(positions, channels)``, in place."""
        return self.model.planted(self.node, after=lambda raw: change(self.typed(raw).reshape(-1, self.channels)))


@contextmanager
def _changed(*changes: tuple[Array, Any]) -> Iterator[None]:
    before = [array.copy() for array, _ in changes]
    for array, value in changes:
        array[...] = value
    try:
        yield
    finally:
        for (array, _), value in zip(changes, before, strict=True):
            array[...] = value


def _steps(site: Site) -> int:
    return int(site.rng.choice([-10, -5, -3, -2, -1, 1, 2, 3, 5, 10]))


def zero_point_of_input(site: Site) -> Planted | None:
    name = "offset_a" if site.operator == "ADD" else "input_offset"
    return site.patch(**{name: int(site.parameters[name]) + _steps(site)}) if name in site.parameters else None


def zero_point_of_output(site: Site) -> Planted | None:
    offset = site.parameters.get("output_offset")
    return None if offset is None else site.patch(output_offset=int(offset) + _steps(site))


def swapped_channels(site: Site) -> Planted | None:
    if site.channels < 2:
        return None
    one, other = (int(c) for c in site.rng.choice(site.channels, 2, replace=False))
    filters = site.filters()
    if filters is None:

        def swap(values: Array) -> None:
            values[:, [one, other]] = values[:, [other, one]]

        return site.after(swap)
    changes = [(filters[one], filters[other].copy()), (filters[other], filters[one].copy())]
    for member in _OF_CHANNELS:
        values = site.constant(member)
        if values is not None and values.size == site.channels:
            changes.append((values, _with_swap(values, one, other)))
    return _changed(*changes)


def _with_swap(values: Array, one: int, other: int) -> Array:
    swapped = values.copy()
    swapped[[one, other]] = values[[other, one]]
    return swapped


def swapped_inputs(site: Site) -> Planted | None:
    """Two channels of the input are taken for each other by the weights."""
    filters, depth = site.filters(), int(site.parameters.get("window.in_channels", 0))
    if filters is None or depth < 2 or site.operator != "CONV_2D":
        return None
    one, other = (int(c) for c in site.rng.choice(depth, 2, replace=False))
    by_channel = np.stack([filters[:, start::depth] for start in range(depth)])
    return _changed((filters[:, one::depth], by_channel[other]), (filters[:, other::depth], by_channel[one]))


def wrong_rounding(site: Site) -> Planted | None:
    if site.is_float or site.operator in ("SOFTMAX", "RESHAPE", "MAX_POOL_2D"):
        return None
    how = Rounding(int(site.rng.choice([Rounding.DOWN, Rounding.TOWARDS_ZERO, Rounding.UP])))
    return site.model.planted(site.node, rounding=how)


def overflow(site: Site) -> Planted | None:
    if site.is_float or site.operator not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return None
    return site.model.planted(site.node, rounding=Rounding(int(site.rng.choice([Rounding.OVERFLOW, Rounding.SHORT]))))


def _scaled(site: Site, factor: float, channel: int | None) -> Planted | None:
    rows = slice(None) if channel is None else slice(channel, channel + 1)
    filters = site.filters()
    if site.is_float:
        return None if filters is None else _changed((filters[rows], filters[rows] * np.float32(factor)))
    multiplier, scale = site.constant("multiplier"), site.constant("scale")
    if multiplier is not None:
        limit = 2**31 - 1
        return _changed((multiplier[rows], np.minimum(multiplier[rows].astype(np.float64) * factor, limit)))
    if scale is not None and (channel is None or scale.size > 1):
        return _changed((scale[rows], scale[rows] * factor))
    for name in ("output_multiplier", "multiplier_a", "input_multiplier"):
        if channel is None and name in site.parameters:
            return site.patch(**{name: min(int(int(site.parameters[name]) * factor), 2**31 - 1)})
    return None


def scale_off_by_one_percent(site: Site) -> Planted | None:
    return _scaled(site, float(site.rng.choice([0.99, 1.01])), None)


def scale_of_one_channel(site: Site) -> Planted | None:
    return _scaled(site, float(site.rng.choice([0.9, 0.95, 1.05, 1.1])), site.channel())


def padding_off_by_one(site: Site) -> Planted | None:
    if site.parameters.get("window.height", 1) == 1 or "POOL" in site.operator:
        return None
    side = str(site.rng.choice(["window.pad_top", "window.pad_left"]))
    padding = int(site.parameters[side])
    return site.patch(**{side.replace(".", "__"): padding + (1 if padding == 0 else int(site.rng.choice([-1, 1])))})


def corrupted_filter(site: Site) -> Planted | None:
    filters = site.filters()
    if filters is None:
        return None
    row = filters[site.channel()]
    if site.is_float:
        return _changed((row, site.rng.normal(0.0, float(row.std()) + 1e-3, row.shape)))
    return _changed((row, site.rng.integers(-128, 128, row.shape)))


def flipped_bit(site: Site) -> Planted | None:
    """The highest bit of one weight; in a float one of the exponent."""
    filters = site.filters()
    if filters is None:
        return None
    place = site.channel(), int(site.rng.integers(filters.shape[1]))
    if site.is_float:
        flipped = (filters[place].view(np.uint32) ^ np.uint32(1 << 25)).view(np.float32)
    else:
        flipped = np.int8(int(filters[place]) ^ -128)
    return _changed((filters[place[0] : place[0] + 1, place[1] : place[1] + 1], flipped))


def lost_bias(site: Site) -> Planted | None:
    bias = site.constant("bias")
    if bias is None or not bias.any():
        return None
    channel = int(site.rng.choice(np.flatnonzero(bias)))
    return _changed((bias[channel : channel + 1], 0))


def overlapping_buffer(site: Site) -> Planted | None:
    """Something writes into the tensor that the node is about to read: the node is its first reader."""
    share, start = site.rng.uniform(0.05, 0.5), site.rng.uniform(0.0, 0.5)

    def damage(inputs: list[Array]) -> None:
        values = site.typed(inputs[0])
        first, size = int(start * values.size), max(2, int(share * values.size))
        values[first : first + size] = np.roll(values, values.size // 3 + 1)[first : first + size]

    return site.model.planted(site.node, before=damage)


def stale_output(site: Site) -> Planted | None:
    """What the sample before has left is still there."""
    earlier: list[Array] = []

    def keep(values: Array) -> None:
        earlier.append(values.copy())
        values[...] = earlier[max(0, len(earlier) - 2)]

    return site.after(keep)


def skipped_node(site: Site) -> Planted | None:
    """The node does not run: its buffer holds what another node has left there."""
    return site.model.planted(site.node, before=lambda inputs: True)


def saturation(site: Site) -> Planted | None:
    share = site.rng.uniform(0.3, 0.8)
    if site.is_float:

        def clip(values: Array) -> None:
            np.minimum(values, float(values.max()) * share, out=values)

        return site.after(clip)
    if "output_max" in site.parameters:
        return site.patch(output_max=int(-128 + 255 * share))
    return site.after(lambda values: np.copyto(values, np.minimum(values, np.int8(-128 + 255 * share))))


def lost_activation(site: Site) -> Planted | None:
    """The fused ReLU is missing, or there is one that should not be."""
    if site.is_float:
        if "output_max" in site.parameters or "output_min" in site.parameters:
            return site.patch(output_min=-3e38)
        return site.after(lambda values: np.copyto(values, np.maximum(values, 0.0)))
    lower, offset = site.parameters.get("output_min"), site.parameters.get("output_offset")
    if lower is None or offset is None:
        return None
    if lower > -128:
        return site.patch(output_min=-128)
    return site.patch(output_min=min(int(offset), 126) if offset > -128 else -100)


def not_a_number(site: Site) -> Planted | None:
    if not site.is_float:
        return None
    value, everything = site.rng.choice([np.nan, np.inf]), bool(site.rng.integers(2))

    def spoil(values: Array) -> None:
        rows = values.reshape(-1)
        rows[slice(None) if everything else slice(rows.size // 2, rows.size // 2 + 1)] = value

    return site.after(spoil)


def softmax_table(site: Site) -> Planted | None:
    table = site.model.exponentials
    if site.operator != "SOFTMAX" or site.is_float or table is None:
        return None
    entry = int(site.rng.integers(0, 4))
    return _changed((table[entry : entry + 1], table[entry] * site.rng.uniform(0.3, 0.9)))


def softmax_beta(site: Site) -> Planted | None:
    if site.operator != "SOFTMAX":
        return None
    if site.is_float:
        return site.patch(beta=0.9)
    return site.patch(input_multiplier=int(int(site.parameters["input_multiplier"]) * 0.8))


def one_element(site: Site) -> Planted | None:
    """One element of every sample."""
    place, steps = site.rng.uniform(), int(site.rng.choice([-6, -4, 4, 6]))

    def spoil(values: Array) -> None:
        rows = values.reshape(-1)
        at = int(place * rows.size)
        if site.is_float:
            rows[at] += np.float32(1e-3) * np.abs(rows).max()
        else:
            rows[at] = np.clip(int(rows[at]) + (steps if abs(int(rows[at]) + steps) < 128 else -steps), -128, 127)

    return site.after(spoil)


def some_samples(site: Site) -> Planted | None:
    """An offset in a part of the tensor, in every eighth sample only."""
    runs, share = [0], site.rng.uniform(0.1, 1.0)

    def spoil(values: Array) -> None:
        runs[0] += 1
        if runs[0] % 8 == 3:
            part = values.reshape(-1)[: max(1, int(share * values.size))]
            part[...] = part * 0.9 if site.is_float else np.clip(part.astype(np.int32) + 4, -128, 127)

    return site.after(spoil)


Kind = Callable[[Site], Planted | None]

KINDS: tuple[Kind, ...] = (
    zero_point_of_input,
    zero_point_of_output,
    swapped_channels,
    swapped_inputs,
    wrong_rounding,
    overflow,
    scale_off_by_one_percent,
    scale_of_one_channel,
    padding_off_by_one,
    corrupted_filter,
    flipped_bit,
    lost_bias,
    overlapping_buffer,
    stale_output,
    skipped_node,
    saturation,
    lost_activation,
    not_a_number,
    softmax_table,
    softmax_beta,
    one_element,
    some_samples,
)
