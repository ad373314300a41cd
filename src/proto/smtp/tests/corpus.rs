//! What the real Thunderbird said to the real Postfix; see tests/corpus/README.md.

use super::*;
use crate::proto::laws::recorded;

#[test]
fn thunderbird_with_postfix() {
    for (folder, number) in [("plain", "03"), ("compress", "03"), ("pop3-plain", "02")] {
        let talk = recorded(&format!("thunderbird/{folder}/{number}-smtp"));
        laws::keep(&SMTP, Setup::default(), &talk, &[1, 100, 5_000]);
        let tap = laws::play(&SMTP, Setup::default(), &talk, &Cuts::Whole);
        laws::assert_hidden(&tap, &["Ranch-Secret-4711"]);
        assert_eq!(tap.log.users, ["user@ranchtest.local"]);
        assert!(tap.log.notes.is_empty());
        let kinds: Vec<String> = tap.kinds().into_iter().filter(|kind| !kind.starts_with("reply 250")).collect();
        let sizes: Vec<&String> = kinds.iter().filter(|kind| kind.starts_with("content")).collect();
        assert_eq!(kinds[..4], ["greeting 220", "command EHLO", "command AUTH", "reply 235"]);
        assert_eq!(kinds[kinds.len() - 2..], ["command QUIT", "reply 221"]);
        // SIZE counts the message before its dots were doubled: one more in the first, none in the second.
        assert_eq!(sizes.len(), 2);
        assert!(tap.log.pieces.iter().all(|found| found.kind() != "raw"));
    }
}
