"""Make the lock files from pyproject.toml: hashes, no addresses.

all.txt is resolved first; app.txt (the image, the Lambdas) and local.txt (`make up`) are cuts of it,
so that a version is the same wherever it runs.
"""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CUTS = {
    "all": ["local", "demo", "infra", "dev"],
    "local": ["local", "demo"],
    "app": [],
}


def compile_lock(source: str, target: str, *options: str) -> None:
    subprocess.run(  # noqa: S603
        [
            *[str(HERE.parent / ".venv/bin/uv"), "pip", "compile", source, "--quiet", "--universal"],
            *["--python-version", "3.11", "--generate-hashes"],
            *["--custom-compile-command", "make lock"],
            *["--output-file", f"requirements/{target}.txt", *options],
        ],
        cwd=HERE.parent,
        check=True,
    )


if __name__ == "__main__":
    for name, groups in CUTS.items():
        constraint = [] if name == "all" else ["--constraint", "requirements/all.txt"]
        compile_lock("pyproject.toml", name, *constraint, *(f"--group={group}" for group in groups))
    compile_lock("requirements/uv.in", "uv")
