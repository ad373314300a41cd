//! Real clients with Exim, Courier and Cyrus through mailtap, in plaintext and with TLS: each line explained, nothing false.
//! Takes the servers that tests/setup.sh unpacks; gives, for each session, what passed, was recorded, told and found.
//! Does not know what the events mean beyond verbs.

use std::net::SocketAddr;

use crate::support::{
    clients::{curl, curl_with, mbsync, python, swaks},
    dovecot::{DOMAIN, PASSWORD},
    exim::{Delivery, Exim},
    findings::{Because, nothing_false},
    jobs::{script, secure_script, verbs_contain},
    mailtap::Mailtap,
    others::{self, WAYS, member},
    programs::{Ends, JOBS, Security, Site, do_all},
    readers::OFFLINEIMAP_TRIES,
    recording::files_with,
    servers::{servers, user},
    through::{Through, spellings},
    wait_for,
};

/// What is true of any session with these servers when all programs are at work at once.
const BUSY: Because = ("slow-answer", "all programs at once keep the machine busy");
const GIVEN_UP: Because = ("tls-closed", "offlineimap may give up a connection and try again");

static COURIER: Site = Site {
    domain: DOMAIN,
    password: PASSWORD,
    auth: "plain",
    prefix: "INBOX.",
    has_sent: false,
    relay_refused: "550 relay not permitted",
    wrong_password: "535 Incorrect authentication data",
    delivered: Some(|user| others::courier().1.delivered(user)),
};

static CYRUS: Site = Site {
    prefix: "",
    has_sent: true,
    auth: "cram-md5",
    delivered: Some(|user| others::cyrus().1.delivered(user)),
    ..COURIER
};

/// Every program's work with one of the servers and its Exim, through one mailtap.
#[track_caller]
fn work(site: &'static Site, servers: [SocketAddr; 3], tls: Security, known: &[Because]) {
    let suffix = if tls == Security::Implicit { "s" } else { "" };
    let schemes = ["submission", "imap", "pop3"].iter();
    let routes: Vec<String> = schemes
        .zip(servers)
        .map(|(scheme, to)| format!("{scheme}{suffix}://127.0.0.1:0={scheme}{suffix}://{to}"))
        .collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let mut mailtap = Mailtap::start(&routes, &["--upstream-ca", others::root()]);
    let [submission, imap, pop3] = [0, 1, 2].map(|index| mailtap.address(routes[index]));
    let ends = Ends { submission, imap, pop3, tls, ca: mailtap.dir.join("certs/ca.pem"), attachment: 0, site };
    let folder = tempfile::tempdir().expect("a folder");
    let way = WAYS[Security::ALL.iter().position(|way| *way == tls).expect("a way")];
    do_all(JOBS, &ends, folder.path(), way);
    let recordings = mailtap.recordings(JOBS.len());
    assert!(mailtap.stop().success(), "{}", mailtap.errors());
    let given_up =
        recordings.iter().filter(|recording| recording.note_codes().contains(&GIVEN_UP.0.to_owned())).count();
    assert!(given_up <= if tls == Security::StartTls { OFFLINEIMAP_TRIES - 1 } else { 0 }, "{given_up} were given up");
    nothing_false(&mailtap.dir, &recordings, &[&[BUSY, GIVEN_UP], known].concat());
    for secret in spellings(PASSWORD) {
        let files = files_with(&mailtap.dir, secret.as_bytes());
        assert!(files.is_empty(), "the password stands as {secret} in {files:?}");
    }
}

fn with_courier(tls: Security) {
    let (courier, exim) = others::courier();
    let servers = match tls {
        Security::Implicit => [exim.submissions, courier.imaps, courier.pop3s],
        _ => [exim.smtp, courier.imap, courier.pop3],
    };
    work(&COURIER, servers, tls, &[]);
}

fn with_cyrus(tls: Security) {
    let (cyrus, exim) = others::cyrus();
    let servers = match tls {
        Security::Implicit => [exim.submissions, cyrus.imaps, cyrus.pop3s],
        _ => [exim.smtp, cyrus.imap, cyrus.pop3],
    };
    work(&CYRUS, servers, tls, &[]);
}

