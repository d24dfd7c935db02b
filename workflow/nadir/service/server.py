"""Running an app: logs as JSON, and a stop that lets open requests end."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from nadir.errors import InputError
from nadir.service.logs import log_as_json

log = logging.getLogger(__name__)

_SWITCH = 0.001
"""Seconds after which a thread that computes in Python makes way.

The thread of the models asks for the interpreter after each operation of a network; with Python's
own 5 ms it would wait that long, each time, while another thread reads or writes an image.
"""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: Address of this machine.
        port: Port; 0 takes a free one.

    Raises:
        InputError: When that is not possible.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{host}:{port}",
            f"the service cannot listen there ({reason})",
            "Choose another port with --port, or another address with --host.",
        ) from error


def serve(app: FastAPI, server_socket: socket.socket, grace: float) -> None:
    """Serve until SIGINT or SIGTERM; then take no more, and let open requests end.

    Args:
        app: What to serve.
        server_socket: Where; closed in the end.
        grace: Longest time that open requests get, in seconds.
    """
    log_as_json()
    sys.setswitchinterval(_SWITCH)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # the app logs requests itself, with their ids
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once it has stopped; a stop that was asked for is no fault.
    before = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        server.run(sockets=[server_socket])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        server_socket.close()
    log.info("stopped")
