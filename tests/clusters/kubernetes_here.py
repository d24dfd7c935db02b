"""A Kubernetes API on loopback that keeps what is posted to it: no cluster, no kubectl.

It answers what Snakemake's executor asks: secrets, jobs, their states, pods and their logs. What a
pod does is given by the test; by itself nothing runs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

HOST = "127.0.0.1"
Manifest = dict[str, Any]
Work = Callable[[Manifest, dict[str, Manifest]], tuple[int, str]]
"""What a pod does: (manifest of its job, secrets by name) -> (exit code, log)."""


def idle(job: Manifest, secrets: dict[str, Manifest]) -> tuple[int, str]:
    """Do nothing, with success."""
    return 0, ""


@dataclass
class FakeKubernetes:
    """The API; `start` it, and `stop` it whatever happens.

    Attributes:
        work: What pods do.
        jobs: Every job that was posted, name -> manifest, in their order.
        secrets: Every secret that was posted, name -> manifest.
        paths: The paths of these posts, in their order.
        deleted: Paths that were deleted.
        ended: Exit code and log of each job that has ended.
    """

    work: Work = idle
    jobs: dict[str, Manifest] = field(default_factory=dict)
    secrets: dict[str, Manifest] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    ended: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __enter__(self) -> FakeKubernetes:
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that names this server, as `kubectl` and the executor read it."""
        named = {"name": "here"}
        server = {"server": f"http://{HOST}:{self._server.server_port}"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{**named, "cluster": server}],
            "users": [{**named, "user": {"token": "none"}}],
            "contexts": [{**named, "context": {"cluster": "here", "user": "here"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def post(self, path: str, body: Manifest) -> Manifest:
        """Keep what is posted; a job ends before its poster knows of it."""
        self.paths.append(path)
        name = body["metadata"]["name"]
        if path.endswith("/secrets"):
            self.secrets[name] = body
        else:
            self.jobs[name] = body
            self.ended[name] = self.work(body, self.secrets)
        return body

    def get(self, path: str, query: dict[str, list[str]]) -> Manifest | str | None:
        """Answer a question, or None where there is nothing of that name."""
        words = path.strip("/").split("/")
        if words[-1] == "pods":
            name = query["labelSelector"][0].removeprefix("job-name=")
            return {"kind": "PodList", "items": [self._pod(name)] if name in self.jobs else []}
        if words[-1] == "log":
            return self.ended[words[-2].removesuffix("-pod")][1]
        name = words[-2] if words[-1] == "status" else words[-1]
        if name not in self.jobs:
            return None
        outcome = "failed" if self.ended[name][0] else "succeeded"
        return {**self.jobs[name], "status": {outcome: 1}}

    def _pod(self, name: str) -> Manifest:
        template = self.jobs[name]["spec"]["template"]
        (container,) = template["spec"]["containers"]
        state = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": self.ended[name][0]}},
        }
        status = {"phase": "Succeeded", "containerStatuses": [state]}
        return {"metadata": {"name": f"{name}-pod"}, "spec": template["spec"], "status": status}


def _handler(cluster: FakeKubernetes) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers for a cluster."""

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            self._answer(201, cluster.post(self.path, self._body()))

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found = cluster.get(parts.path, parse_qs(parts.query))
            self._answer(404 if found is None else 200, found or {"kind": "Status", "code": 404})

        def do_DELETE(self) -> None:
            self._body()
            cluster.deleted.append(urlsplit(self.path).path)
            self._answer(200, {"kind": "Status", "status": "Success"})

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")

        def _answer(self, status: int, body: Manifest | str) -> None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            kind = "text/plain" if isinstance(body, str) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Api
