"""An object store on loopback for tests, behind a proxy that makes faults to order.

Both run in a process of their own: GDAL opens files while it holds the interpreter's lock, so that
a server in a thread of the same process would never answer.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

HOST = "127.0.0.1"
CONTROL = "/-/"
SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20200101/us-east-1/s3/aws4_request, Signature=0"
FAULT: dict[str, Any] = {
    **{"times": 1, "every": 1, "seen": 0, "drop": False},
    **{"status": 0, "code": "ServiceUnavailable", "keep": None, "delay": 0.0},
}


class ObjectStore:
    """A store with an empty bucket `data`; `url` is where clients go.

    Faults are ordered by a regular expression for "METHOD path?query", with the number of requests
    (`times`, of which `every` so manyth is struck), the answer (`status`, `code`), the bytes of the
    true answer that arrive (`keep`), or that the line is cut before any answer (`drop`).
    """

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.url, self.direct = json.loads(line)

    def stop(self) -> None:
        self.process.communicate("")  # its end of input is the server's sign to end

    def _call(self, word: str, value: Any = None) -> Any:
        data = json.dumps(value).encode()
        with urllib.request.urlopen(f"{self.url}{CONTROL}{word}", data, timeout=30) as answer:
            return json.loads(answer.read())

    def reset(self) -> None:
        """Forget objects, faults and requests; make the bucket anew."""
        self._call("reset")
        urllib.request.urlopen(f"{self.direct}/moto-api/reset", b"", timeout=30).close()
        self._send("PUT", "data")

    def _send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        head = {"Content-Type": "application/octet-stream", "Authorization": SIGNED}
        request = urllib.request.Request(f"{self.direct}/{path}", body, head, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def put(self, key: str, body: bytes) -> str:
        """Store an object behind the proxy's back, and return its address."""
        self._send("PUT", f"data/{quote(key)}", body)
        return f"s3://data/{key}"

    def get(self, key: str) -> bytes:
        return self._send("GET", f"data/{quote(key)}")

    def delete(self, key: str) -> None:
        self._send("DELETE", f"data/{quote(key)}")

    def keys(self, prefix: str = "") -> list[str]:
        text = self._send("GET", f"data?list-type=2&prefix={prefix}").decode()
        return re.findall("<Key>(.*?)</Key>", text)

    def fail(self, pattern: str, **options: Any) -> None:
        """Order a fault."""
        self._call("fail", {**FAULT, "pattern": pattern, **options})

    def heal(self) -> int:
        """Forget the faults that were ordered; return how many requests were struck."""
        return self._call("heal")

    def requests(self) -> list[str]:
        """Return the requests since the last question."""
        return self._call("requests")


class _Orders:
    """Faults that are ordered, and requests that came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.faults: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.struck = 0

    def take(self, line: str) -> dict[str, Any]:
        """Note a request, and return the fault that befalls it."""
        with self.lock:
            self.requests.append(line)
            for fault in self.faults:
                if fault["times"] and re.search(fault["pattern"], line):
                    fault["seen"] += 1
                    if fault["seen"] % fault["every"] == 0:
                        fault["times"] -= 1
                        self.struck += 1
                        return fault
        return FAULT

    def control(self, word: str, value: Any) -> Any:
        with self.lock:
            if word == "fail":
                self.faults.append(value)
            if word == "reset":
                self.faults.clear()
            if word == "heal":
                self.faults.clear()
                struck, self.struck = self.struck, 0
                return struck
            seen = list(self.requests)
            if word in ("reset", "requests"):
                self.requests.clear()
            return seen


def _handler(target: tuple[str, int], orders: _Orders) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers for the store at `target`."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body leave together: small pieces would wait for each other

        def handle_expect_100(self) -> bool:
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
            return True

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith(CONTROL):
                word = self.path.removeprefix(CONTROL)
                answer = json.dumps(orders.control(word, json.loads(body)))
                return self.answer(200, [], answer.encode())
            fault = orders.take(f"{self.command} {self.path}")
            time.sleep(fault["delay"])
            if fault["drop"]:
                self.close_connection = True
                return None
            if fault["status"]:
                text = f"<Error><Code>{fault['code']}</Code><Message>to order</Message></Error>"
                return self.answer(
                    fault["status"], [("Content-Type", "application/xml")], text.encode()
                )
            connection = HTTPConnection(*target, timeout=30)
            sent = {name: value for name, value in self.headers.items() if name != "Expect"}
            connection.request(self.command, self.path, body, sent)
            answer = connection.getresponse()
            data, dropped = answer.read(), ("transfer-encoding", "connection", "server", "date")
            headers = [item for item in answer.getheaders() if item[0].lower() not in dropped]
            connection.close()
            return self.answer(answer.status, headers, data, fault["keep"])

        def answer(
            self, status: int, headers: list[tuple[str, str]], data: bytes, keep: int | None = None
        ) -> None:
            self.send_response(status)
            head = self.command == "HEAD"
            named = {name.lower(): value for name, value in headers}
            length = named.pop("content-length", "0")
            length = length if head else str(len(data))
            for name, value in [*named.items(), ("content-length", length)]:
                self.send_header(name, value)
            self.end_headers()
            if not head:
                self.wfile.write(data if keep is None else data[:keep])
            self.wfile.flush()
            self.close_connection = self.close_connection or keep is not None

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay

        def log_message(self, *_: Any) -> None:
            pass

    return Proxy


def main() -> None:
    """Run both until the input ends."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    store.start()
    target = store.get_host_and_port()
    proxy = ThreadingHTTPServer((HOST, 0), _handler(target, _Orders()))
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    urls = [f"http://{HOST}:{port}" for port in (proxy.server_address[1], target[1])]
    sys.stdout.write(json.dumps(urls) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    proxy.shutdown()
    store.stop()


if __name__ == "__main__":
    main()
