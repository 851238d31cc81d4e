"""`bundle:PATH`: the outputs that a bundle has kept take part in a comparison as if their runtime were here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ai_runner.descriptor import Descriptor
from ai_runner.drivers.bundle.recording import Recording
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.in_process import InProcessDriver
from ai_runner.model import Mode
from ai_runner.result_bundle.bundle import Bundle


class BundleDriver(InProcessDriver[Recording]):
    """One runtime of a bundle (docs/bundle.md).

    A sample is found by the digest of its inputs, in the types that the runtime took; one that the bundle does not have
    is an InvalidParamError. Times are those that were recorded, with their source. No nodes.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "runtime": "which one answers: reference, or the number of a target, from 0 (default: the first target)"
    }
    ISOLATABLE: ClassVar[bool] = False
    RUN_MODES: ClassVar[Mode] = Mode.IO_ONLY

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        chosen = descriptor.options.get("runtime", "")
        self._place = None if chosen == "reference" else descriptor.integer("runtime", -1)

    def load(self) -> Recording:
        """Reads the runtime's outputs; those of a folder are mapped, those of a .zip loaded.

        Raises:
            InvalidParamError: there is no bundle at the path, or none of its runtimes is the one that is asked for.
            InvalidModelError: it is damaged.
        """
        with Bundle(self.descriptor.address) as bundle:
            return Recording(bundle, self._chosen(bundle), str(self.descriptor))

    def _chosen(self, bundle: Bundle) -> Mapping[str, Any]:
        runtimes = {runtime["target"]: runtime for runtime in bundle.manifest["runtimes"]}
        targets = sorted(place for place in runtimes if place is not None)
        place = self._place
        if place == -1:
            if not targets:
                raise InvalidModelError(f"{self.descriptor}: no target has run", hint="?runtime=reference is there")
            place = targets[0]
        if place not in runtimes:
            there = ", ".join(["reference"] * (None in runtimes) + [str(target) for target in targets])
            raise InvalidParamError(f"{self.descriptor}: the bundle has no such runtime", hint=f"it has {there}")
        found: Mapping[str, Any] = runtimes[place]
        return found
