//! Mail that the practice server keeps in Maildirs: over restarts, and beside other programs that read and write there.
//! Takes a server in this process and its folder; gives nothing but failures.
//! Does not know how the server numbers messages, beyond the file it writes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::practice_kit::{Practice, Talk};
use crate::support::mailtap::{Mailtap, run};

fn with_mail(folder: &Path) -> Practice {
    Practice::with(|config| config.mail = Some(folder.to_owned()))
}

/// A server with a folder of its own, and bob's session at it.
fn bob() -> (tempfile::TempDir, PathBuf, Practice, Talk) {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("bob");
    let practice = with_mail(folder.path());
    let talk = practice.imap("bob");
    (folder, mail, practice, talk)
}

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What another program does that marks a message: it renames the file.
fn mark(file: &Path, letters: &str) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let base = name.split(':').next().unwrap();
    let to = file.parent().unwrap().parent().unwrap().join("cur").join(format!("{base}:2,{letters}"));
    fs::rename(file, &to).unwrap();
    to
}

#[test]
fn subscriptions_outlive_the_server() {
    let (folder, mail, first, mut talk) = bob();
    assert_eq!(talk.ok("LSUB \"\" *").len(), 6, "the mailboxes that everybody starts with");
    talk.ok("UNSUBSCRIBE Junk");
    drop((talk, first));
    let second = with_mail(folder.path());
    let mut talk = second.imap("bob");
    assert_eq!(talk.ok("LSUB \"\" *").len(), 5);
    assert_eq!(talk.ok("LIST (SUBSCRIBED) \"\" *").len(), 5);
    for name in ["INBOX", "Archive", "Drafts", "Sent", "Trash"] {
        talk.ok(&format!("UNSUBSCRIBE {name}"));
    }
    drop((talk, second));
    let third = with_mail(folder.path());
    let mut talk = third.imap("bob");
    assert!(talk.ok("LSUB \"\" *").is_empty(), "to want none is a choice too");
    assert_eq!(fs::read_to_string(mail.join("subscriptions")).unwrap(), "");
}

/// Untouched, the first subscriptions are as good as chosen ones.
#[test]
fn the_first_subscriptions_are_kept() {
    let (folder, _, first, talk) = bob();
    drop((talk, first));
    assert_eq!(with_mail(folder.path()).imap("bob").ok("LSUB \"\" *").len(), 6);
}

#[test]
fn a_folder_is_one_servers_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().to_str().unwrap();
    let args = ["practice", "--json", "--free-ports", "--mail", mail];
    let mut first = Mailtap::launch(&args, 7);
    let second = run(folder.path(), &args);
    assert_eq!(second.code, Some(2), "{second}");
    let said = second.errors();
    assert!(said.lines().count() == 1 && said.contains(mail) && said.contains("another server"), "{said}");
    assert!(first.stop().success());
    assert!(Mailtap::launch(&args, 7).stop().success(), "what a server that has ended had is free");
}

#[test]
fn a_uid_that_was_given_twice_is_given_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("bob");
    fs::create_dir_all(mail.join("cur")).unwrap();
    for name in ["1.a", "2.b", "3.c"] {
        fs::write(mail.join("cur").join(format!("{name}:2,S")), format!("Subject: {name}\n\nx\n")).unwrap();
    }
    fs::write(mail.join("mailtap-uids"), "1 V7 N9\n4 0.gone\n4 1.a\n5 2.b\n5 3.c\n").unwrap();
    for round in 1..=2 {
        let practice = with_mail(folder.path());
        let mut talk = practice.imap("bob");
        talk.ok("SELECT INBOX");
        let told = talk.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])").concat();
        for (uid, name) in [(4, "1.a"), (5, "2.b"), (9, "3.c")] {
            let message = format!("(UID {uid} BODY[HEADER.FIELDS (SUBJECT)] {{16}}\r\nSubject: {name}\r\n\r\n)");
            assert!(told.contains(&message), "{round}: {told}");
        }
    }
}

#[test]
fn a_rename_that_fails_changes_nothing() {
    let (_folder, mail, _practice, mut talk) = bob();
    // Not a Maildir, and in the way: the folder of the second mailbox that would be moved.
    fs::create_dir_all(mail.join(".New.Sub/other")).unwrap();
    talk.ok("CREATE Old");
    talk.ok("CREATE Old/Sub");
    talk.append("Old", "", "Subject: x\r\n\r\ny\r\n");
    assert_eq!(talk.status("RENAME Old New"), "NO [SERVERBUG]");
    for name in ["Old", "Old/Sub"] {
        talk.ok(&format!("SELECT {name}"));
    }
    assert_eq!(talk.ok("STATUS Old (MESSAGES)"), ["* STATUS Old (MESSAGES 1)"]);
    assert!(mail.join(".Old/cur").is_dir() && !mail.join(".New").exists());
    talk.ok("SELECT Old");
    assert!(talk.ok("FETCH 1 BODY[TEXT]").concat().contains('y'), "and the messages are found where they are");
    // With nothing in the way it can be done.
    fs::remove_dir_all(mail.join(".New.Sub")).unwrap();
    talk.ok("RENAME Old New");
    assert!(talk.ok("FETCH 1 BODY[TEXT]").concat().contains('y'), "in the session that has it open, too");
    assert!(mail.join(".New.Sub/cur").is_dir());
}

