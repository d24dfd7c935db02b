"""A headless Chromium, driven through its DevTools protocol over a pipe, and a service to visit."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager, suppress

from nadir.service.app import create_app
from nadir.service.server import listen
from nadir.service.settings import Settings

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DESKTOP, PHONE = (1280, 800), (390, 844)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """A running Chromium.

    Attributes:
        events: What it told without being asked: requests, messages of the console, exceptions.
    """

    def __init__(self, profile):
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        # Chromium reads commands from descriptor 3 and answers to 4, whatever they are here.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        void = os.open(os.devnull, os.O_RDWR)
        moves = [(void, 0), (void, 1), (void, 2), (ends[0], 3), (ends[1], 4)]
        self._process = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, here, there) for here, there in moves],
        )
        for end in (theirs_in, theirs_out, *ends, void):
            os.close(end)
        self._number, self._rest, self.events = 0, b"", []

    def call(self, method, session=None, seconds=60.0, **params):
        """Send a command and return its result."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for told in self._told(0.2):
                if told.get("id") == number:
                    if "error" in told:
                        raise AssertionError(f"{method}: {told['error']}")
                    return told["result"]
        raise AssertionError(f"Chromium does not answer {method}")

    def _told(self, seconds):
        """Return the messages that came; those that answer nothing are kept as events."""
        if select.select([self._in], [], [], seconds)[0]:
            self._rest += os.read(self._in, 1 << 20)
        *whole, self._rest = self._rest.split(b"\0")
        messages = [json.loads(text) for text in whole]
        self.events += [message for message in messages if "method" in message]
        return messages

    def close(self):
        """End it."""
        with suppress(AssertionError, OSError):
            self.call("Browser.close", seconds=5)
        end = time.monotonic() + 10
        while os.waitpid(self._process, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self._process, signal.SIGKILL)
            time.sleep(0.05)
        os.close(self._out)
        os.close(self._in)

    def tab(self):
        """Open a tab of its own profile."""
        return Tab(self)


class Tab:
    """A tab with its own storage."""

    def __init__(self, browser):
        self.browser = browser
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)
        self.target, self.context = target["targetId"], context
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.resize(*DESKTOP)

    def call(self, method, **params):
        """Send a command to the tab."""
        return self.browser.call(method, self.session, **params)

    def close(self):
        """Close it, and forget its storage."""
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def resize(self, width, height, scale=1):
        """Give the window a size; a narrow one is a phone."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def prefer(self, **features):
        """Prefer media features, as `prefers-color-scheme`: dark."""
        pairs = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.call("Emulation.setEmulatedMedia", features=pairs)

    def visit(self, address):
        """Open an address."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script):
        """Return what a script says; promises are waited for."""
        told = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise AssertionError(f"{script}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def wait(self, script, seconds=60.0):
        """Wait until a script says something true, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = self.run(script)
            except AssertionError:
                value = None  # between two documents
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never: {script}; {self.troubles()}")

    def text(self, name):
        """Return the text of an element."""
        return self.run(f"document.getElementById({json.dumps(name)}).textContent")

    def seen(self, name):
        """Return whether an element is shown."""
        return self.run(f"document.getElementById({json.dumps(name)}).checkVisibility()")

    def click(self, selector):
        """Click an element as a script does."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key, code=None):
        """Press a key, by its name."""
        code = code or key
        numbers = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
        params = {"key": key, "code": code, "windowsVirtualKeyCode": numbers.get(key, 0)}
        if len(key) == 1:
            params["text"] = key
        self.call("Input.dispatchKeyEvent", type="keyDown", **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def mouse(self, kind, x, y):
        """Send an event of the mouse: mouseMoved, mousePressed or mouseReleased."""
        held = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def choose(self, selector, path):
        """Choose a file for an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self):
        """Return the window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def told(self, method):
        """Return the events of a kind."""
        return [
            event["params"]
            for event in self.browser.events
            if event["method"] == method and event.get("sessionId") == self.session
        ]

    def troubles(self):
        """Return what the page complained about: exceptions, and errors of the browser."""
        wrong = [item["exceptionDetails"] for item in self.told("Runtime.exceptionThrown")]
        wrong += [
            item["entry"]["text"]
            for item in self.told("Log.entryAdded")
            if item["entry"]["level"] == "error"
        ]
        return wrong

    def addresses(self):
        """Return the addresses that the page asked for over a network."""
        asked = [item["request"]["url"] for item in self.told("Network.requestWillBeSent")]
        return [url for url in asked if not url.startswith(("data:", "blob:", "about:"))]


@contextmanager
def running_browser():
    """Run a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def running_service(capabilities, **settings):
    """Serve capabilities at a free port of this machine, and give the address."""
    place = listen("127.0.0.1", 0)
    app = create_app(Settings(**settings), capabilities)
    server = _Thread(app, place)
    server.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        server.stop()


class _Thread(threading.Thread):
    """A server in a thread."""

    def __init__(self, app, place):
        super().__init__(daemon=True)
        import uvicorn

        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
        self.server, self.place = uvicorn.Server(config), place

    def run(self):
        self.server.run(sockets=[self.place])

    def stop(self):
        self.server.should_exit = True
        self.join(20)
        self.place.close()
