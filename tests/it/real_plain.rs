//! Real SMTP, LMTP and POP3 clients do the same job directly and through mailtap, in plaintext, with the same outcome.
//! Takes the shared servers; gives, for each session, a comparison of the recording with what passed on both legs.
//! Does not know what the events mean beyond verbs and statuses.

use crate::support::{
    clients::{curl, curl_with, msmtp, swaks},
    dovecot::PASSWORD,
    jobs::{delivered, essence, fetchmail_fetches, outcomes, script, seed, three_ways, users_are, verbs_contain},
    process::Ran,
    servers::servers,
};

#[track_caller]
fn poplib(how: &str, verbs: &[&str]) {
    let (_, recordings) = three_ways("pop3", servers().dovecot.pop3, 1, |address, user| {
        seed(user);
        let seen = script("pop3_job.py", &[], address, user, how);
        format!("{seen}{}", delivered(user, 2))
    });
    verbs_contain(&recordings, verbs);
    verbs_contain(&recordings, &["CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "QUIT"]);
    users_are(&recordings, "behind");
}

#[test]
fn poplib_with_user_and_pass() {
    poplib("pass", &["USER", "PASS"]);
}

#[test]
fn poplib_with_apop() {
    poplib("apop", &["APOP"]);
}

#[test]
fn poplib_with_plain() {
    poplib("plain", &["AUTH"]);
}

#[track_caller]
fn smtplib(how: &str, verbs: &[&str]) {
    let (_, recordings) = three_ways("submission", servers().postfix.submission, 1, |address, user| {
        let seen = script("smtp_job.py", &["smtp"], address, user, how);
        format!("{seen}{}", delivered(user, 3))
    });
    verbs_contain(&recordings, verbs);
    verbs_contain(&recordings, &["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "VRFY", "QUIT"]);
    users_are(&recordings, "behind");
}

#[test]
fn smtplib_with_plain() {
    smtplib("plain", &[]);
}

#[test]
fn smtplib_with_login() {
    smtplib("login", &[]);
}

#[test]
fn smtplib_with_cram_md5() {
    smtplib("cram-md5", &[]);
}

#[test]
fn smtplib_with_wrong_passwords() {
    smtplib("wrong", &[]);
}

#[test]
fn smtplib_without_password() {
    let (_, recordings) = three_ways("smtp", servers().postfix.smtp, 1, |address, user| {
        let seen = script("smtp_job.py", &["smtp"], address, user, "none");
        format!("{seen}{}", delivered(user, 3))
    });
    verbs_contain(&recordings, &["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[test]
fn smtplib_lmtp() {
    let (_, recordings) = three_ways("lmtp", servers().dovecot.lmtp, 1, |address, user| {
        let seen = script("smtp_job.py", &["lmtp"], address, user, "none");
        format!("{seen}{}", delivered(user, 3))
    });
    verbs_contain(&recordings, &["LHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[test]
fn dovecot_submission_with_bdat_capability() {
    let (seen, _) = three_ways("submission", servers().dovecot.submission, 1, |address, user| {
        let seen = script("smtp_job.py", &["smtp"], address, user, "plain");
        format!("{seen}{}", delivered(user, 3))
    });
    assert!(seen.contains("CHUNKING"), "{seen}");
}

#[test]
fn curl_reads_pop3() {
    let (_, recordings) = three_ways("pop3", servers().dovecot.pop3, 5, |address, user| {
        seed(user);
        let login = format!("{user}:{PASSWORD}");
        let box_ = format!("pop3://{address}/");
        let text = curl(["--user", &login, &format!("{box_}3")]);
        let mut seen = vec![curl(["--user", &login, &box_, "--request", "STAT", "--head"])];
        seen.push(curl([
            "--user",
            &login,
            "--login-options",
            "AUTH=+APOP",
            &format!("{box_}1"),
            "--request",
            "DELE",
            "--head",
        ]));
        seen.push(curl([
            "--user",
            &login,
            "--login-options",
            "AUTH=SCRAM-SHA-256",
            &box_,
            "--request",
            "NOOP",
            "--head",
        ]));
        seen.push(curl(["--user", &format!("{user}:{PASSWORD}-wrong"), &box_]));
        outcomes(&seen) + &essence(&[text.stdout], user).join("") + &delivered(user, 2)
    });
    verbs_contain(&recordings, &["CAPA", "AUTH", "RETR", "DELE", "QUIT"]);
}

#[test]
fn curl_sends() {
    let (_, recordings) = three_ways("submission", servers().postfix.submission, 3, |address, user| {
        let url = format!("smtp://{address}/client.test");
        let own = format!("{user}@mail.test");
        let message = b"Subject: by curl\r\n\r\n.\r\n..dots\r\n".as_slice();
        let send = |auth: &str, password: &str| {
            let login = format!("{user}:{password}");
            let common = ["--mail-from", &own, "--mail-rcpt", &own, "--upload-file", "-", "--user", &login];
            curl_with(common.into_iter().chain(["--login-options", auth, &url]), message)
        };
        let wrong = format!("{PASSWORD}-wrong");
        outcomes(&[send("AUTH=PLAIN", PASSWORD), send("AUTH=CRAM-MD5", PASSWORD), send("AUTH=LOGIN", &wrong)])
            + &delivered(user, 2)
    });
    verbs_contain(&recordings, &["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[test]
fn swaks_sends() {
    let (_, recordings) = three_ways("submission", servers().postfix.submission, 4, |address, user| {
        let own = format!("{user}@mail.test");
        let wrong = format!("{PASSWORD}-wrong");
        let send = |mechanism, password: &str| {
            let args = ["--helo", "client.test", "--from", &own, "--to", &own, "--auth", mechanism];
            swaks(
                address,
                args.into_iter().chain(["--auth-user", user, "--auth-password", password, "--body", "swaks"]),
            )
        };
        let runs =
            [send("PLAIN", PASSWORD), send("LOGIN", PASSWORD), send("CRAM-MD5", PASSWORD), send("DIGEST-MD5", &wrong)];
        // swaks marks what it received with `<`: kind, code and the dash of a line that goes on are compared.
        let replies = |ran: &Ran| -> Vec<String> {
            ran.text().lines().filter(|line| line.starts_with('<')).map(|line| line.chars().take(8).collect()).collect()
        };
        let seen: Vec<String> = runs.iter().map(|ran| format!("{:?} {:?}\n", ran.code, replies(ran))).collect();
        assert!(runs[..3].iter().all(Ran::is_ok), "{}", runs[0]);
        delivered(user, 3);
        seen.concat()
    });
    verbs_contain(&recordings, &["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[test]
fn msmtp_sends() {
    let mechanisms = ["plain", "login", "cram-md5", "scram-sha-256"];
    // Postfix offers what Dovecot has, so SCRAM can be tried with a client that knows it.
    let (_, recordings) = three_ways("submission", servers().postfix.submission, mechanisms.len(), |address, user| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut seen = String::new();
        for mechanism in mechanisms {
            let text = format!(
                "account default\nhost {}\nport {}\nfrom {user}@mail.test\nauth {mechanism}\nuser {user}\n\
                 password {PASSWORD}\ntls off\ndomain client.test\n",
                address.ip(),
                address.port()
            );
            let ran = msmtp(folder.path(), &text, &[&format!("{user}@mail.test")], b"Subject: by msmtp\n\n.\nhello\n");
            seen += &format!("{mechanism} {:?} {}\n", ran.code, ran.errors());
        }
        seen + &delivered(user, mechanisms.len())
    });
    verbs_contain(&recordings, &["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
    users_are(&recordings, "behind");
}

#[test]
fn fetchmail_by_pop3() {
    fetchmail_fetches("pop3", servers().dovecot.pop3, "pop3", &["STAT", "RETR", "DELE"]);
}

#[test]
fn fetchmail_by_apop() {
    fetchmail_fetches("pop3", servers().dovecot.pop3, "apop", &["APOP", "RETR", "DELE"]);
}