#[test]
fn programs_work_with_courier_in_plaintext() {
    with_courier(Security::Plain);
}

#[test]
fn programs_work_with_courier_over_starttls() {
    with_courier(Security::StartTls);
}

#[test]
fn programs_work_with_courier_over_implicit_tls() {
    with_courier(Security::Implicit);
}

#[test]
fn programs_work_with_cyrus_in_plaintext() {
    with_cyrus(Security::Plain);
}

#[test]
fn programs_work_with_cyrus_over_starttls() {
    with_cyrus(Security::StartTls);
}

#[test]
fn programs_work_with_cyrus_over_implicit_tls() {
    with_cyrus(Security::Implicit);
}

/// A Python script's visits to the servers of a protocol: without TLS, with STARTTLS and with TLS from the first byte.
#[track_caller]
fn visits(
    script_name: &str,
    before: &[&str],
    (scheme, servers): (&str, [SocketAddr; 2]),
    (how, prepare): (&str, &dyn Fn(&str)),
    known: &[Because],
    verbs: &[&str],
) {
    let [plain, implicit] = servers;
    for tls in Security::ALL {
        let scheme = if tls == Security::Implicit { format!("{scheme}s") } else { scheme.to_owned() };
        let server = if tls == Security::Implicit { implicit } else { plain };
        let through = Through::start(&scheme, server, &["--upstream-ca", others::root()]).knowing(known);
        let (user, ca) = (member(), through.ca());
        prepare(&user);
        let seen = match tls {
            Security::Plain => script(script_name, before, through.address(), &user, how),
            _ => secure_script(script_name, before, through.address(), &user, how, &ca, tls == Security::Implicit),
        };
        assert!(
            seen.contains("NONSENSE") || seen.contains("nonsense"),
            "{script_name} did not come to its end:\n{seen}"
        );
        let recordings = if tls == Security::Plain { through.check(1) } else { through.check_secure(1).recordings };
        verbs_contain(&recordings, verbs);
    }
}

fn nothing(_user: &str) {}

#[test]
fn everything_that_courier_offers_by_imap() {
    const SLOW: Because = ("slow-answer", "Courier takes two seconds to rename or delete a mailbox");
    let courier = &others::courier().0;
    let verbs = ["SORT", "THREAD", "GETQUOTAROOT", "MYRIGHTS", "SETACL", "IDLE", "UID EXPUNGE", "LSUB"];
    visits("imap_all.py", &[], ("imap", [courier.imap, courier.imaps]), ("INBOX.", &nothing), &[SLOW], &verbs);
}

#[test]
fn everything_that_cyrus_offers_by_imap() {
    let cyrus = &others::cyrus().0;
    let verbs = ["ENABLE", "ID", "XLIST", "SCAN", "GETMETADATA", "GENURLAUTH", "UID MOVE", "IDLE", "UNSELECT", "XMOVE"];
    visits("imap_all.py", &[], ("imap", [cyrus.imap, cyrus.imaps]), ("", &nothing), &[], &verbs);
}

#[test]
fn everything_that_dovecot_offers_by_imap() {
    let dovecot = &servers().dovecot;
    let through = Through::start("imap", dovecot.imap, &[]);
    script("imap_all.py", &[], through.address(), &user("all"), "");
    verbs_contain(&through.check(1), &["ENABLE", "NOTIFY", "UID THREAD", "UID MOVE", "IDLE"]);
}

/// A refused login is answered late on purpose.
const LATE: Because = ("slow-answer", "the server waits some seconds before it refuses a password");

