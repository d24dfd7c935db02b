"""Kills whole runs of the graph (SIGKILL) at random moments, and compares what comes out.

    python tests/faults/graph_kills.py --kills 100
    python tests/faults/graph_kills.py --kills 5 --tiny

The configuration is run once without a fault, then once more with faults: again and again all
processes of the run are killed at a random moment, and the run is started as docs/rebuild.md says.
Moments are spread over the whole graph: each start is given a random number of jobs to finish (on
average the jobs that are left, divided by the kills that are left; or none), and then a random
time, so that it costs one run and so many starts. A run that ends between two kills is compared,
and begun anew. At last one goes to its end.

Where `--folder` is kept, a loop that was itself cut short goes on after its last kill.

`--sound` names a folder with an uninterrupted run that is there already: of the same configuration,
workflow and package, as a clone in which `snakemake --cores 2` has ended.

Prints figures as JSON; the exit code is 1 when a product differs from the uninterrupted run's in a
single byte (times in cards and histories of trainings apart), is lacking, or came on top, when a
run failed, or when anything half-written is left.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "rules"))

from raw import BANDS, CLASSES, write_scene  # noqa: E402

PARTS = ("Snakefile", "rules", "workflow", "envs", "config.yaml", "profiles/default")
UNWANTED = shutil.ignore_patterns("results", ".snakemake", "__pycache__", ".*_cache")
MARK = "NADIR_FAULTS_RUN"
"""Variable by which all processes of a run are known, whatever group they are in."""
KEPT_STATE = {".cache", "logs", "benchmarks", "tensorboard"}
"""Folders of results that are no products, or tell of times."""
PAGE = "README.md"
"""In the folder of results: it is the repository's, and of no run."""
PATIENCE = 3
"""Kills in a row without a finished job, after which a run is given the time to finish one."""
TOLL = "toll.json"
"""What the kills have done so far, beside the run that they hurt."""
LOOK = 0.1
"""Seconds between two looks at how many jobs have finished."""


