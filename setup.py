"""Lists the packages; everything else is declared in setup.cfg.

`drivers` and `firmware_proto` are found at their real place: the symlinks below ai_runner/ are absent from a source
distribution and from a checkout on a system without symlinks.
"""

from __future__ import annotations

from setuptools import find_packages, setup

ROOTS = ("ai_runner", "drivers", "firmware_proto")

found = find_packages(include=[pattern for root in ROOTS for pattern in (root, f"{root}.*")])
setup(packages=sorted({name if name.startswith("ai_runner") else f"ai_runner.{name}" for name in found}))
