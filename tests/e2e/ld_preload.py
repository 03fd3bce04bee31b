"""Libraries that change a server's system calls, compiled from the C sources in this folder."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def compile_library(name: str, directory: Path) -> Path:
    """The library of `NAME.c`, for LD_PRELOAD; skips where there is no compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    library = directory / f"{name}.so"
    source = str(HERE / f"{name}.c")
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), source, "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library
