//! Clients recorded with real servers, then played to servers that were changed on purpose: what differs is what was changed.
//! Takes the shared servers, and a Dovecot and a Postfix with other settings.
//! Does not know how sessions are compared.

use serde_json::{Value, json};

use crate::real_replay::Recorded;
use crate::support::certs::Key;
use crate::support::clients::swaks;
use crate::support::dovecot::{Dovecot, Options, PASSWORD};
use crate::support::jobs::{script, seed};
use crate::support::postfix::{self, Postfix};
use crate::support::process::Ran;
use crate::support::servers::{server_names, servers, user};
use crate::support::{free_address, program, wait_for};

/// A Dovecot with these lines at the end of its configuration.
fn dovecot(extra: &str) -> Dovecot {
    let chain = servers().authority.issue(&server_names(), Key::Ecdsa);
    Dovecot::start(&Options { extra: extra.to_owned(), ..Options::new(chain) })
}

/// Plays the only session to another server: each difference as its command and what of it differs, the lines, the report.
#[track_caller]
fn differences(recorded: Recorded, url: String, user: &str) -> (Vec<(String, String)>, Vec<Value>, Ran) {
    let ran = Recorded { url, ..recorded }.play(0, user, &["--timeout", "20"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let mut lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = lines.pop().unwrap();
    assert_eq!([&report["unasked"], &report["unmet"]], [&json!([]); 2], "{ran}");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = lines.iter().map(|line| (word(&line["command"]), word(&line["what"]))).collect();
    (pairs, lines, ran)
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(command, what)| ((*command).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn pop3_with_fewer_mechanisms_and_a_message_less() {
    let user = user("rec");
    seed(&user);
    let recorded = Recorded::new("pop3", servers().dovecot.pop3, 1, |address, _| {
        let job = "import poplib, sys\n\
                   p = poplib.POP3('127.0.0.1', int(sys.argv[1]))\np.capa()\n\
                   p.user(sys.argv[2])\np.pass_(sys.argv[3])\np.retr(1)\np.retr(3)\np.noop()\np.quit()\n";
        let mut command = std::process::Command::new(program("python3", "python3"));
        Ran::new(command.args(["-B", "-c", job, &address.port().to_string(), &user, PASSWORD])).expect_ok();
    });
    let changed = dovecot("auth_mechanisms = plain login apop\n");
    script("smtp_job.py", &["lmtp"], changed.lmtp, &user, "none");
    let all = || (changed.messages(&user).len() == 3).then(|| std::fs::read_dir(changed.maildir(&user).join("new")));
    let mut files: Vec<_> = wait_for("three messages", all).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    std::fs::remove_file(files.last().unwrap()).unwrap();
    let (found, lines, ran) = differences(recorded, format!("pop3://{}", changed.pop3), &user);
    assert_eq!(found, pairs(&[("CAPA", "capabilities"), ("RETR", "status")]), "{ran}");
    assert!(lines[0]["removed"].to_string().contains("DIGEST-MD5"), "{ran}");
    assert!(lines[1]["text"].as_str().unwrap().contains("-ERR"), "{ran}");
}

#[test]
fn lmtp_into_a_mailbox_that_is_full() {
    let user = user("rec");
    let recorded = Recorded::new("lmtp", servers().dovecot.lmtp, 1, |address, _| {
        let own = format!("{user}@mail.test");
        swaks(address, ["--protocol", "LMTP", "--from", &own, "--to", &own, "--body", "x"]).expect_ok();
    });
    let changed = dovecot(
        "plugin {\n  quota = count:User quota\n  quota_rule = *:bytes=10\n  quota_vsizes = yes\n}\n\
         mail_plugins = quota\nprotocol lmtp {\n  mail_plugins = quota\n}\n",
    );
    let (found, lines, ran) = differences(recorded, format!("lmtp://{}", changed.lmtp), &user);
    assert_eq!(found, pairs(&[("DATA", "status")]), "{ran}");
    assert!(lines[0]["text"].as_str().unwrap().contains("is 250"), "{ran}");
    assert!(changed.messages(&user).is_empty());
}

#[test]
fn postfix_with_other_limits_and_extensions() {
    let user = user("rec");
    let own = format!("{user}@mail.test");
    let recorded = Recorded::new("submission", servers().postfix.submission, 1, |address, _| {
        let login = ["--auth", "PLAIN", "--auth-user", &user, "--auth-password", PASSWORD];
        let body = "many words\n".repeat(400);
        let mail = ["--helo", "client.test", "--from", &own, "--to", &own, "--body", &body];
        swaks(address, [&login[..], &mail].concat()).expect_ok();
    });
    let dovecot = &servers().dovecot;
    let changed = Postfix::start(&postfix::Options {
        chain: servers().authority.issue(&server_names(), Key::Ecdsa),
        auth_socket: dovecot.auth_socket.clone(),
        lmtp: dovecot.lmtp,
        smtp: free_address(),
        extra: "message_size_limit = 1000\nsmtpd_discard_ehlo_keywords = chunking, silent-discard\n".to_owned(),
    });
    let (found, lines, ran) = differences(recorded, format!("submission://{}", changed.submission), &user);
    assert_eq!(found, pairs(&[("EHLO", "capabilities"), ("DATA", "status")]), "{ran}");
    assert_eq!(lines[0]["removed"], json!(["CHUNKING", "SIZE 200000000"]), "{ran}");
    assert_eq!(lines[0]["added"], json!(["SIZE 1000"]), "{ran}");
    assert!(lines[1]["text"].as_str().unwrap().contains("552"), "{ran}");
}