/// Three visits of poplib to a mailbox with three messages.
#[track_caller]
fn poplib(exim: &Exim, servers: [SocketAddr; 2], how: &str) {
    let seed = |user: &str| {
        script("smtp_job.py", &["smtp"], exim.smtp, user, "none");
        wait_for("three messages", || (exim.delivered(user) >= 3).then_some(()));
    };
    let verbs = ["CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "QUIT"];
    visits("pop3_job.py", &[], ("pop3", servers), (how, &seed), &[LATE], &verbs);
}

#[test]
fn poplib_with_courier() {
    let (courier, exim) = others::courier();
    poplib(exim, [courier.pop3, courier.pop3s], "plain");
}

#[test]
fn poplib_with_cyrus() {
    let (cyrus, exim) = others::cyrus();
    poplib(exim, [cyrus.pop3, cyrus.pop3s], "pass");
}

#[test]
fn smtplib_with_exim() {
    let exim = &others::cyrus().1;
    let verbs = ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "VRFY", "QUIT"];
    for how in ["plain", "login", "wrong"] {
        visits(
            "smtp_job.py",
            &["smtp"],
            ("submission", [exim.smtp, exim.submissions]),
            (how, &nothing),
            &[LATE],
            &verbs,
        );
    }
}

#[test]
fn everything_that_exim_offers() {
    let exim = &others::cyrus().1;
    let verbs = ["HELO", "EHLO", "BDAT", "VRFY", "EXPN", "ETRN", "HELP", "NOOP"];
    visits("smtp_all.py", &["smtp"], ("smtp", [exim.smtp, exim.submissions]), ("none", &nothing), &[LATE], &verbs);
}

/// Its LMTP has no TLS where it asks for no login.
#[test]
fn everything_that_cyrus_takes_by_lmtp() {
    let cyrus = &others::cyrus().0;
    let through = Through::start("lmtp", cyrus.lmtp, &[]);
    script("smtp_all.py", &["lmtp"], through.address(), &member(), "none");
    verbs_contain(&through.check(1), &["LHLO", "MAIL", "RCPT", "DATA", "NOOP", "QUIT"]);
}

