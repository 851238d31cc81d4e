"""aiValidation firmware with models of one's own: built for this computer or an STM32F405, and run."""

from __future__ import annotations

from ai_runner.firmware.build import FirmwareBuild, build_firmware, named_models
from ai_runner.firmware.image import DIALECTS
from ai_runner.firmware.run import RunningFirmware, start_firmware
from ai_runner.firmware.toolchain import PORTS

__all__ = [
    "DIALECTS",
    "PORTS",
    "FirmwareBuild",
    "RunningFirmware",
    "build_firmware",
    "named_models",
    "start_firmware",
]
