//! A played server and programs that do several things at a time: in another order than when they were recorded, and on
//! other connections. Takes recordings made by the session itself; reads answers and the report.
//! Does not know any real program; see `real_thunderbird`.

use mailtap::replay::Server;
use mailtap::replay::matching::Match;

use crate::practice_kit::Talk;
use crate::replay_server_rules::files;

/// A connection that manages folders.
const FOLDERS: &str = r"
    S: * OK ready
    C: a1 LOGIN joe sesame
    S: a1 OK in
    C: a2 NAMESPACE
    S: * NAMESPACE NIL NIL NIL
    S: a2 OK done
    C: a3 CREATE Plans
    S: a3 OK Plans is made
    C: a4 RENAME Plans Ideas
    S: a4 OK Plans is renamed
";

/// Another of the same program, with a folder open.
const READER: &str = r"
    S: * OK ready
    C: b1 LOGIN joe sesame
    S: b1 OK in
    C: b2 SELECT INBOX
    S: b2 OK selected
    C: b3 FETCH 1 (FLAGS)
    S: * 1 FETCH (FLAGS ())
    S: b3 OK flags
    C: b4 FETCH 1 (BODY.PEEK[1])
    S: b4 OK the first part
    C: b5 FETCH 1 (BODY.PEEK[2])
    S: b5 OK the second part
    C: c1 FETCH 1 (BODY.PEEK[3])
    S: c1 OK the third part
    C: b6 STORE 1 +FLAGS (\Seen)
    S: b6 OK stored
    C: b7 FETCH 1 (FLAGS)
    S: * 1 FETCH (FLAGS (\Seen))
    S: b7 OK other flags
    C: b8 CREATE Rubbish
    S: b8 OK Rubbish is made
";

#[track_caller]
fn answers(talk: &mut Talk, commands: &[(&str, &str)]) {
    for (command, answer) in commands {
        assert_eq!(talk.imap(command).1, *answer, "{command}");
    }
}

fn greeted(server: &mailtap::play::Running) -> Talk {
    let mut talk = Talk::to(Some(server.address()));
    assert_eq!(talk.line(), "* OK ready");
    talk
}

#[test]
fn another_order_is_answered_and_told_unless_everything_is_free() {
    let (_folder, paths) = files(&[("imap", READER)]);
    let converse = |mode| {
        let server = Server::from_recordings(&paths).matching(mode).start().unwrap();
        let mut talk = greeted(&server);
        answers(
            &mut talk,
            &[
                ("LOGIN joe sesame", "OK in"),
                ("SELECT INBOX", "OK selected"),
                ("FETCH 1 (BODY.PEEK[2])", "OK the second part"),
                ("FETCH 1 (BODY.PEEK[3])", "OK the third part"),
                ("FETCH 1 (BODY.PEEK[1])", "OK the first part"),
                ("STORE 1 +FLAGS (\\Seen)", "OK stored"),
                ("FETCH 1 (FLAGS)", "OK other flags"),
                ("CREATE Rubbish", "OK Rubbish is made"),
            ],
        );
        drop(talk);
        server.stop()
    };
    let report = converse(Match::Ordered);
    assert_eq!((report.differing.len(), report.matched), (1, 7), "{}", report.text());
    assert!(report.differing[0].asked.ends_with("FETCH 1 (BODY.PEEK[1])"), "{}", report.text());
    let report = converse(Match::Free);
    assert!(!report.differs(), "{}", report.text());
    assert_eq!(report.matched, 8, "{}", report.text());
}

#[test]
fn what_any_connection_may_say_is_answered_on_each() {
    let (_folder, paths) = files(&[("imap", FOLDERS), ("imap", READER)]);
    let server = Server::from_recordings(&paths).start().unwrap();
    let (mut one, mut other) = (greeted(&server), greeted(&server));
    answers(&mut one, &[("LOGIN joe sesame", "OK in"), ("NAMESPACE", "OK done"), ("CREATE Plans", "OK Plans is made")]);
    answers(
        &mut other,
        &[
            ("LOGIN joe sesame", "OK in"),
            ("SELECT INBOX", "OK selected"),
            ("FETCH 1 (FLAGS)", "OK flags"),
            ("FETCH 1 (BODY.PEEK[1])", "OK the first part"),
            ("FETCH 1 (BODY.PEEK[3])", "OK the third part"),
            ("STORE 1 +FLAGS (\\Seen)", "OK stored"),
            ("RENAME Plans Ideas", "OK Plans is renamed"),
        ],
    );
    answers(&mut one, &[("CREATE Rubbish", "OK Rubbish is made")]);
    // What belongs to the folder that is open elsewhere is no answer here.
    answers(&mut one, &[("FETCH 1 (BODY.PEEK[2])", "OK the second part")]);
    drop((one, other));
    let report = server.stop();
    let elsewhere: Vec<&str> = report.elsewhere.iter().map(|asking| asking.asked.as_str()).collect();
    let asked = |what: &str| elsewhere.iter().any(|asked| asked.ends_with(what));
    assert!(asked("RENAME Plans Ideas") && asked("CREATE Rubbish"), "{}", report.text());
    assert_eq!((elsewhere.len(), report.differing.len()), (2, 1), "{}", report.text());
    let text = report.text();
    assert!(text.contains("  elsewhere    ") && text.contains("1 differing"), "{text}");
}

#[test]
fn what_was_asked_before_a_client_turned_out_to_be_another_was_asked() {
    let (_folder, paths) = files(&[("imap", FOLDERS), ("imap", READER)]);
    let server = Server::from_recordings(&paths).start().unwrap();
    // Which connection asks for what all want to know is a matter of luck.
    let (mut one, mut other) = (greeted(&server), greeted(&server));
    answers(&mut one, &[("LOGIN joe sesame", "OK in"), ("NAMESPACE", "OK done"), ("SELECT INBOX", "OK selected")]);
    answers(&mut other, &[("LOGIN joe sesame", "OK in"), ("CREATE Plans", "OK Plans is made")]);
    drop((one, other));
    let report = server.stop();
    let unasked: Vec<&str> = report.unasked.iter().map(|unasked| unasked.command.as_str()).collect();
    assert!(unasked.iter().all(|command| !command.contains("NAMESPACE")), "{}", report.text());
    assert!(unasked.iter().any(|command| command.contains("RENAME")), "{}", report.text());
    assert!(!report.differs(), "{}", report.text());
}
