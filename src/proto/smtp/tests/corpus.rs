//! What the real Thunderbird said to the real Postfix; see tests/corpus/README.md.
//! Takes the recordings; fails where anything in them is not understood or a secret shows.
//! Knows no other program's habits.

use super::*;
use crate::proto::laws::recorded;

#[test]
fn thunderbird_with_postfix() {
    for talk in [
        recorded!("thunderbird/plain/03-smtp"),
        recorded!("thunderbird/compress/03-smtp"),
        recorded!("thunderbird/pop3-plain/02-smtp"),
    ] {
        laws::keep(&SMTP, Setup::default(), &talk, &[1, 100, 5_000]);
        let tap = laws::play(&SMTP, Setup::default(), &talk, &Cuts::Whole);
        laws::assert_hidden(&tap, &["Ranch-Secret-4711"]);
        assert_eq!(tap.log.users, ["user@ranchtest.local"]);
        assert!(tap.log.notes.is_empty());
        let kinds: Vec<String> = tap.kinds().into_iter().filter(|kind| !kind.starts_with("reply 250")).collect();
        let sizes: Vec<&str> =
            kinds.iter().filter_map(|kind| kind.strip_prefix("content ")?.strip_suffix(" last")).collect();
        assert_eq!(kinds[..4], ["greeting 220", "command EHLO", "command AUTH", "reply 235"]);
        assert_eq!(kinds[kinds.len() - 2..], ["command QUIT", "reply 221"]);
        // SIZE said 434 and 124,184; a dot was doubled in the first.
        assert_eq!(sizes, ["435", "124184"]);
        assert!(tap.log.pieces.iter().all(|found| found.kind() != "raw"));
    }
}
