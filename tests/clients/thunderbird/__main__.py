"""Real Thunderbird does a job with mail: driven by its own Marionette, under Xvfb.

Reads one JSON object: job ("to-itself", "to-itself-asking" or "day"), profile (a folder, which may hold a certificate database), imap and smtp
(ports of 127.0.0.1), tls (0 none, 2 STARTTLS, 3 from the first byte), user, address, password; for a job what it says itself.
Prints what Thunderbird showed after each step, as one JSON object.
"""

import hashlib
import json
import pathlib
import smtplib
import sys
import time

import account
from program import SECONDS, Thunderbird, free_port

HERE = pathlib.Path(__file__).parent


class Steps:
    """The steps of a job, which are functions in a file of JavaScript."""

    def __init__(self, thunderbird, name, config):
        self.thunderbird = thunderbird
        self.text = "".join((HERE / part).read_text() for part in ["tools.js", f"{name}.js", "run.js"])
        self.config = config
        self.shown = {}

    def do(self, step, **more):
        began = time.monotonic()
        answer = self.thunderbird.script(self.text, step, {**self.config, **more})
        print(f"{step}: {time.monotonic() - began:.1f} s", file=sys.stderr)
        if answer is None:
            # A question put to the user ends the script.
            raise RuntimeError(f"{step}: {self.thunderbird.question()}")
        if "error" in answer:
            raise RuntimeError(f"{step}: {answer['error']}")
        self.shown[step] = answer["shown"]


def to_itself(steps, config):
    """Sends a message to itself and fetches it. Takes subject."""
    message = pathlib.Path(config["profile"], "message.eml")
    address, subject = config["address"], config["subject"]
    message.write_bytes(
        f"From: <{address}>\r\nTo: <{address}>\r\nSubject: {subject}\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
        f"Message-ID: <{subject}@mail.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
        f"sent by Thunderbird\r\n.\r\nto itself\r\n".encode()
    )
    steps.do("open")
    steps.do("send", file=str(message))
    steps.do("fetch")


def day(steps, config):
    """All that a mailbox is for. Takes attachment (how many bytes), other (a port at which others send mail, without
    login, if there are any), pop3 and pop3_user, recordings (a folder, where all passes through mailtap)."""
    folder = pathlib.Path(config["profile"])
    attachment = folder / "attachment.bin"
    content = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(config["attachment"] // 32))
    attachment.write_bytes(content)
    steps.do("open")
    others_send(config, config["address"], "pushed")
    steps.do("pushed")
    steps.do("send", file=str(attachment))
    steps.do("attachment", saved=str(folder / "saved.bin"))
    saved = (folder / "saved.bin").read_bytes()
    steps.shown["whole"] = {"bytes": len(saved), "same": hashlib.sha256(saved).digest() == hashlib.sha256(content).digest()}
    for step in ["flags", "folders", "move", "search", "delete"]:
        steps.do(step)
    if "pop3" in config:
        for subject in ["first by POP3", "second by POP3"]:
            others_send({**config, "recordings": None}, config["pop3_address"], subject)
        steps.do("pop3_leave")
        steps.do("pop3_delete")


def others_send(config, address, subject):
    """Another program sends a mail, while Thunderbird waits for news."""
    if not config.get("other"):
        return
    if config.get("recordings"):
        deadline = time.monotonic() + SECONDS
        while not is_idle(pathlib.Path(config["recordings"])):
            if time.monotonic() > deadline:
                raise TimeoutError("Thunderbird never waits for news")
            time.sleep(0.02)
    with smtplib.SMTP("127.0.0.1", config["other"]) as smtp:
        message = f"From: x@elsewhere.example\r\nTo: {address}\r\nSubject: {subject}\r\n\r\nby another program\r\n"
        smtp.sendmail("x@elsewhere.example", [address], message)


def is_idle(recordings):
    """Whether the last command of some session is IDLE, and it was told to go on."""
    for path in recordings.glob("sessions/*/*-*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        said = [line for line in lines if line["kind"] in ["command", "continue", "reply"]]
        if len(said) > 1 and said[-1]["kind"] == "continue" and said[-2].get("verb") == "IDLE":
            return True
    return False


def main():
    config = json.load(sys.stdin)
    folder = pathlib.Path(config["profile"])
    marionette_port = free_port()
    account.write(folder, config, marionette_port)
    with Thunderbird(folder, marionette_port) as thunderbird:
        steps = Steps(thunderbird, config["job"], config)
        try:
            {"to-itself": to_itself, "to-itself-asking": to_itself, "day": day}[config["job"]](steps, config)
        except Exception as error:
            sys.exit(f"{type(error).__name__}: {error}\n--- shown until then\n{json.dumps(steps.shown)}\n--- Thunderbird said\n{thunderbird.said()}")
        print(json.dumps(steps.shown))
        thunderbird.quit()


main()
