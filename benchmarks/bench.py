"""Speed side by side with what people would use instead: one table, one picture.

    python benchmarks/bench.py                       # all rows: `make bench`
    python benchmarks/bench.py --rows align cube     # some of them; the others' lines stay
    python benchmarks/bench.py --device cuda         # the rows that use a GPU: `make bench-gpu`
    python benchmarks/bench.py --show                # the table of the last run as Markdown
    python benchmarks/bench.py --page docs/speed.md  # the same, into the page

Contestants run in turn, round after round, each in a process of its own; what is not installed is
skipped by name. Peers that need another environment than nadir's are run with `--peers PYTHON`
(`make peers` makes one).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from speed import tables
from speed.contest import ROWS
from speed.runner import Plan, run_row

from nadir.provenance.atomic import write_text

log = logging.getLogger("bench")

ROOT = Path(__file__).resolve().parents[1]
_PEERS = ROOT / ".venv" / "peers" / "bin" / "python"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--scale", type=float, default=1.0, help="1 for the default sizes")
    parser.add_argument("--rounds", type=int, help="processes of each contestant")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--peers", type=Path, default=_PEERS, help="Python that has the peers")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/speed"))
    parser.add_argument("--work", type=Path, help="folder of the inputs; by default OUT/work")
    parser.add_argument("--show", action="store_true", help="print the last table, run nothing")
    parser.add_argument(
        "--page", type=Path, help="write the last table into this page, run nothing"
    )
    return parser.parse_args()


def main() -> int:
    """Run the rows; return 1 when one could not be run, 2 when a result is wrong."""
    options = parse()
    name = "speed" if options.device == "cpu" else f"speed_{options.device}"
    path = options.out / f"{name}.csv"
    if options.page:
        text = options.page.read_text(encoding="utf-8")
        write_text(options.page, tables.in_page(text, name, tables.to_markdown(read(path))))
        return 0
    if options.show:
        print(tables.to_markdown(read(path)), end="")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = Plan(
        options.work or options.out / "work",
        options.scale,
        options.threads,
        options.device,
        options.peers if options.peers.is_file() else None,
        options.rounds,
    )
    status, begin = 0, time.monotonic()
    for asked in options.rows:
        try:
            row, outcomes = run_row(asked, plan)
        except (RuntimeError, AssertionError) as error:
            log.error("%s: %s", asked, error)
            status = max(status, 2 if isinstance(error, AssertionError) else 1)
            continue
        if outcomes:
            if options.scale != 1:
                row = replace(row, title=f"{row.title} (sides or counts x {options.scale:g})")
            keep(path, tables.lines_of(row, outcomes), options)
    log.info("done in %.0f s; the table is %s", time.monotonic() - begin, path.with_suffix(".md"))
    print(tables.to_markdown(read(path)), end="")
    return status


def read(path: Path) -> list[tables.Line]:
    """Return the lines of a table, none where there is no table."""
    return tables.of_csv(path.read_text(encoding="utf-8")) if path.is_file() else []


def keep(path: Path, lines: list[tables.Line], options: argparse.Namespace) -> None:
    """Put the lines of a row in the table, in the place of its former ones, and draw it anew."""
    from speed.picture import draw

    kept = [line for line in read(path) if name_of(line) != name_of(lines[0])]
    merged = sorted([*kept, *lines], key=lambda line: ROWS.index(name_of(line)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, tables.to_csv(merged))
    write_text(path.with_suffix(".md"), tables.to_markdown(merged))
    draw(merged, path.with_suffix(".png"))
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": options.threads,
        "scale": options.scale,
        "python": platform.python_version(),
        "load before": round(os.getloadavg()[0], 2),
    }
    write_text(path.with_suffix(".json"), json.dumps(machine, indent=1))


def name_of(line: tables.Line) -> str:
    """Return the row's name, with which its title begins."""
    return line.row.split(":")[0]


if __name__ == "__main__":
    sys.exit(main())
