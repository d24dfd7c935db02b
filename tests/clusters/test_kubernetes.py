"""What the profile for Kubernetes submits, by the real executor, to an API that runs nothing.

The manifests go through the models of Kubernetes' own client, which know every field of a job.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloud_bench import BUCKET, STORAGE_KEYS, TRAININGS, CloudBench, check_trainings, clouds_folder
from clouds_here import Clouds
from kubernetes_here import FakeKubernetes, Manifest, Work

pytestmark = pytest.mark.rules

REASON = "the reason why the pod failed"
PLUGIN = "snakemake_storage_plugin_s3"


def bench_of(folder: Path, cluster: FakeKubernetes, clouds: Clouds) -> CloudBench:
    """Return a bench that submits to a cluster and stores in a cloud's bucket."""
    folder.mkdir()
    variables = {"KUBECONFIG": str(cluster.write_kubeconfig(folder / "kubeconfig"))}
    options = ["--storage-s3-endpoint-url", clouds.url, "--seconds-between-status-checks", "1"]
    return CloudBench(folder, "kubernetes", {**variables, **STORAGE_KEYS}, *options)


@dataclass
class Submission:
    """A run whose pods fail.

    Attributes:
        cluster: What was posted to it.
        driver: Snakemake, which has ended.
        sources: Names in the archive that a pod begins with.
        kept: What Snakemake kept of the pods' logs.
    """

    cluster: FakeKubernetes
    driver: subprocess.CompletedProcess[str]
    sources: list[str]
    kept: list[str]

    @property
    def job(self) -> Manifest:
        """The first job."""
        return next(iter(self.cluster.jobs.values()))

    @property
    def container(self) -> Manifest:
        """Its only container."""
        (container,) = self.job["spec"]["template"]["spec"]["containers"]
        return container


@pytest.fixture(scope="module")
def submission(clouds: Clouds, clouds_tmp: Path) -> Submission:
    sources: list[str] = []

    def fail(job: Manifest, secrets: dict[str, Manifest]) -> tuple[int, str]:
        if not sources:
            words = job["spec"]["template"]["spec"]["containers"][0]["args"][1]
            key = re.search(rf"--deploy-sources s3://{BUCKET}/(\S+)", words)[1]
            with tarfile.open(fileobj=io.BytesIO(clouds.read(key))) as archive:
                sources.extend(archive.getnames())
        return 1, REASON

    with FakeKubernetes(fail) as cluster:
        bench = bench_of(clouds_tmp / "kubernetes", cluster, clouds)
        driver = bench.snakemake(*TRAININGS, "--retries", "0", check=False, timeout=300)
        logs = (bench.folder / ".snakemake").rglob("kubernetes-logs/*.log")
        return Submission(cluster, driver, sources, [log.read_text().strip() for log in logs])


def test_manifests_are_jobs_that_the_client_of_kubernetes_knows(submission, client):
    assert submission.cluster.jobs, submission.driver.stderr[-3000:]
    api = client.ApiClient()
    for kind, manifests in (
        ("V1Job", submission.cluster.jobs),
        ("V1Secret", submission.cluster.secrets),
    ):
        for manifest in manifests.values():
            answer = SimpleNamespace(data=json.dumps(manifest))
            model = api.deserialize(answer, kind)  # raises where a field that must be is missing
            assert api.sanitize_for_serialization(model) == manifest  # else a field is unknown


def test_everything_is_one_job_of_the_image(submission):
    assert len(submission.cluster.jobs) == 2  # a training is tried once more
    for job in submission.cluster.jobs.values():
        assert job["spec"]["backoffLimit"] == 0
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    container = submission.container
    assert container["image"] == "nadir-workflow:0.1.0"
    assert container["command"] == ["/bin/sh"] and container["args"][0] == "-c"
    words = container["args"][1]
    check_trainings("sh", words)
    assert "simulate_world:world=w" in words


def test_siblings_in_the_one_job_do_not_ask_for_their_sum(submission, client):
    from kubernetes.utils.quantity import parse_quantity

    limits = submission.container["resources"]["limits"]
    assert (
        limits["nvidia.com/gpu"] == submission.container["resources"]["requests"]["nvidia.com/gpu"]
    )
    asked = {name: parse_quantity(text) for name, text in limits.items()}
    # three trainings of 2 threads and 8 GB could run at once; two of them may
    assert asked["nvidia.com/gpu"] == 1
    assert asked["cpu"] == 4
    assert asked["memory"] == 16000 * 10**6
    (toleration,) = submission.job["spec"]["template"]["spec"]["tolerations"]
    assert toleration["key"] == "nvidia.com/gpu"
    # and Snakemake in the pod keeps to these cores
    assert re.search(r"--cores 4\b", submission.container["args"][1])


