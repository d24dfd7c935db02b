"""What the profile for AWS Batch submits, by the real executor, to a Batch that runs nothing."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud_bench import KEYS, STORAGE_KEYS, TRAININGS, CloudBench, check_trainings
from clouds_here import Clouds

pytestmark = pytest.mark.rules

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Names that Batch takes, of jobs and of their definitions."""


@dataclass
class Submission:
    """A run whose jobs fail.

    Attributes:
        driver: Snakemake, which has ended.
        definitions: The job definitions that it registered.
        jobs: The jobs that it submitted.
        role: The role of the jobs.
    """

    driver: subprocess.CompletedProcess[str]
    definitions: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    role: str

    @property
    def container(self) -> dict[str, Any]:
        """What the first definition says of its container."""
        return self.definitions[0]["containerProperties"]


@pytest.fixture(scope="module")
def submission(clouds: Clouds, clouds_tmp: Path) -> Submission:
    queue, role = clouds.make_queue()
    clouds.fail_jobs()
    folder = clouds_tmp / "aws-batch"
    folder.mkdir()
    variables = {**KEYS, **STORAGE_KEYS, "AWS_ENDPOINT_URL": clouds.url}
    given = {
        "--aws-batch-job-queue": queue,
        "--aws-batch-job-role": role,
        "--storage-s3-endpoint-url": clouds.url,
    }
    options = [word for item in given.items() for word in item]
    bench = CloudBench(folder, "aws-batch", variables, *options)
    driver = bench.snakemake(*TRAININGS, "--retries", "0", check=False, timeout=300)
    batch = clouds.client("batch")
    definitions = batch.describe_job_definitions()["jobDefinitions"]
    jobs = batch.list_jobs(jobQueue=queue, jobStatus="FAILED")["jobSummaryList"]
    return Submission(driver, definitions, jobs, role)


def test_everything_is_one_job_of_the_image(submission):
    said = submission.driver.stderr[-3000:]
    assert len(submission.definitions) == len(submission.jobs) == 2, said  # tried once more
    assert submission.driver.returncode == 1
    container = submission.container
    assert container["image"] == "nadir-workflow:0.1.0"
    assert container["jobRoleArn"] == submission.role
    assert container["command"][:2] == ["/bin/bash", "-c"]
    words = container["command"][2]
    check_trainings("bash", words)
    assert "--configfiles 'config.yaml'" in words
    assert {item["name"] for item in container["environment"]} >= STORAGE_KEYS.keys()


def test_siblings_in_the_one_job_do_not_ask_for_their_sum(submission):
    asked = {item["type"]: item["value"] for item in submission.container["resourceRequirements"]}
    # three trainings of 2 threads could run at once; one may
    assert asked == {"VCPU": "2", "MEMORY": "8192", "GPU": "1"}
    # the plugin replaces memory that Batch has not by the least, and says so
    assert "Memory value" not in submission.driver.stdout + submission.driver.stderr
    assert re.search(r"--cores 2\b", submission.container["command"][2])


def test_batch_takes_the_names_and_the_size_of_definitions(submission):
    for definition in submission.definitions:
        assert NAME.fullmatch(definition["jobDefinitionName"])
        assert len(json.dumps(definition)) < 24 * 1024
        assert definition["timeout"] == {"attemptDurationSeconds": 86400}
    for job in submission.jobs:
        assert NAME.fullmatch(job["jobName"])


def test_nothing_stays_registered(submission):
    assert {item["status"] for item in submission.definitions} == {"INACTIVE"}
