"""Drives a headless Chromium through the DevTools protocol, with the standard library alone."""

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Failure(Exception):
    pass


class WebSocket:
    """The client's half of RFC 6455 that DevTools needs: text frames, of any length, possibly in fragments."""

    def __init__(self, url, timeout):
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self.socket = socket.create_connection((host, int(port)), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (
                f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.receive_some()
        answer, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise Failure(f"the browser refused the connection: {answer[:200]}")

    def receive_some(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Failure("the browser closed the connection")
        return data

    def exactly(self, count):
        parts = [self.rest]
        have = len(self.rest)
        while have < count:
            parts.append(self.receive_some())
            have += len(parts[-1])
        data = b"".join(parts)
        self.rest = data[count:]
        return data[:count]

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        length = (
            bytes([0x80 | size])
            if size < 126
            else b"\xfe" + struct.pack(">H", size) if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
        )
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")
        self.socket.sendall(b"\x81" + length + mask + masked)

    def receive(self, timeout):
        self.socket.settimeout(timeout)
        message = b""
        while True:
            first, second = self.exactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self.exactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.exactly(8))
            payload, code = self.exactly(size), first & 0x0F
            if code == 8:
                raise Failure("the browser closed the connection")
            if code in (0, 1):
                message += payload
                if first & 0x80:
                    return message.decode()


class Browser:
    """One browser with one page. Events of the page go to `listener(method, parameters)`."""

    def __init__(self, program, timeout=60):
        self.timeout, self.count, self.listener, self.session = timeout, 0, lambda method, parameters: None, None
        self.profile = tempfile.TemporaryDirectory(prefix="report_test_", ignore_cleanup_errors=True)
        self.errors = open(os.path.join(self.profile.name, "stderr"), "w+b")
        self.process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--remote-debugging-port=0",
                f"--user-data-dir={self.profile.name}",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-sync",
                "--disable-component-update",
                "--hide-scrollbars",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            start_new_session=True,
        )
        self.socket = WebSocket(self.address(), timeout)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def address(self):
        """Chromium writes the port that it chose into its profile; there is no event for it before one is connected."""
        file, end = os.path.join(self.profile.name, "DevToolsActivePort"), time.monotonic() + self.timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.errors.seek(0)
                raise Failure("chromium ended: " + self.errors.read()[-2000:].decode(errors="replace"))
            try:
                with open(file, encoding="ascii") as lines:
                    port, path = lines.read().split("\n")[:2]
                return f"ws://127.0.0.1:{port}{path}"
            except (OSError, ValueError):
                time.sleep(0.02)
        raise Failure("chromium opened no port in time")

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        number = self.count
        while True:
            answer = self.next_message(method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failure(f"{method}: {answer['error'].get('message')}")
                return answer["result"]

    def next_message(self, waiting_for):
        try:
            message = json.loads(self.socket.receive(self.timeout))
        except TimeoutError:
            raise Failure(f"no answer to {waiting_for} in {self.timeout} s") from None
        if "method" in message:
            self.listener(message["method"], message["params"])
            if message["method"] == "Page.javascriptDialogOpening":
                # Not answered by call(), which would wait inside of a wait.
                self.count += 1
                self.socket.send(
                    json.dumps(
                        {
                            "id": self.count,
                            "method": "Page.handleJavaScriptDialog",
                            "params": {"accept": False},
                            "sessionId": self.session,
                        }
                    )
                )
        return message

    def wait_event(self, name):
        while True:
            message = self.next_message(name)
            if message.get("method") == name:
                return message["params"]

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failure(f"in the page: {answer['exceptionDetails'].get('exception', {}).get('description', answer)}")
        return answer["result"].get("value")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (Failure, OSError):
            self.process.kill()
        self.process.wait()
        self.errors.close()
        self.profile.cleanup()
