"""Plays builds of CodeBuild: a buildspec's own commands, in a clean checkout, with a project's variables and role."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml

from pipelines import dry
from tests.engine.judged_roles import Judge, named

LEFT_OUT = ("python3 -m pipelines.engine", "make seed", "make package", "make publish", "make smoke")
"""How commands begin that need more than this machine: a download, a database in AWS, code in AWS, an address."""


@dataclass(frozen=True)
class Builds:
    """Plays builds of the CodeBuild projects that the judge's world has.

    Each build has a copy of `checkout` in a new folder below `folder`, the environment `variables`, and `make` by these
    words. What its role's policies don't allow fails the test.
    """

    checkout: Path
    folder: Path
    variables: Mapping[str, str]
    make: Sequence[str]
    judge: Judge

    def __call__(self, name: str, **given: str) -> str:
        """Play a build of a project with further variables, and return its output."""
        project, copy = self.project(name), self._copy()
        file = copy / project["source"]["buildspec"]
        ended = subprocess.run(
            ["sh", "-ec", "\n".join(line for line in dry.lines(file) if not line.startswith(LEFT_OUT))],
            cwd=copy,
            env={**self._environment(copy, project, yaml.safe_load(file.read_text())), **given},
            capture_output=True,
            text=True,
            check=False,
        )
        shutil.rmtree(copy)
        output = ended.stdout + ended.stderr
        assert not self.judge.refused, output[-9000:]
        assert ended.returncode == 0, output[-9000:]
        return output

    def project(self, name: str) -> Mapping[str, Any]:
        """Return the inputs of a CodeBuild project."""
        (project,) = [
            inputs
            for urn, inputs in self.judge.world.made.items()
            if "aws:codebuild/project:Project::" in urn and inputs["name"] == name
        ]
        return project

    def _copy(self) -> Path:
        copy = Path(mkdtemp(dir=self.folder)) / "checkout"
        shutil.copytree(self.checkout, copy, symlinks=True, ignore=shutil.ignore_patterns("build"))
        wrapper = copy.parent / "make"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("make")} {" ".join(self.make)} "$@"\n')
        wrapper.chmod(0o755)
        return copy

    def _environment(self, copy: Path, project: Mapping[str, Any], buildspec: Mapping[str, Any]) -> dict[str, str]:
        own = {each["name"]: each["value"] for each in project["environment"]["environmentVariables"]}
        on_moto = self.variables["PULUMI_BACKEND_URL"].partition("&")[2]
        return {
            **self.variables,
            **buildspec.get("env", {}).get("variables", {}),
            **own,
            **self.judge.assume(named(self.judge.world, project["serviceRole"])),
            "PATH": f"{copy.parent}{os.pathsep}{self.variables['PATH']}",
            "PULUMI_BACKEND_URL": f"{own['PULUMI_BACKEND_URL']}&{on_moto}",
            "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'platform'}",
        }