#[test]
fn folders_of_other_programs_are_seen_when_they_come_and_go() {
    let (_folder, mail, _practice, mut talk) = bob();
    assert_eq!(talk.status("SELECT Foreign"), "NO Mailbox");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(mail.join(".Foreign").join(part)).unwrap();
    }
    fs::write(mail.join(".Foreign/new/1.x"), "Subject: x\n\ny\n").unwrap();
    talk.ok("CREATE Bar");
    assert_eq!(talk.status("RENAME Bar Foreign"), "NO [ALREADYEXISTS]");
    assert_eq!(talk.status("CREATE Foreign"), "NO [ALREADYEXISTS]");
    talk.ok("SELECT Bar");
    assert_eq!(talk.ok("LIST \"\" Fo*"), ["* LIST (\\HasNoChildren) \"/\" Foreign"]);
    assert!(talk.ok("SELECT Foreign").concat().contains("* 1 EXISTS"));
    fs::remove_dir_all(mail.join(".Foreign")).unwrap();
    let (_, tagged) = talk.imap("NOOP");
    assert_eq!(tagged, "closed", "the mailbox is gone");
}

#[test]
fn sizes_are_those_of_what_is_read() {
    let (_folder, _, practice, mut talk) = bob();
    talk.append("INBOX", "", "Subject: x\r\n\r\na\r\r\nb\r\n");
    talk.ok("SELECT INBOX");
    let told = talk.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[])").concat();
    assert!(told.contains("RFC822.SIZE 20 BODY[] {20}"), "{told}");
    let mut pop3 = Talk::to(practice.at.pop3);
    pop3.line();
    for (command, answer) in
        [("USER bob", "+OK"), ("PASS sesame", "+OK Logged in."), ("LIST 1", "+OK 1 20"), ("RETR 1", "+OK 20 octets")]
    {
        assert_eq!(pop3.ask(command), answer);
    }
}

#[test]
fn a_message_that_another_program_marks_is_still_there() {
    let (_folder, mail, _practice, mut talk) = bob();
    talk.append("INBOX", "", "Subject: x\r\n\r\nbody\r\n");
    talk.ok("SELECT INBOX");
    let file = || files(&mail.join("cur")).pop().unwrap();
    mark(&file(), "F");
    assert!(talk.ok("FETCH 1 BODY.PEEK[TEXT]").concat().contains("body"), "read");
    mark(&file(), "FR");
    talk.ok("STORE 1 +FLAGS (\\Seen)");
    assert!(file().to_str().unwrap().ends_with(":2,FRS"), "marked: {:?}", file());
    mark(&file(), "R");
    talk.ok("COPY 1 Archive");
    assert_eq!(talk.ok("STATUS Archive (MESSAGES)"), ["* STATUS Archive (MESSAGES 1)"], "copied");
    talk.ok("STORE 1 +FLAGS (\\Deleted)");
    mark(&file(), "ST");
    talk.ok("EXPUNGE");
    assert!(files(&mail.join("cur")).is_empty(), "and removed");
    talk.ok("NOOP");
    assert!(talk.ok("SELECT INBOX").concat().contains("* 0 EXISTS"), "for good");
}

#[test]
fn letters_of_other_programs_stay() {
    let (_folder, mail, _practice, mut talk) = bob();
    talk.append("INBOX", "($Known) ", "Subject: x\r\n\r\nbody\r\n");
    let file = || files(&mail.join("cur")).pop().unwrap();
    mark(&file(), "PSaz");
    talk.ok("SELECT INBOX");
    talk.ok("STORE 1 FLAGS (\\Flagged)");
    assert!(file().to_str().unwrap().ends_with(":2,FPz"), "{:?}", file());
}

#[test]
fn mail_is_for_its_owner_alone() {
    let (folder, mail, practice, mut talk) = bob();
    practice.deliver("bob", "Subject: x\r\n\r\ny");
    talk.append("INBOX", "($Known) ", "Subject: x\r\n\r\nbody\r\n");
    talk.ok("CREATE Work");
    talk.ok("SELECT INBOX");
    talk.ok("COPY 1 Work");
    let mut left = vec![mail];
    while let Some(path) = left.pop() {
        let facts = fs::metadata(&path).unwrap();
        let wanted = if facts.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(facts.permissions().mode() & 0o777, wanted, "{}", path.display());
        if facts.is_dir() {
            left.extend(files(&path));
        }
    }
    drop(folder);
}

#[test]
fn a_copy_is_another_name_of_the_file() {
    let (_folder, mail, _practice, mut talk) = bob();
    talk.append("INBOX", "(\\Seen) \"05-Feb-2026 12:00:00 +0200\" ", "Subject: x\r\n\r\nbody\r\n");
    talk.ok("SELECT INBOX");
    talk.ok("COPY 1 Archive");
    let [from, to] = ["cur", ".Archive/cur"].map(|folder| files(&mail.join(folder)).pop().unwrap());
    assert_eq!(fs::metadata(from).unwrap().ino(), fs::metadata(to).unwrap().ino());
    talk.ok("STORE 1 +FLAGS (\\Deleted)");
    talk.ok("EXPUNGE");
    talk.ok("EXAMINE Archive");
    let told = talk.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT])").concat();
    let facts = "(FLAGS (\\Seen \\Recent) INTERNALDATE \"05-Feb-2026 10:00:00 +0000\" RFC822.SIZE 20 BODY[TEXT] {6}\r\nbody\r\n)";
    assert!(told.contains(facts), "{told}");
}

#[test]
fn what_could_not_be_stored_leaves_nothing_behind() {
    let (_folder, mail, _practice, mut talk) = bob();
    let numbers = mail.join(".Sent/mailtap-uids");
    fs::remove_file(&numbers).unwrap();
    fs::create_dir(&numbers).unwrap();
    assert!(talk.append("Sent", "", "Subject: x\r\n\r\ny\r\n").starts_with("NO [SERVERBUG]"));
    for part in ["tmp", "new", "cur"] {
        assert!(files(&mail.join(".Sent").join(part)).is_empty(), "{part}");
    }
}
