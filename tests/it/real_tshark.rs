//! tshark reads a capture of the same sessions and must find the same commands and replies.
//! Takes what the tap between client and mailtap saw; gives a comparison of two lists.
//! Does not use mailtap's parsers for the comparison; where tshark is wrong, the test says why.

use crate::support::{
    capture::write_pcap,
    clients::tshark,
    jobs::{script, seed},
    mailtap,
    recording::Recording,
    servers::{servers, user},
    tap::Capture,
    through::Through,
};

/// What tshark reads in the capture that `mailtap export` makes of a recording; it must complain of nothing.
#[track_caller]
fn exported(recording: &Recording, fields: &[&str]) -> Vec<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().expect("a folder for the capture");
    let file = folder.path().join("session.pcapng");
    // The folder that it was recorded in is gone by now.
    let lines: String = recording.events.iter().map(|event| format!("{event}\n")).collect();
    let path = folder.path().join("session.jsonl");
    std::fs::write(&path, lines).expect("a recording");
    let path = path.to_str().expect("a path as text");
    let to = file.to_str().expect("a path as text");
    mailtap::run(folder.path(), &["export", path, "--format", "pcapng", "-o", to]).expect_ok();
    let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let filter = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed";
    let wrong = tshark(&file, &[&checks[..], &["-Y", filter]].concat(), &["frame.number", "_ws.expert.message"]);
    assert!(wrong.is_empty(), "{wrong:?}");
    tshark(&file, &[], fields)
}

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
    let fields = ["smtp.req.command", "smtp.response.code"];
    let (recording, rows) = session(through, 25, &fields);
    let exported = exported(&recording, &fields);
    assert_eq!(column(&exported, 0), column(&rows, 0), "commands: in the export (left), on the wire (right)");
    assert_eq!(column(&exported, 1), column(&rows, 1), "codes: in the export (left), on the wire (right)");
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
    let fields = ["pop.request.command", "pop.response.indicator"];
    let (recording, rows) = session(through, 110, &fields);
    let exported = exported(&recording, &fields);
    assert_eq!(column(&exported, 0), column(&rows, 0), "commands: in the export (left), on the wire (right)");
    assert_eq!(column(&exported, 1), column(&rows, 1), "indicators: in the export (left), on the wire (right)");
    let commands: Vec<String> = column(&rows, 0).iter().map(|verb| verb.to_uppercase()).collect();
    assert_eq!(commands, recording.verbs(), "commands: tshark (left), mailtap (right)");
    assert_eq!(column(&rows, 1), recording.statuses(), "indicators: tshark (left), mailtap (right)");
}

#[test]
fn imap_commands_and_statuses_are_tsharks() {
    let through = Through::start("imap", servers().dovecot.imap, &[]);
    script("imap_job.py", &[], through.address(), &user("tshark"), "login");
    let fields = ["imap.request_tag", "imap.request.command", "imap.response_tag", "imap.response.status"];
    let (recording, rows) = session(through, 143, &fields);
    let tags = column(&exported(&recording, &fields), 2);
    assert_eq!(tags.last(), column(&rows, 2).last(), "the export ends with the same reply");
    // tshark knows no literals of clients: it takes each line of an appended message for a command, and misses what
    // follows a literal. imaplib begins all its tags with the same four letters, which tells the real ones.
    let prefix: String = column(&rows, 0)[0].chars().take(4).collect();
    let commands: Vec<String> = rows
        .iter()
        .filter(|row| row[0].first().is_some_and(|tag| tag.starts_with(&prefix)))
        .flat_map(|row| row[1].iter().take(1).map(|verb| verb.to_uppercase()))
        .collect();
    // It shows the UID of a UID command apart.
    let verbs: Vec<String> = recording.verbs().iter().map(|verb| verb.trim_start_matches("UID ").to_owned()).collect();
    assert_eq!(commands, verbs, "commands: tshark (left), mailtap (right)");
    // Untagged data has a tag (`*`) and often no status; the tagged reply stands at the end of its packet.
    let statuses: Vec<String> = rows
        .iter()
        .filter(|row| row[2].last().is_some_and(|tag| tag.starts_with(&prefix)))
        .filter_map(|row| row[3].last().cloned())
        .collect();
    let tagged: Vec<String> = recording
        .of_kind("reply")
        .iter()
        .filter(|event| event["tag"].is_string())
        .filter_map(|event| event["status"].as_str().map(ToOwned::to_owned))
        .collect();
    assert_eq!(statuses, tagged, "statuses of tagged replies: tshark (left), mailtap (right)");
}
