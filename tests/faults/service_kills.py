"""Kills a service (SIGKILL) again and again while jobs run, and looks at how every job ended.

    python tests/faults/service_kills.py --kills 10 --jobs 20

Prints figures as JSON; the exit code is 1 when an accepted job was lost or ended with a wrong
result.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "unit" / "service")]

from segment_fakes import geotiff, roofs, save_network  # noqa: E402

LARGE = 5
"""Every so manyth image is larger than one block of prediction, so that it goes on by rows."""


class Service:
    """A service as a person starts it, that can be killed."""

    def __init__(self, folder):
        self.folder = folder
        self.starts = 0
        self.process = None

    def start(self):
        log = (self.folder / f"service-{self.starts}.log").open("w")
        command = [sys.executable, "-m", "nadir", "serve", f"roofs={self.folder / 'model'}"]
        command += ["--port", "0", "--threads", "1", "--state", str(self.folder / "state")]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "NADIR_DEVICE": "cpu"},
        )
        self.starts += 1
        line = self.process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError((self.folder / f"service-{self.starts - 1}.log").read_text()[-2000:])
        address = line.split()[3]
        self.client = httpx.Client(base_url=address, timeout=30)
        for _ in range(600):
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise RuntimeError("the service does not become ready")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()

    def stop(self):
        self.process.terminate()
        return self.process.wait(150)


def expected_masks(folder, images):
    """Return the mask of each image as bytes, by the function behind the batch rule."""
    from nadir.segmentation.image import predict_image
    from nadir.segmentation.threshold import threshold_map
    from nadir.service.catalog import load_model
    from nadir.service.direct import Held
    from nadir.service.images import ImageScene, Limits, opened, plan_for

    model = load_model("roofs", folder / "model")
    masks = []
    for number, data in enumerate(images):
        place = folder / "expected" / str(number)
        place.mkdir(parents=True)
        (place / "image.tif").write_bytes(data)
        with opened(place / "image.tif", Limits(10**9, 10**9)) as (dataset, facts):
            bands = model.predictor.bands
            scene = ImageScene(dataset, facts, plan_for(dataset, model, (None, None)), bands)
            raw, valid = scene.read(0, 0, facts.height, facts.width)
        held = Held(raw, valid, facts.grid, bands, scene.dates, scene.scale, scene.offset)
        predict_image(held, model.predictor, model.predict, place)
        threshold_map(place / "probability.tif", 125, model.predictor.table, place / "mask.tif")
        masks.append((place / "mask.tif").read_bytes())
    return masks


def run(folder, kills, jobs, side, large, seed):
    """Send jobs, kill the service in between, and return figures."""
    rng = np.random.default_rng([seed, 4])
    save_network(folder / "model")
    sides = [large if large and n % LARGE == 0 else side + 8 * n for n in range(jobs)]
    images = [geotiff(roofs(length, length, n)) for n, length in enumerate(sides)]
    masks = expected_masks(folder, images)
    service = Service(folder)
    service.start()
    accepted, refused, states = {}, 0, []
    start, waiting = time.monotonic(), list(range(jobs))
    for kill in range(kills):
        share = -(-len(waiting) // (kills - kill))
        for number in waiting[:share]:
            reply = service.client.post("/jobs", files={"image": ("i.tif", images[number])})
            if reply.status_code == 202:
                accepted[number] = reply.json()["id"]
            else:
                refused += 1
        waiting = waiting[share:]
        time.sleep(float(rng.uniform(0.0, 2.0)))
        told = service.client.get("/jobs?limit=1000").json()["jobs"]
        states.append(sum(job["state"] in ("queued", "running") for job in told))
        service.kill()
        service.start()
    ended = {}
    for number, job in accepted.items():
        while (told := service.client.get(f"/jobs/{job}").json())["state"] in ("queued", "running"):
            time.sleep(0.1)
        ended[number] = told
    right = wrong = failed = 0
    for number, told in ended.items():
        if told["state"] != "done":
            failed += 1
            continue
        mask = service.client.get(f"/jobs/{told['id']}/mask.tif").content
        right, wrong = right + (mask == masks[number]), wrong + (mask != masks[number])
    code = service.stop()
    return {
        "kills": kills,
        "jobs": jobs,
        "accepted": len(accepted),
        "refused": refused,
        "unfinished_at_kills": states,
        "right": right,
        "wrong": wrong,
        "failed_explicitly": failed,
        "lost": len(accepted) - right - wrong - failed,
        "seconds": round(time.monotonic() - start, 1),
        "last_exit_code": code,
        "folders_left": len(list((folder / "state" / "jobs").iterdir())),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--side", type=int, default=300, help="of the smallest image, in pixels")
    parser.add_argument("--large", type=int, default=2450, help="of the largest ones; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nadir-kills-") as folder:
        figures = run(Path(folder), **vars(options))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return int(bool(figures["wrong"] or figures["lost"]))


if __name__ == "__main__":
    sys.exit(main())
