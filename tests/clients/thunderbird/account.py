"""A profile for Thunderbird: an IMAP account, a POP3 account if there is one, and a way to send.

Takes what the tests know of the servers; writes `user.js`. Does not know what will be done with the accounts.
"""

import json

HOST = "127.0.0.1"

# Nothing but mail leaves: everything over HTTP goes to a proxy that is not there.
QUIET = {
    "network.proxy.type": 1,
    "network.proxy.http": HOST,
    "network.proxy.http_port": 9,
    "network.proxy.ssl": HOST,
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
    # Nobody is there to be asked whether a message is too large, or a folder is to go.
    "mailnews.confirm.moveFoldersToTrash": False,
    "mailnews.message_warning_size": 1 << 30,
    "mail.provider.suppress_dialog_on_startup": True,
    # What it fetches for a window that tells of news, it fetches or not, as it has the time.
    "mail.biff.show_alert": False,
    "mail.biff.alert.show_preview": False,
    "mail.spam.version": 1,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "browser.aboutwelcome.enabled": False,
}


def incoming(number, kind, port, user, tls):
    """An account that gets mail, as the account wizard writes it."""
    server = f"mail.server.server{number}"
    return {
        f"mail.account.account{number}.server": f"server{number}",
        f"{server}.type": kind,
        f"{server}.name": f"Test {kind}",
        f"{server}.hostname": HOST,
        f"{server}.port": port,
        f"{server}.userName": user,
        f"{server}.socketType": tls,
        f"{server}.authMethod": 3,
        f"{server}.login_at_startup": False,
        f"{server}.check_new_mail": False,
        f"{server}.download_on_biff": False,
    }


def preferences(config, marionette_port):
    tls = config["tls"]
    accounts = incoming(1, "imap", config["imap"], config["user"], tls)
    names = ["account1", "account2"]
    if "pop3" in config:
        accounts |= incoming(3, "pop3", config["pop3"], config["pop3_user"], tls)
        names.append("account3")
    return (
        QUIET
        | accounts
        | {
            "marionette.port": marionette_port,
            "mail.accountmanager.accounts": ",".join(names),
            "mail.accountmanager.defaultaccount": "account1",
            "mail.accountmanager.localfoldersserver": "server2",
            "mail.account.account1.identities": "id1",
            "mail.account.account2.server": "server2",
            "mail.server.server2.type": "none",
            "mail.server.server2.name": "Local Folders",
            "mail.server.server2.hostname": "Local Folders",
            "mail.server.server2.userName": "nobody",
            "mail.identity.id1.fullName": "Test",
            "mail.identity.id1.useremail": config["address"],
            "mail.identity.id1.valid": True,
            "mail.identity.id1.fcc": False,
            "mail.identity.id1.smtpServer": "smtp1",
            "mail.smtpservers": "smtp1",
            "mail.smtp.defaultserver": "smtp1",
            "mail.smtpserver.smtp1.hostname": HOST,
            "mail.smtpserver.smtp1.port": config["smtp"],
            "mail.smtpserver.smtp1.try_ssl": tls,
            "mail.smtpserver.smtp1.authMethod": 3,
            "mail.smtpserver.smtp1.username": config["user"],
        }
    )


def write(profile, config, marionette_port):
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences(config, marionette_port).items()]
    (profile / "user.js").write_text("".join(lines))
