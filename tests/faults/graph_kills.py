"""Kills whole runs of the graph (SIGKILL) at random moments, and compares what comes out.

    python tests/faults/graph_kills.py --kills 100
    python tests/faults/graph_kills.py --kills 5 --tiny

The configuration is run once without a fault, then again and again: each time all processes of the
run are killed after a random time, and the run is started once more as docs/rebuild.md says. A run
that ends between two kills is compared, and begun anew. At last one goes to its end.

Prints figures as JSON; the exit code is 1 when a product differs from the uninterrupted run's in a
single byte, is lacking, or came on top, or when a run failed.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "rules"))

from raw import BANDS, CLASSES, write_scene  # noqa: E402

PARTS = ("Snakefile", "rules", "workflow", "envs", "config.yaml", "profiles/default")
MARK = "NADIR_FAULTS_RUN"
"""Variable by which all processes of a run are known, whatever group they are in."""
KEPT_STATE = {".cache", "logs", "benchmarks", "tensorboard"}
"""Folders of results that are no products, or tell of times."""
WITH_TIMES = {"card.json", "history.parquet"}
PATIENCE = 5
"""Kills in a row without a finished job, after which runs get more time."""


class Run:
    """A folder with a copy of the workflow, in which runs are started and killed."""

    def __init__(self, folder, config, cores):
        self.folder, self.cores = folder, cores
        for part in PARTS:
            source, copy = ROOT / part, folder / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                unwanted = shutil.ignore_patterns("results", ".snakemake")
                shutil.copytree(source, copy, ignore=unwanted)
            else:
                shutil.copy(source, copy)
        (folder / "config.yaml").write_text(config)
        self.mark = uuid.uuid4().hex
        self.process = None
        self.unlocked = 0

    def words(self, *more):
        return [sys.executable, "-m", "snakemake", *more]

    def environment(self):
        package = str(self.folder / "workflow")
        return {**os.environ, "PYTHONPATH": package, MARK: self.mark}

    def start(self):
        """Start as docs/rebuild.md says: unlock where a lock was left, then the usual command."""
        options = {"cwd": self.folder, "env": self.environment()}
        if any((self.folder / ".snakemake/locks").glob("*")):
            subprocess.run(self.words("--unlock"), check=True, capture_output=True, **options)
            self.unlocked += 1
        self.output = (self.folder / "run.log").open("w")
        self.process = subprocess.Popen(
            self.words("--cores", str(self.cores)),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )

    def wait(self, seconds=None):
        """Return the exit code, or None when it has not ended within so many seconds."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.output.close()
        return code

    def kill(self):
        """Kill the run and all that it started, until nothing of it is left; return how many."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        killed = 1
        while living := self.living():
            for pid in living:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        self.output.close()
        return killed

    def living(self):
        """Return the ids of all living processes of this folder's runs."""
        mark, found = f"{MARK}={self.mark}".encode(), []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
            except OSError:
                continue  # it has ended, or is another user's
        return found

    def jobs_done(self):
        """Return how many jobs have finished so far: Snakemake measures those."""
        return len(list((self.folder / "results/benchmarks").rglob("*.tsv")))

    def begin_anew(self):
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name)

    def tail(self):
        return (self.folder / "run.log").read_text(errors="replace")[-3000:]


def products(folder):
    """Return product -> digest of its bytes, of all that is no record of times."""
    found, root = {}, folder / "results"
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or KEPT_STATE & set(parts) or path.name in WITH_TIMES:
            continue
        if not any(".partial" in part for part in parts):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found["/".join(parts)] = digest
    return found


def differences(expected, found):
    """Return names of what differs, lacks or came on top."""
    names = expected.keys() | found.keys()
    return sorted(name for name in names if expected.get(name) != found.get(name))


def tiny_config(folder):
    """Write raw scenes into a folder and return a configuration that takes seconds."""
    scenes = {
        name: write_scene(folder / name, seed, 300000 + 20000 * seed)
        for seed, name in enumerate("ac")
    }
    scenes["c"]["role"] = "test"
    dataset = {"classes": CLASSES, "bands": BANDS, "scenes": scenes, "tiles": {"sizes": [16]}}
    dataset["split"] = {"method": "blocks", "block": 2}
    network = {"name": "unet_scratch", "width": 4, "depth": 2}
    train = {"epochs": 4, "augment": {"dihedral": "random"}}
    experiment = {"datasets": ["d"], "model": network, "train": train}
    job = {"datasets": {"d": dataset}, "experiments": {"u": experiment}}
    return yaml.safe_dump({"landcover": job, "compute": {"device": "cpu"}})


def run(folder, options):
    """Run without a fault and with faults; return figures."""
    if options.tiny:
        config = tiny_config(folder / "raw")
    else:
        config = Path(options.config).read_text()
    rng = np.random.default_rng([options.seed, 8])
    begun = time.monotonic()
    sound = Run(folder / "sound", config, options.cores)
    sound.start()
    if sound.wait() != 0:
        raise RuntimeError(f"the uninterrupted run failed:\n{sound.tail()}")
    whole = time.monotonic() - begun
    jobs, expected = sound.jobs_done(), products(sound.folder)
    begun = time.monotonic()
    sound.start()
    if sound.wait() != 0 or differences(expected, products(sound.folder)):
        raise RuntimeError(f"a second run is no no-op:\n{sound.tail()}")
    idle = time.monotonic() - begun

    hurt = Run(folder / "hurt", config, options.cores)
    mean = whole / options.kills if options.every is None else options.every
    kills = rounds = processes = still = failed = 0
    different, moments = {}, []
    while kills < options.kills:
        before = hurt.jobs_done()
        hurt.start()
        # Some are killed while they draw the graph, most at work.
        code = hurt.wait(float(rng.uniform(0.3, 1) * idle + rng.exponential(mean)))
        if code is None:
            processes += hurt.kill()
            kills += 1
            done = hurt.jobs_done()
            moments.append(done)
            still = 0 if done > before else still + 1
            if still >= PATIENCE:  # a step that does not fit between two kills
                mean, still = 1.5 * mean, 0
            continue
        if code:
            failed += 1
            sys.stderr.write(hurt.tail())
            break
        rounds += 1
        different.update(dict.fromkeys(differences(expected, products(hurt.folder)), rounds))
        hurt.begin_anew()
    hurt.start()
    code = hurt.wait()
    if code:
        sys.stderr.write(hurt.tail())
    rounds, failed = rounds + (not code), failed + bool(code)
    different.update(dict.fromkeys(differences(expected, products(hurt.folder)), rounds))
    leftovers = [path for path in (hurt.folder / "results").rglob("*.partial*")]
    return {
        "kills": kills,
        "processes_killed": processes,
        "jobs": jobs,
        "jobs_done_at_kills": moments,
        "locks_left": hurt.unlocked,
        "runs_that_ended": rounds,
        "runs_that_failed": failed,
        "products": len(expected),
        "different": different,
        "half_written_left": len(leftovers),
        "seconds_uninterrupted": round(whole, 1),
        "seconds_of_a_no_op": round(idle, 1),
        "seconds_between_kills_at_work": round(mean, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--config", default=str(ROOT / "config.yaml"), help="by default: all jobs")
    parser.add_argument("--tiny", action="store_true", help="a configuration that takes seconds")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=float, help="mean seconds of work between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; by default one for the time")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills: one at least")
    with tempfile.TemporaryDirectory(prefix="nadir-kills-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = run(folder.resolve(), options)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return int(bool(figures["different"] or figures["runs_that_failed"]))


if __name__ == "__main__":
    sys.exit(main())
