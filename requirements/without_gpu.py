"""Print the lock of a machine without GPU: no CUDA, and torch only as far as another lock has it.

The wheels of torch that package indexes offer by default carry CUDA, gigabytes that a CPU never
needs. `torch-cpu.lock` is made by hand from an index of CPU wheels (docs/deploy.md); all else stays
pinned as it is.

    python requirements/without_gpu.py requirements/runtime.lock [requirements/torch-cpu.lock]
"""

import re
import sys
from pathlib import Path

_GPU = re.compile(r"(nvidia|cuda)-|triton==|torch==|torchvision==")


def entries(text: str) -> list[str]:
    """Return the entries of a lock: a pinned package each, with its hashes."""
    return [item for item in re.split(r"\n(?=[A-Za-z0-9])", text.strip()) if "==" in item]


def without_gpu(lock: str, torch: str) -> str:
    """Return a lock with the entries of `torch` in the place of those that carry CUDA."""
    kept = [item for item in entries(lock) if not _GPU.match(item)]
    return "\n".join([*kept, *entries(torch)]) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 3 or not Path(sys.argv[2]).is_file():
        sys.exit(
            "requirements/torch-cpu.lock is missing: make it (docs/deploy.md), or build with "
            "VARIANT=cuda, which runs on a CPU as well."
        )
    sys.stdout.write(without_gpu(Path(sys.argv[1]).read_text(), Path(sys.argv[2]).read_text()))
