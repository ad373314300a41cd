//! tshark reads a capture of the same sessions and must find the same commands and replies.
//! Takes what the tap between client and mailtap saw; gives a comparison of two lists.
//! Does not use mailtap's parsers for the comparison; where tshark is wrong, the test says why.

use crate::support::{
    capture::write_pcap,
    clients::tshark,
    jobs::{script, seed},
    recording::Recording,
    servers::{servers, user},
    tap::Capture,
    through::Through,
};

/// One session through mailtap, and the capture of it as tshark sees it.
#[track_caller]
fn session(through: Through, port: u16, fields: &[&str]) -> (Recording, Vec<Vec<Vec<String>>>) {
    let (mut recordings, captures): (Vec<Recording>, Vec<Capture>) = through.check_with_captures(1);
    let file = tempfile::NamedTempFile::new().expect("a file for the capture");
    write_pcap(file.path(), &captures, port);
    (recordings.remove(0), tshark(file.path(), &[], fields))
}

fn column(rows: &[Vec<Vec<String>>], number: usize) -> Vec<String> {
    rows.iter().flat_map(|row| row.get(number).cloned().unwrap_or_default()).collect()
}

#[test]
fn smtp_commands_and_codes_are_tsharks() {
    let through = Through::start("submission", servers().postfix.submission, &[]);
    script("smtp_job.py", &["smtp"], through.address(), &user("tshark"), "cram-md5");
    let (recording, rows) = session(through, 25, &["smtp.req.command", "smtp.response.code"]);
    let commands: Vec<String> = column(&rows, 0).iter().map(|verb| verb.to_uppercase()).collect();
    // tshark takes a line for a command only when its first word has four letters or is one of a few longer ones it
    // knows; Postfix and mailtap take any word for one, which Postfix then refuses.
    let known: Vec<String> = recording.verbs().into_iter().filter(|verb| verb != "NONSENSE").collect();
    assert_eq!(commands, known, "commands: tshark (left), mailtap (right)");
    assert!(recording.verbs().contains(&"NONSENSE".to_owned()), "{}", recording.dump());
    assert_eq!(column(&rows, 1), recording.statuses(), "codes: tshark (left), mailtap (right)");
}

#[test]
fn pop3_commands_and_replies_are_tsharks() {
    let through = Through::start("pop3", servers().dovecot.pop3, &[]);
    let user = user("tshark");
    seed(&user);
    script("pop3_job.py", &[], through.address(), &user, "pass");
    let (recording, rows) = session(through, 110, &["pop.request.command", "pop.response.indicator"]);
    let commands: Vec<String> = column(&rows, 0).iter().map(|verb| verb.to_uppercase()).collect();
    assert_eq!(commands, recording.verbs(), "commands: tshark (left), mailtap (right)");
    assert_eq!(column(&rows, 1), recording.statuses(), "indicators: tshark (left), mailtap (right)");
}

#[test]
fn imap_commands_and_statuses_are_tsharks() {
    let through = Through::start("imap", servers().dovecot.imap, &[]);
    script("imap_job.py", &[], through.address(), &user("tshark"), "login");
    let (recording, rows) = session(through, 143, &["imap.request.command", "imap.response.status"]);
    let commands: Vec<String> = column(&rows, 0).iter().map(|verb| verb.to_uppercase()).collect();
    assert_eq!(commands, recording.verbs(), "commands: tshark (left), mailtap (right)");
    assert_eq!(column(&rows, 1), recording.statuses(), "statuses: tshark (left), mailtap (right)");
}