def test_a_pod_gets_the_graph_its_configuration_and_the_keys_of_the_bucket(submission):
    assert {"Snakefile", "config.yaml", "rules/common.smk", "rules/clouds.smk"} <= set(
        submission.sources
    )
    assert "--configfiles 'config.yaml'" in submission.container["args"][1]
    (secret,) = submission.cluster.secrets.values()
    for name, value in STORAGE_KEYS.items():
        assert base64.b64decode(secret["data"][name.lower()]).decode() == value
    words = submission.container["args"][1]
    assert "testing" not in words
    named = {
        item["name"]: item["valueFrom"]["secretKeyRef"] for item in submission.container["env"]
    }
    assert named.keys() >= STORAGE_KEYS.keys()
    assert {item["name"] for item in named.values()} == {secret["metadata"]["name"]}


def test_a_failed_pod_is_shown_and_nothing_stays(submission):
    assert submission.driver.returncode == 1
    assert submission.kept == [REASON] * 2
    cluster = submission.cluster
    gone = {path.rsplit("/", 1)[1] for path in cluster.deleted}
    assert {*cluster.jobs, *cluster.secrets} <= gone


@pytest.mark.slow
def test_what_a_pod_does_leaves_its_results_in_the_bucket(clouds, clouds_tmp, tmp_path):
    """The command of the pod is run here, in a folder of its own, as the image would run it."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    pack_plugin(wheels)
    with FakeKubernetes(as_the_image(tmp_path, wheels)) as cluster:
        bench = bench_of(clouds_tmp / "pod", cluster, clouds)
        cubes = "results/landcover/d/scenes/s/cube.manifest.json"
        done = bench.snakemake(cubes, check=False)
        said = [log for _, log in cluster.ended.values()]
        assert done.returncode == 0, done.stderr[-3000:] + "".join(said)[-3000:]
        (job,) = cluster.jobs
        assert cluster.ended[job][0] == 0
        keys = clouds.keys("nadir/results/")
        assert {f"nadir/{cubes}", "nadir/results/simulated/w/mask.tif"} <= set(keys)
        # stores are no declared files: they stayed on the pod's own disk
        assert not [key for key in keys if ".zarr/" in key]
        assert list((tmp_path / "pod0").rglob("cube.zarr"))
        again = bench.snakemake(cubes)
        assert "Nothing to be done" in again.stdout + again.stderr
        assert list(cluster.jobs) == [job]


def pack_plugin(folder: Path) -> None:
    """Pack the installed storage plugin into a wheel again, which the image holds as it came."""
    source = clouds_folder()
    assert source
    (info,) = source.glob(f"{PLUGIN}-*.dist-info")
    wheel = folder / f"{info.name.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for part in (source / PLUGIN, info):
            for path in sorted(part.rglob("*")):
                if path.is_file() and path.suffix != ".pyc" and path.name != "INSTALLER":
                    archive.write(path, path.relative_to(source))


def as_the_image(folder: Path, wheels: Path) -> Work:
    """Return what runs a pod's command in FOLDER/pod0, FOLDER/pod1, ..."""

    def work(job: Manifest, secrets: dict[str, Manifest]) -> tuple[int, str]:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        place = folder / f"pod{len(list(folder.glob('pod*')))}"
        place.mkdir()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        package = Path(__file__).parents[2] / "workflow"
        variables = {
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(clouds_folder()), str(package)]),
            "HOME": str(folder),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_FIND_LINKS": str(wheels),
        }
        for item in container["env"]:
            named = item["valueFrom"]["secretKeyRef"]
            value = secrets[named["name"]]["data"][named["key"]]
            variables[item["name"]] = base64.b64decode(value).decode()
        words = [*container["command"], *container["args"]]
        done = subprocess.run(
            words,
            cwd=place,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    return work


@pytest.fixture(scope="module")
def client(clouds: Clouds) -> Any:
    """The client of Kubernetes, which lies beside the environment."""
    folder = str(clouds_folder())
    sys.path.append(folder)
    try:
        yield pytest.importorskip("kubernetes").client
    finally:
        sys.path.remove(folder)
