//! Values in words: sizes, counts, sets of messages, lists, mailbox names.
//! Takes values as they stand in a line, gives words; long ones are cut.
//! Knows no protocol beyond the form of its values.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

/// How much of a value is repeated, in characters: enough for an address, and a sentence stays one.
const VALUE_MAX: usize = 60;

/// How many things are listed one by one before "and N more".
const LISTED_MAX: usize = 8;

/// A value as it can be repeated: without control characters, and cut.
pub(in crate::view::words) fn clip(value: &str) -> String {
    let value = value.trim();
    let clean: String = value.chars().filter(|c| !c.is_control()).take(VALUE_MAX).collect();
    if value.chars().count() > VALUE_MAX { format!("{clean}…") } else { clean }
}

/// `35 MB`, `1.2 kB`, `512 bytes`: each unit 1024 of the one before, as mail programs show sizes and limits are set.
pub(in crate::view::words) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["kB", "MB", "GB"];
    if bytes < 1024 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    let mut unit = 0;
    let tenths = |unit: usize| (u128::from(bytes) * 10 + (512 << (10 * unit))) >> (10 * (unit + 1));
    while tenths(unit) >= 10_240 && unit + 1 < UNITS.len() {
        unit += 1;
    }
    let (whole, tenth) = (tenths(unit) / 10, tenths(unit) % 10);
    if tenth == 0 || whole >= 100 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenth} {}", UNITS[unit])
    }
}

/// `no messages`, `1 message`, `23 messages`.
pub(super) fn count(number: u64, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// `a`, `a and b`, `a, b and c`, and the number of those left out.
pub(in crate::view::words) fn list<S: AsRef<str>>(things: &[S]) -> String {
    joined(things, "and")
}

/// `a`, `a or b`, `a, b or c`.
pub(in crate::view::words) fn any_of<S: AsRef<str>>(things: &[S]) -> String {
    joined(things, "or")
}

fn joined<S: AsRef<str>>(things: &[S], word: &str) -> String {
    let shown: Vec<&str> = things.iter().take(LISTED_MAX).map(AsRef::as_ref).collect();
    if things.len() > LISTED_MAX {
        return format!("{} and {} more", shown.join(", "), things.len() - LISTED_MAX);
    }
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// A sequence set in words: `message 3`, `messages 1 to 25`, `all messages`, `messages with UID 7 and 9`.
pub(super) fn set(set: &str, uid: bool) -> String {
    match set {
        "$" => return "the messages that the last search found".to_owned(),
        "*" | "*:*" => return "the last message".to_owned(),
        "1:*" | "*:1" | "0:*" => return "all messages".to_owned(),
        _ => {}
    }
    if set.is_empty() || !set.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b',' | b'*')) {
        return format!("messages {}", clip(set));
    }
    let ranges: Vec<String> = set.split(',').map(range).collect();
    if ranges.len() > LISTED_MAX {
        return format!("messages in {} ranges, from {} on", ranges.len(), ranges[0]);
    }
    let noun = match (is_one(set), uid) {
        (true, true) => "the message with UID",
        (true, false) => "message",
        (false, true) => "messages with UID",
        (false, false) => "messages",
    };
    format!("{noun} {}", list(&ranges))
}

/// Whether a sequence set names one message.
pub(super) fn is_one(set: &str) -> bool {
    match set.split_once(':') {
        Some((from, to)) => from == to && !set.contains(','),
        None => !set.contains([',', '$']),
    }
}

/// UIDs or numbers of messages: `UID 7`, `UIDs 4 to 6 and 9`.
pub(super) fn numbers(noun: &str, set: &str) -> String {
    let ranges: Vec<String> = set.split(',').map(|part| clip(&range(part))).collect();
    format!("{noun}{} {}", if is_one(set) { "" } else { "s" }, list(&ranges))
}

/// The ends of a range may stand in either order (RFC 9051 §9).
fn range(range: &str) -> String {
    match range.split_once(':') {
        Some((from, "*") | ("*", from)) if from != "*" => format!("{from} to the last"),
        Some((from, to)) if from == to => self::range(from),
        Some((from, to)) if from.parse::<u64>().ok() > to.parse::<u64>().ok() => format!("{to} to {from}"),
        Some((from, to)) => format!("{from} to {to}"),
        None if range == "*" => "the last".to_owned(),
        None => range.to_owned(),
    }
}

/// A mailbox name as a person reads it.
pub(super) fn mailbox(name: &str) -> String {
    if name.eq_ignore_ascii_case("INBOX") {
        return "INBOX".to_owned();
    }
    format!("“{}”", clip(&decode_utf7(name)))
}

/// Modified UTF-7, the form in which IMAP4rev1 writes mailbox names (RFC 3501 §5.1.3). What is not well formed stays.
fn decode_utf7(name: &str) -> String {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('&') {
        text.push_str(before);
        let Some((encoded, after)) = behind.split_once('-') else { return name.to_owned() };
        if encoded.is_empty() {
            text.push('&');
        } else {
            let Ok(bytes) = ENGINE.decode(encoded) else { return name.to_owned() };
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            let Ok(decoded) = String::from_utf16(&units) else { return name.to_owned() };
            text.push_str(&decoded);
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        let read = [0, 1, 512, 1024, 10_240, 1500, 36_700_160, 36_700_000, 1 << 30, 5_000_000_000].map(size);
        let said = ["0 bytes", "1 byte", "512 bytes", "1 kB", "10 kB", "1.5 kB", "35 MB", "35 MB", "1 GB", "4.7 GB"];
        assert_eq!(read, said);
        let edges = [1023, 1_048_575, (1 << 20) + 1, 200_000, u64::MAX].map(size);
        assert_eq!(edges, ["1023 bytes", "1 MB", "1 MB", "195 kB", "17179869184 GB"]);
    }

    #[test]
    fn sets_read_as_people_say_them() {
        let read = ["1:25", "3", "1:*", "7:*", "1,3,5:7", "*", "$"].map(|text| set(text, false));
        let said = [
            "messages 1 to 25",
            "message 3",
            "all messages",
            "messages 7 to the last",
            "messages 1, 3 and 5 to 7",
            "the last message",
            "the messages that the last search found",
        ];
        assert_eq!(read, said);
        assert_eq!(
            ["1:1", "5:2", "*:4", "*:*"].map(|text| set(text, false)),
            ["message 1", "messages 2 to 5", "messages 4 to the last", "the last message"]
        );
        assert_eq!(["5", "4:6,9", "7:7"].map(|text| numbers("UID", text)), ["UID 5", "UIDs 4 to 6 and 9", "UID 7"]);
        assert_eq!(set("7", true), "the message with UID 7");
        assert_eq!(set("7,9", true), "messages with UID 7 and 9");
        assert_eq!(set("1,3,5,7,9,11,13,15,17,19", false), "messages in 10 ranges, from 1 on");
    }

    #[test]
    fn mailbox_names_are_decoded() {
        assert_eq!(mailbox("inbox"), "INBOX");
        assert_eq!(mailbox("Entw&APw-rfe"), "“Entwürfe”");
        assert_eq!(mailbox("a&-b"), "“a&b”");
        assert_eq!(mailbox("broken&name"), "“broken&name”");
    }

    #[test]
    fn values_are_cut_and_harmless() {
        assert_eq!(clip("a\u{1b}[31mb"), "a[31mb");
        assert_eq!(clip(&"x".repeat(100)).chars().count(), VALUE_MAX + 1);
    }
}
