"""Write the lock of torch without CUDA: the versions of a lock, out of an index of CPU wheels.

    python requirements/torch_cpu.py requirements/runtime.lock INDEX requirements/torch-cpu.lock

INDEX is the address of a package index that has wheels such as torch-VERSION+cpu, with hashes. The
lock serves `without_gpu.py`; kept beside the others, it makes later builds equal to this one.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def wanted(lock: str) -> str:
    """Return requirements of the CPU builds of a lock's torch and torchvision."""
    found = re.findall(r"^(torch|torchvision)==([^\s;+]+)", lock, re.M)
    return "".join(f"{name}=={version}+cpu\n" for name, version in dict(found).items())


if __name__ == "__main__":
    if len(sys.argv) < 4 or not sys.argv[2]:
        sys.exit(
            "There is no requirements/torch-cpu.lock: give the address of an index of CPU wheels "
            "(--build-arg TORCH_INDEX=...), or build with VARIANT=cuda, which runs on a CPU as "
            "well."
        )
    lock, index, out = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "torch-cpu.in"
        inputs.write_text(wanted(Path(lock).read_text()))
        sys.exit(
            subprocess.run(
                [
                    *("uv", "pip", "compile", "--quiet", "--no-deps", "--generate-hashes"),
                    *("--no-emit-index-url", "--no-annotate", "--no-header"),
                    *("--default-index", index, str(inputs), "-o", out),
                ]
            ).returncode
        )
