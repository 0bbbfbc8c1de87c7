"""Adds a software bill of materials to the wheel (PEP 770), in CycloneDX 1.6."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "django-socket-status"
FILE = f"{NAME}.cdx.json"


class SbomHook(BuildHookInterface):  # type: ignore[type-arg]
    """Write the file before a build, and remove it afterwards."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Give the file to the builder."""
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, FILE)
        path.write_text(json.dumps(self._sbom(), indent=2) + "\n", encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        """Remove the file."""
        self._folder.cleanup()

    def _sbom(self) -> dict[str, Any]:
        """Return what the wheel holds, this package alone, and what it needs.

        It has no time and no random number, so that two builds are equal.
        """
        core = self.metadata.core
        needed = [_name_of(it) for it in core.dependencies]
        extra = [it for some in core.optional_dependencies.values() for it in some]
        optional = sorted({_name_of(it) for it in extra} - {*needed})
        parts = {
            **dict.fromkeys(needed, "required"),
            **dict.fromkeys(optional, "optional"),
        }
        own = f"pkg:pypi/{NAME}@{self.metadata.version}"
        return {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "library",
                    "bom-ref": own,
                    "name": NAME,
                    "version": self.metadata.version,
                    "licenses": [{"license": {"id": "MIT"}}],
                    "purl": own,
                }
            },
            "components": [
                {
                    "type": "library",
                    "bom-ref": f"pkg:pypi/{name}",
                    "name": name,
                    "scope": scope,
                    "purl": f"pkg:pypi/{name}",
                }
                for name, scope in parts.items()
            ],
            "dependencies": [
                {"ref": own, "dependsOn": [f"pkg:pypi/{name}" for name in parts]}
            ],
        }


def _name_of(requirement: str) -> str:
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
