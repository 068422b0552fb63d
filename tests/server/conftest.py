"""The JavaScript client, for tests that ask a server as programs in JavaScript do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


@pytest.fixture(scope="session")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with @gradio/client in it, from the npm registry; where there is no Node, tests of it are skipped."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node and npm: install Node 20")
    folder = tmp_path_factory.mktemp("npm")
    arguments = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "@gradio/client@2"]
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        fail_or_skip("npm did not install @gradio/client within 120 s")
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if "error" in line]
        fail_or_skip(f"npm did not install @gradio/client: {'; '.join(reasons[:2])}")
    return folder


def fail_or_skip(reason: str) -> NoReturn:
    """Fail where a whole check is run, which has Node but not the client; skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
