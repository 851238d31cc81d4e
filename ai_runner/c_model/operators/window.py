"""Geometry of convolution and pooling windows (TFLite's padding.h)."""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.c_model.node import ParamValue
from ai_runner.c_model.operators.operator_view import OperatorView


@dataclass(frozen=True)
class Window:
    """A window that slides over an image; the fields are those of `window_2d`."""

    batches: int
    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    height: int
    width: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_left: int

    @property
    def params(self) -> dict[str, ParamValue]:
        """The fields of the parameter `window`."""
        return {f"window.{name}": value for name, value in vars(self).items()}

    @property
    def positions(self) -> int:
        """Output elements of one channel."""
        return self.batches * self.out_height * self.out_width


def window_of(op: OperatorView, height: int, width: int, out_channels: int) -> Window:
    """The window of an operator with a stride, a padding and perhaps a dilation.

    Raises:
        InvalidModelError: input or output are not images, or the output does not have the size that follows.
    """
    shape = op.input(0).shape
    op.require(len(shape) == 4, f"its input has {len(shape)} dimensions instead of 4")
    batches, in_height, in_width, in_channels = shape
    stride_h, stride_w = op.option("stride_h"), op.option("stride_w")
    dilation_h = op.operator.options.get("dilation_h_factor", 1)
    dilation_w = op.operator.options.get("dilation_w_factor", 1)
    assert isinstance(dilation_h, int) and isinstance(dilation_w, int)  # noqa: S101,PT018 - the reader's types
    op.require(min(stride_h, stride_w) > 0, f"stride {stride_h} x {stride_w}")
    op.require(min(dilation_h, dilation_w) > 0, f"dilation {dilation_h} x {dilation_w}")
    op.require(min(height, width) > 0, f"window {height} x {width}")
    op.require(max(height * dilation_h, width * dilation_w, stride_h, stride_w) < 2**15, "its window is too large")
    out_height, pad_top = _along(op, in_height, height, stride_h, dilation_h)
    out_width, pad_left = _along(op, in_width, width, stride_w, dilation_w)
    op.require_output_shape([batches, out_height, out_width, out_channels])
    return Window(
        batches=batches,
        in_height=in_height,
        in_width=in_width,
        in_channels=in_channels,
        out_height=out_height,
        out_width=out_width,
        out_channels=out_channels,
        height=height,
        width=width,
        stride_height=stride_h,
        stride_width=stride_w,
        dilation_height=dilation_h,
        dilation_width=dilation_w,
        pad_top=pad_top,
        pad_left=pad_left,
    )


def _along(op: OperatorView, size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """Output size and padding before the first element along one dimension."""
    span = (window - 1) * dilation + 1
    padding = op.option("padding")
    if padding == "SAME":
        out = -(-size // stride)
    elif padding == "VALID":
        out = (size + stride - span) // stride
    else:
        raise op.unsupported(f"padding {padding}")
    op.require(out > 0, f"its window of {span} does not fit an image of {size}")
    return out, max(0, (out - 1) * stride + span - size) // 2