class Run:
    """A folder with a copy of the workflow, in which runs are started and killed."""

    def __init__(self, folder, cores):
        self.folder, self.cores = folder, cores
        self.mark = str(folder)
        self.process = None
        self.unlocked = 0

    def prepare(self, config):
        """Empty the folder, copy the workflow into it, and return the run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in PARTS:
            source, copy = ROOT / part, self.folder / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=UNWANTED)
            else:
                shutil.copy(source, copy)
        (self.folder / "config.yaml").write_text(config)
        return self

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
        killed = 1 + self.kill_living()
        self.output.close()
        return killed

    def kill_living(self):
        """Kill what still lives of any run of this folder; return how many."""
        killed = 0
        while living := self.living():
            for pid in living:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
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

    def wait_for_jobs(self, number):
        """Return the exit code, or None when so many jobs have finished before the run has."""
        while (code := self.process.poll()) is None and self.jobs_done() < number:
            time.sleep(LOOK)
        return code if code is None else self.wait()

    def seconds_of_jobs(self):
        """Return how long all jobs took, one after the other."""
        tables = (self.folder / "results/benchmarks").rglob("*.tsv")
        return sum(float(table.read_text().splitlines()[-1].split("\t")[0]) for table in tables)

    def begin_anew(self):
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name)

    def digest(self):
        """Return a digest of all that decides what a run makes."""
        found = hashlib.sha256()
        for path in sorted(path for part in PARTS for path in files_of(self.folder / part)):
            found.update(f"{path.relative_to(self.folder)}\0".encode() + path.read_bytes())
        return found.hexdigest()

    def tail(self):
        return (self.folder / "run.log").read_text(errors="replace")[-3000:]


def files_of(path):
    """Return the file, or the sources in a folder: nothing compiled, no results, no caches."""
    if not path.is_dir():
        return [path]
    found = []
    for place, folders, names in os.walk(path):
        unwanted = UNWANTED(place, [*folders, *names])
        folders[:] = [name for name in folders if name not in unwanted]
        found += [Path(place, name) for name in names if name not in unwanted]
    return found


def told(path):
    """Return what a product says, as bytes: all of it, but for times that it took."""
    if path.name == "card.json":
        return json.dumps(_timeless(json.loads(path.read_bytes())), sort_keys=True).encode()
    if path.name == "history.parquet":
        table = pd.read_parquet(path)
        return table[[name for name in table if "second" not in name]].to_json().encode()
    return path.read_bytes()


def _timeless(value):
    """Return a value of JSON without all that is named after seconds."""
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if "second" not in key}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def products(folder):
    """Return product -> digest of what it says, of all that is no state of a run."""
    found, root = {}, folder / "results"
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or KEPT_STATE & set(parts) or parts == (PAGE,):
            continue
        if not any(".partial" in part for part in parts):
            found["/".join(parts)] = hashlib.sha256(told(path)).hexdigest()
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


def uninterrupted(sound, digest):
    """See that a run ended without a fault; return its products and the seconds of a no-op.

    Args:
        sound: The run.
        digest: Of what decides the products of the run that is compared with it.
    """
    if sound.digest() != digest:
        raise RuntimeError(f"{sound.folder}: workflow or configuration are other ones")
    expected = products(sound.folder)
    begun = time.monotonic()
    sound.start()
    if sound.wait() != 0 or differences(expected, products(sound.folder)):
        raise RuntimeError(f"a second run is no no-op:\n{sound.tail()}")
    return expected, time.monotonic() - begun


def until_its_moment(run, rng, goal, still, idle, pause):
    """Wait for the moment at which a run is killed; return its exit code when it ends before.

    Args:
        run: The run, just started.
        rng: Where chance comes from.
        goal: How many jobs a run finishes between two kills, on average.
        still: How many times in a row it was killed before a job had finished.
        idle: Seconds in which the graph is drawn.
        pause: Mean seconds from one finished job to the next.
    """
    number = max(int(rng.uniform(0, 2 * goal)), int(still >= PATIENCE))
    code = run.wait_for_jobs(run.jobs_done() + number) if number else None
    if code is None and not number:  # some are killed while they draw the graph
        code = run.wait(float(rng.uniform(0.3, 1)) * idle)
    return run.wait(float(rng.exponential(pause))) if code is None else code


@dataclass
class Toll:
    """What the kills have done so far.

    Attributes:
        processes: How many processes were killed.
        moments: Jobs that had finished at each kill.
        unlocked: How many times a lock was left.
        still: Kills since the last finished job.
        rounds: Runs that ended well.
        failed: Runs that ended with an error.
        different: Product -> run in which it differed.
        seconds: Time of all starts.
    """

    processes: int = 0
    moments: list = field(default_factory=list)
    unlocked: int = 0
    still: int = 0
    rounds: int = 0
    failed: int = 0
    different: dict = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def kills(self):
        return len(self.moments)

    def ended(self, code, expected, run):
        """Count a run that ended, and compare what it made; say why it failed, if it did."""
        if code:
            self.failed += 1
            sys.stderr.write(run.tail())
            return
        self.rounds += 1
        found = differences(expected, products(run.folder))
        self.different.update(dict.fromkeys(found, self.rounds))

    def save(self, path):
        path.with_suffix(".new").write_text(json.dumps(asdict(self)))
        path.with_suffix(".new").replace(path)


def prepared(folder, options):
    """Return the run that is hurt and its toll: as they were left, or new ones."""
    if options.tiny:
        config = tiny_config(folder / "raw")
    else:
        config = Path(options.config).read_text()
    hurt = Run(folder / "hurt", options.cores)
    fresh = Run(folder / "fresh", options.cores).prepare(config)
    left = folder / TOLL
    if left.is_file() and hurt.digest() == fresh.digest():
        hurt.kill_living()  # of a loop that was killed itself
        return hurt, Toll(**json.loads(left.read_text())), config
    left.unlink(missing_ok=True)
    return hurt.prepare(config), Toll(), config


def run(folder, options):
    """Run without a fault and with faults; return figures."""
    hurt, toll, config = prepared(folder, options)
    sound = Run(options.sound or folder / "sound", options.cores)
    begun = time.monotonic()
    if not options.sound:
        sound.prepare(config).start()
        if sound.wait() != 0:
            raise RuntimeError(f"the uninterrupted run failed:\n{sound.tail()}")
    whole = time.monotonic() - begun
    expected, idle = uninterrupted(sound, hurt.digest())
    jobs = sound.jobs_done()
    if options.sound:
        whole = sound.seconds_of_jobs() / options.cores
    pause = options.every or whole / jobs
    while toll.kills < options.kills and not toll.failed:
        begun, before = time.monotonic(), hurt.jobs_done()
        hurt.start()
        rng = np.random.default_rng([options.seed, 8, toll.kills, toll.rounds])
        goal = max(jobs - before, 0) / (options.kills - toll.kills + 1)
        code = until_its_moment(hurt, rng, goal, toll.still, idle, pause)
        if code is None:
            toll.processes += hurt.kill()
            toll.moments.append(hurt.jobs_done())
            toll.still = 0 if toll.moments[-1] > before else toll.still + 1
            sys.stderr.write(f"kill {toll.kills}: {toll.moments[-1]} of {jobs} jobs done\n")
        else:
            toll.ended(code, expected, hurt)
            if not code:
                hurt.begin_anew()
        toll.seconds += time.monotonic() - begun
        toll.unlocked, hurt.unlocked = toll.unlocked + hurt.unlocked, 0
        toll.save(folder / TOLL)
    begun = time.monotonic()
    hurt.start()
    toll.ended(hurt.wait(), expected, hurt)
    leftovers = [path for path in (hurt.folder / "results").rglob("*.partial*")]
    return {
        "kills": toll.kills,
        "processes_killed": toll.processes,
        "jobs": jobs,
        "jobs_done_at_kills": toll.moments,
        "locks_left": toll.unlocked + hurt.unlocked,
        "runs_that_ended": toll.rounds,
        "runs_that_failed": toll.failed,
        "products": len(expected),
        "different": toll.different,
        "half_written_left": len(leftovers),
        "seconds_uninterrupted": round(whole, 1),
        "seconds_of_a_no_op": round(idle, 1),
        "seconds_with_kills": round(toll.seconds + time.monotonic() - begun, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--config", default=str(ROOT / "config.yaml"), help="by default: all jobs")
    parser.add_argument("--tiny", action="store_true", help="a configuration that takes seconds")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=float, help="mean seconds from the last job to a kill")
    parser.add_argument("--sound", type=Path, help="folder of an uninterrupted run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; by default one for the time")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills: one at least")
    with tempfile.TemporaryDirectory(prefix="nadir-kills-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options.sound = options.sound and options.sound.resolve()
        figures = run(folder.resolve(), options)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    faults = ("different", "runs_that_failed", "half_written_left")
    return int(any(figures[name] for name in faults))


if __name__ == "__main__":
    sys.exit(main())
