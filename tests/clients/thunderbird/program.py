"""Thunderbird as a program: started under an Xvfb of its own, told what to do by its Marionette, ended in every case.

Takes a profile's folder; gives the answers of scripts. Does not know what the scripts do.
"""

import contextlib
import json
import os
import socket
import subprocess
import time

SECONDS = 200  # for everything, on a busy machine
STEP_SECONDS = 60


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Thunderbird(contextlib.ExitStack):
    def __init__(self, profile, marionette_port):
        super().__init__()
        self.output = profile / "output"
        self.deadline = time.monotonic() + SECONDS
        with contextlib.ExitStack() as stack:
            display = self._display(stack)
            log = stack.enter_context(open(self.output, "wb"))
            environment = {"DISPLAY": display, "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "MOZ_ENABLE_WAYLAND": "0"}
            command = ["thunderbird", "--profile", str(profile), "--no-remote", "--marionette", "--remote-allow-system-access"]
            self.program = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            stack.callback(self.program.wait)
            stack.callback(self.program.kill)
            self.marionette = Marionette(marionette_port, self._is_hopeful)
            self.marionette.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
            self.marionette.command("WebDriver:SetTimeouts", script=STEP_SECONDS * 1000)
            self.marionette.command("Marionette:SetContext", value="chrome")
            self.push(stack.pop_all().__exit__)

    def script(self, text, *arguments):
        """Runs a script; the function that it calls with its result is its last argument."""
        return self.marionette.command("WebDriver:ExecuteAsyncScript", script=text, newSandbox=True, args=arguments)["value"]

    def question(self):
        """What the user is asked in a window that waits for an answer."""
        return self.marionette.command("WebDriver:GetAlertText")["value"]

    def quit(self):
        with contextlib.suppress(Exception):
            self.marionette.command("Marionette:Quit", flags=["eForceQuit"])
            self.program.wait(20)

    def said(self):
        return self.output.read_text(errors="replace")[-4000:]

    def _display(self, stack):
        command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp"]
        xvfb = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        stack.callback(xvfb.wait)
        stack.callback(xvfb.terminate)
        return ":" + xvfb.stdout.readline().decode().strip()

    def _is_hopeful(self):
        return self.program.poll() is None and time.monotonic() < self.deadline


class Marionette:
    """Just enough of the protocol: LENGTH:[0, id, name, arguments] there, LENGTH:[1, id, error, result] back."""

    def __init__(self, port, is_hopeful):
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                break
            except ConnectionRefusedError:
                if not is_hopeful():
                    raise
                time.sleep(0.05)
        self.last = 0
        self._receive()

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            length += self._read(1)
        wanted = int(length[:-1])
        text = b""
        while len(text) < wanted:
            text += self._read(wanted - len(text))
        return json.loads(text)

    def _read(self, count):
        data = self.socket.recv(count)
        if not data:
            raise EOFError("Thunderbird closed the connection")
        return data

    def command(self, name, **arguments):
        self.last += 1
        text = json.dumps([0, self.last, name, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._receive()
        if error:
            raise RuntimeError(f"{name}: {error}")
        return result
