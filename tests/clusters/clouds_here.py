"""An object store, queues and roles on loopback (moto), for submissions that nobody runs."""

from __future__ import annotations

import logging
import os
import urllib.request
from typing import Any

import boto3
from botocore.config import Config
from cloud_bench import BUCKET, KEYS, REGION

FAIL = "MOTO_SIMPLE_BATCH_FAIL_AFTER"


class Clouds:
    """A server of this process, with the profiles' bucket; use it as a context.

    Its batch jobs end at once, without a container: in success, or in failure while `fail_jobs`.
    """

    def __enter__(self) -> Clouds:
        from moto.core.config import default_user_config
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._settings = default_user_config
        self._settings["batch"]["use_docker"] = False
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        # moto's state belongs to the process: other tests may have left some
        urllib.request.urlopen(f"{self.url}/moto-api/reset", b"", timeout=30).close()
        self.keep_bucket()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.stop()
        self._settings["batch"]["use_docker"] = True
        os.environ.pop(FAIL, None)

    def client(self, service: str) -> Any:
        """Return a client of one of its services."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}),
        )

    def keep_bucket(self) -> None:
        """Make the bucket, with an object in it: Snakemake removes a bucket that it empties."""
        store = self.client("s3")
        store.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        store.put_object(Bucket=BUCKET, Key="kept", Body=b"")

    def read(self, key: str) -> bytes:
        """Return an object of the bucket."""
        return self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """Return the bucket's keys that begin with a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in found for item in page.get("Contents", [])]

    def make_queue(self) -> tuple[str, str]:
        """Make a queue and the role of its jobs, and return the ARNs of both."""
        role = self.client("iam").create_role(RoleName="nadir", AssumeRolePolicyDocument="{}")
        arn = role["Role"]["Arn"]
        batch = self.client("batch")
        place = batch.create_compute_environment(
            computeEnvironmentName="nadir", type="UNMANAGED", state="ENABLED", serviceRole=arn
        )
        queue = batch.create_job_queue(
            jobQueueName="nadir",
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[
                {"order": 1, "computeEnvironment": place["computeEnvironmentArn"]}
            ],
        )
        return queue["jobQueueArn"], arn

    def fail_jobs(self) -> None:
        """Let batch jobs fail from now on."""
        os.environ[FAIL] = "0"