#[test]
fn exim_hands_on_to_cyrus_by_lmtp() {
    let cyrus = &others::cyrus().0;
    let known =
        ("8bit-without-8bitmime", "Exim passes on what it has got, and says BODY=8BITMIME only if the sender did");
    let through = Through::start("lmtp", cyrus.lmtp, &[]).knowing(&[known]);
    let exim = Exim::start(others::chain(), Delivery::Lmtp(through.address()));
    let (one, other) = (member(), member());
    script("smtp_job.py", &["smtp"], exim.smtp, &one, "none");
    let to = [one.as_str(), &other, "nobody-there"].map(|user| format!("{user}@{DOMAIN}"));
    let args = ["--from", &to[0], "--to", &to.join(","), "--helo", "client.test"];
    swaks(exim.smtp, args).expect_ok();
    wait_for("the mail for everybody", || (exim.delivered(&one) == 4 && exim.delivered(&other) == 1).then_some(()));
    let recordings = through.check(2);
    verbs_contain(&recordings, &["LHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[test]
fn curl_logs_in_to_exim_by_each_mechanism() {
    let exim = &others::cyrus().1;
    for (scheme, server, more) in [
        ("submission", exim.smtp, "--disable"),
        ("submission", exim.smtp, "--ssl-reqd"),
        ("submissions", exim.submissions, "--disable"),
    ] {
        let through = Through::start(scheme, server, &["--upstream-ca", others::root()]);
        let (user, ca) = (member(), through.ca().display().to_string());
        let own = format!("{user}@{DOMAIN}");
        let url =
            format!("{}://{}/client.test", if scheme == "submissions" { "smtps" } else { "smtp" }, through.address());
        let mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "NTLM"];
        for mechanism in mechanisms {
            let (auth, login) = (format!("AUTH={mechanism}"), format!("{user}:{PASSWORD}"));
            let common = ["--mail-from", &own, "--mail-rcpt", &own, "--upload-file", "-", "--cacert", &ca, more];
            let send = |login: &str| {
                let args = common.into_iter().chain(["--login-options", &auth, "--user", login, &url]);
                curl_with(args, b"Subject: by curl\r\n\r\n.x\r\n")
            };
            send(&login).expect_ok();
            // 67: access denied.
            assert_eq!(send(&format!("{login}-wrong")).code, Some(67), "{mechanism}");
        }
        let count = 2 * mechanisms.len();
        let recordings = match (scheme, more) {
            ("submission", "--disable") => through.check(count),
            _ => through.check_secure(count).recordings,
        };
        verbs_contain(&recordings, &["EHLO", "AUTH", "MAIL", "DATA", "QUIT"]);
    }
}

#[test]
fn curl_logs_in_to_courier_and_cyrus_by_each_mechanism() {
    let (courier, cyrus) = (&others::courier().0, &others::cyrus().0);
    // What Courier lists as a mechanism by IMAP is not LOGIN, which is a command there.
    let (by_imap, by_pop3) = (["PLAIN", "CRAM-MD5"], ["PLAIN", "LOGIN", "CRAM-MD5"]);
    let many = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"];
    for (scheme, server, mechanisms) in [
        ("imap", courier.imap, &by_imap[..]),
        ("imaps", courier.imaps, &by_imap),
        ("pop3", courier.pop3, &by_pop3),
        ("pop3s", courier.pop3s, &by_pop3),
        ("imap", cyrus.imap, &many),
        ("imaps", cyrus.imaps, &many),
        ("pop3", cyrus.pop3, &many),
        ("pop3s", cyrus.pop3s, &many),
    ] {
        let through = Through::start(scheme, server, &["--upstream-ca", others::root()]).knowing(&[LATE]);
        let (user, ca) = (member(), through.ca().display().to_string());
        let url = format!("{scheme}://{}/", through.address());
        for mechanism in mechanisms {
            let (auth, login) = (format!("AUTH={mechanism}"), format!("{user}:{PASSWORD}"));
            let read = |login: &str| curl(["--cacert", &ca, "--login-options", &auth, "--user", login, &url]);
            read(&login).expect_ok();
            if *mechanism == "CRAM-MD5" {
                // 67: access denied.
                assert_eq!(read(&format!("{login}-wrong")).code, Some(67), "{mechanism} by {scheme}");
            }
        }
        let count = mechanisms.len() + 1;
        if scheme.ends_with('s') {
            through.check_secure(count);
        } else {
            through.check(count);
        }
    }
}

/// Cyrus keeps scripts for those alone who have mailboxes, which it makes when they first log in by IMAP.
#[test]
fn everything_that_cyrus_does_with_scripts() {
    let cyrus = &others::cyrus().0;
    let user = member();
    curl(["--user", &format!("{user}:{PASSWORD}"), &format!("imap://{}/", cyrus.imap)]).expect_ok();
    let through = Through::start("sieve", cyrus.sieve, &["--upstream-ca", others::root()]);
    let (address, ca) = (through.address(), through.ca().display().to_string());
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    python("sieve_all.py", [host.as_str(), &port, &user, PASSWORD, &ca]).expect_ok();
    let verbs = ["STARTTLS", "AUTHENTICATE", "PUTSCRIPT", "GETSCRIPT", "CHECKSCRIPT", "NOOP", "UNAUTHENTICATE"];
    verbs_contain(&through.check_secure(1).recordings, &verbs);
}

#[test]
fn mbsync_logs_in_to_cyrus_by_each_mechanism() {
    let cyrus = &others::cyrus().0;
    let through = Through::start("imap", cyrus.imap, &["--upstream-ca", others::root()]);
    let (user, ca) = (member(), through.ca());
    let mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];
    for mechanism in mechanisms {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display();
        std::fs::create_dir(folder.path().join("mail")).expect("a folder for mail");
        let text = format!(
            "IMAPAccount server\nHost localhost\nPort {}\nUser {user}\nPass {PASSWORD}\nSSLType STARTTLS\n\
             CertificateFile {}\nSystemCertificates no\nAuthMechs {mechanism}\n\nIMAPStore far\nAccount server\n\n\
             MaildirStore near\nPath {root}/mail/\nInbox {root}/mail/INBOX\n\nChannel all\nFar :far:\nNear :near:\n\
             Patterns *\nCreate Near\nSyncState *\n",
            through.address().port(),
            ca.display()
        );
        mbsync(folder.path(), &text).expect_ok();
    }
    let recordings = through.check_secure(mechanisms.len()).recordings;
    verbs_contain(&recordings, &["AUTHENTICATE", "LOGIN", "COMPRESS", "SELECT"]);
}
