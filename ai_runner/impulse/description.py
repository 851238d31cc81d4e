"""An impulse in the words of ai_runner.model: tensors, stages, runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ai_runner.descriptor import Descriptor
from ai_runner.impulse.hello import Anomaly, Hello
from ai_runner.impulse.result import output_tensors
from ai_runner.model import Caps, DeviceInfo, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo, TensorRole
from ai_runner.packed_pixels import ASSUMED_SCALE, PIXEL_SCALES, PackedPixels

_FEATURES = "features"


def model_info(
    hello: Hello,
    name: str,
    protocol: str,
    device: DeviceInfo,
    freeform_sizes: Sequence[int] = (),
    attributes: Mapping[str, str] | None = None,
    scale: str | None = None,
) -> ModelInfo:
    """Describes an impulse as a model with one input, ``features`` float32 (1, features).

    Args:
        hello: what it says of itself.
        name: of the model.
        protocol: how the host talks to it.
        device: that runs it.
        freeform_sizes: elements of each output of a freeform model, where the hello does not have them.
        attributes: further facts, printed first.
        scale: one of PIXEL_SCALES: what the impulse makes of pixels before its model gets them, which it does not say;
            None where nobody does.

    Raises:
        InvalidMsgError: the hello promises no output.
    """
    return ModelInfo(
        name=name,
        inputs=(_features(hello, scale),),
        outputs=output_tensors(hello, freeform_sizes),
        runtime=RuntimeInfo(
            protocol=protocol,
            name=f"Edge Impulse ({hello.engine_name})",
            rt_lib_desc=hello.engine_name,
            capabilities=(Caps.IO_ONLY, Caps.PER_LAYER),
            attributes={**(attributes or {}), **dict(_attributes(hello))},
        ),
        device=device,
        n_nodes=len(stages(hello)),
    )


def _features(hello: Hello, scale: str | None) -> TensorInfo:
    height, width, channels = hello.image_height, hello.image_width, hello.image_channels
    pixels = None
    if height * width == hello.features and channels in (1, 3):
        low, high = PIXEL_SCALES[scale or ASSUMED_SCALE]
        pixels = PackedPixels(height, width, channels, low, high, assumed=scale is None)
    return TensorInfo(
        _FEATURES,
        (1, hello.features),
        np.dtype(np.float32),
        role=TensorRole.INPUT,
        tag="I.0",
        pixels=pixels,
    )


def pixel_scale(descriptor: Descriptor) -> str | None:
    """The option ``scale`` of a descriptor, one of PIXEL_SCALES; None where it is not given."""
    return descriptor.choice("scale", tuple(PIXEL_SCALES), ASSUMED_SCALE) if "scale" in descriptor.options else None


def takes_raw_features(inputs: Sequence[TensorInfo]) -> bool:
    """True for the inputs of impulses: one vector of real values, as `model_info` describes it."""
    return len(inputs) == 1 and inputs[0].name == _FEATURES and inputs[0].dtype.kind == "f"


def stages(hello: Hello) -> tuple[str, ...]:
    """The stages of an impulse whose times a runtime tells, as replies name them."""
    return ("dsp", "classification", *(("anomaly",) if hello.anomaly != Anomaly.NONE else ()))


def stage_nodes(hello: Hello) -> tuple[NodeInfo, ...]:
    """The stages as nodes; they show no tensors."""
    return tuple(NodeInfo(name, m_id=-1, type_id=0, type_name=name, outputs=()) for name in stages(hello))


def _attributes(hello: Hello) -> list[tuple[str, str]]:
    image = f"{hello.image_width}x{hello.image_height}x{hello.image_channels}"
    facts = [
        ("project", f"{hello.project_name} ({hello.project_id})" if hello.project_id else hello.project_name),
        ("owner", hello.owner),
        ("deploy_version", str(hello.deploy_version or "")),
        ("impulse", hello.impulse_name),
        ("model_type", hello.model_type),
        ("engine", hello.engine_name),
        ("engine_properties", ", ".join(hello.engine_properties)),
        ("sensor", hello.sensor_name),
        ("frequency", f"{hello.frequency:g} Hz" if hello.frequency else ""),
        ("image", f"{image}, {hello.resize_mode}" if hello.image_width else ""),
    ]
    return [(key, " ".join(value.split())) for key, value in facts if value]
