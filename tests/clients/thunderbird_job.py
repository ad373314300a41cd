"""Real Thunderbird: sends a message to itself and fetches it, driven by its own Marionette, under Xvfb.

Reads one JSON object: profile (a folder, which may hold a certificate database), imap and smtp (ports of 127.0.0.1),
tls (0 none, 2 STARTTLS, 3 from the first byte), user, address, password, subject.
Prints what was fetched, as JSON. Ends Thunderbird and Xvfb in every case.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

SECONDS = 150  # for everything, on a busy machine

config = json.load(sys.stdin)
deadline = time.monotonic() + SECONDS
profile = pathlib.Path(config["profile"])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


marionette_port = free_port()
address = config["address"]
host = "127.0.0.1"
preferences = {
    "marionette.port": marionette_port,
    # Nothing but mail leaves: everything over HTTP goes to a proxy that is not there.
    "network.proxy.type": 1,
    "network.proxy.http": host,
    "network.proxy.http_port": 9,
    "network.proxy.ssl": host,
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "toolkit.telemetry.enabled": False,
    "mailnews.start_page.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spam.version": 1,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "browser.aboutwelcome.enabled": False,
    # The account, as the account wizard writes it.
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.account.account2.server": "server2",
    "mail.server.server1.type": "imap",
    "mail.server.server1.name": "Test",
    "mail.server.server1.hostname": host,
    "mail.server.server1.port": config["imap"],
    "mail.server.server1.userName": config["user"],
    "mail.server.server1.socketType": config["tls"],
    "mail.server.server1.authMethod": 3,
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.check_new_mail": False,
    "mail.server.server2.type": "none",
    "mail.server.server2.name": "Local Folders",
    "mail.server.server2.hostname": "Local Folders",
    "mail.server.server2.userName": "nobody",
    "mail.identity.id1.fullName": "Test",
    "mail.identity.id1.useremail": address,
    "mail.identity.id1.valid": True,
    "mail.identity.id1.fcc": False,
    "mail.identity.id1.smtpServer": "smtp1",
    "mail.smtpservers": "smtp1",
    "mail.smtp.defaultserver": "smtp1",
    "mail.smtpserver.smtp1.hostname": host,
    "mail.smtpserver.smtp1.port": config["smtp"],
    "mail.smtpserver.smtp1.try_ssl": config["tls"],
    "mail.smtpserver.smtp1.authMethod": 3,
    "mail.smtpserver.smtp1.username": config["user"],
}
lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
(profile / "user.js").write_text("".join(lines))
message = profile / "message.eml"
message.write_bytes(
    f"From: <{address}>\r\nTo: <{address}>\r\nSubject: {config['subject']}\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
    f"Message-ID: <{config['subject']}@mail.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    f"sent by Thunderbird\r\n.\r\nto itself\r\n".encode()
)

JOB = """
const [user, password, address, file, subject, done] = arguments;
(async () => {
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  for (const origin of ["imap://127.0.0.1", "smtp://127.0.0.1"]) {
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    login.init(origin, null, origin, user, password, "", "");
    await Services.logins.addLoginAsync(login);
  }
  const account = MailServices.accounts.getAccount("account1");
  const stopped = start => new Promise((resolve, reject) => {
    const end = status => Components.isSuccessCode(status) ? resolve() : reject(new Error("status " + status.toString(16)));
    start({
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener", "nsIMsgCopyServiceListener", "nsIUrlListener"]),
      onStartSending() {}, onSendProgress() {}, onProgress() {}, onStatus() {}, onGetDraftFolderURI() {},
      onStopSending(_id, status) { end(status); }, onSendNotPerformed() { reject(new Error("not sent")); },
      onTransportSecurityError(_id, status) { reject(new Error("TLS " + status.toString(16))); },
      onStartCopy() {}, setMessageKey() {}, getMessageId() { return null; }, onStopCopy() {},
      OnStartRunningUrl() {}, OnStopRunningUrl(_url, status) { end(status); },
      onStartRunningUrl() {}, onStopRunningUrl(_url, status) { end(status); },
    });
  });
  const read = uri => new Promise((resolve, reject) => {
    let text = "";
    MailServices.messageServiceFromURI(uri).streamMessage(uri, {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
      onStartRequest() {},
      onDataAvailable(_request, stream, _offset, count) {
        const readable = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
        readable.init(stream);
        text += readable.read(count);
      },
      onStopRequest(_request, status) {
        Components.isSuccessCode(status) ? resolve(text) : reject(new Error("stream " + status.toString(16)));
      },
    }, null, null, false, "", false);
  });
  // Thunderbird knows a message before its folder is ready to be read: it is asked again, a bounded number of times.
  const refusals = [];
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.from = address;
  fields.to = address;
  fields.subject = subject;
  const path = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  path.initWithPath(file);
  const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
  await stopped(listener => send.sendMessageFile(account.defaultIdentity, account.key, fields, path, false, false,
    Ci.nsIMsgSend.nsMsgDeliverNow, null, listener, null, null));
  const root = account.incomingServer.rootFolder;
  for (;;) {
    const inbox = root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
    if (!inbox) {
      account.incomingServer.performExpand(null);
    } else {
      await stopped(listener => inbox.QueryInterface(Ci.nsIMsgImapMailFolder) && inbox.getNewMessages(null, listener));
      const header = [...inbox.messages].find(known => known.mime2DecodedSubject == subject);
      const text = header && await read(inbox.getUriForMsg(header)).catch(error => void refusals.push(String(error)));
      if (text) {
        return text;
      }
      if (refusals.length > 100) {
        throw new Error(refusals[0]);
      }
    }
    // Delivery takes its time, and no event tells when it is done.
    await new Promise(resolve => setTimeout(resolve, 200));
  }
})().then(text => done({ text }), error => done({ error: String(error) + "\\n" + error.stack }));
"""


class Marionette:
    """Just enough of the protocol: LENGTH:[0, id, name, arguments] there, LENGTH:[1, id, error, result] back."""

    def __init__(self, port, alive):
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                break
            except ConnectionRefusedError:
                if not alive() or time.monotonic() > deadline:
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


with contextlib.ExitStack() as stack:
    xvfb = subprocess.Popen(["Xvfb", "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stack.callback(xvfb.wait)
    stack.callback(xvfb.terminate)
    display = xvfb.stdout.readline().decode().strip()
    environment = {**os.environ, "DISPLAY": f":{display}", "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "MOZ_ENABLE_WAYLAND": "0"}
    log = stack.enter_context(open(profile / "output", "wb"))
    thunderbird = subprocess.Popen(
        ["thunderbird", "--profile", str(profile), "--no-remote", "--marionette", "--remote-allow-system-access"],
        env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
    )
    stack.callback(thunderbird.wait)
    stack.callback(thunderbird.kill)
    try:
        marionette = Marionette(marionette_port, lambda: thunderbird.poll() is None)
        marionette.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
        marionette.command("WebDriver:SetTimeouts", script=SECONDS * 1000)
        marionette.command("Marionette:SetContext", value="chrome")
        result = marionette.command(
            "WebDriver:ExecuteAsyncScript", script=JOB, newSandbox=True,
            args=[config["user"], config["password"], address, str(message), config["subject"]],
        )["value"]
        print(json.dumps(result))
        with contextlib.suppress(Exception):
            marionette.command("Marionette:Quit", flags=["eForceQuit"])
            thunderbird.wait(20)
    except Exception as error:
        output = (profile / "output").read_text(errors="replace")[-4000:]
        sys.exit(f"{type(error).__name__}: {error}\n--- Thunderbird said\n{output}")
sys.exit(0 if "text" in result else 1)
