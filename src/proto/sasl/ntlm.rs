//! NTLM's three messages (MS-NLMP): what the client can do, the server's names, who logs in.
//! Takes a message, gives what is not secret in it; the responses to the challenge are passed over.
//! Does not know how messages are carried; every place in one is looked up within its bounds.

use std::ops::Range;

use super::name;
use crate::event::{Object, Stamp};

/// What a message begins with (MS-NLMP §2.2.1).
const SIGNATURE: &[u8] = b"NTLMSSP\0";

/// MS-NLMP §2.2.2.5, the names without their NTLMSSP_; those without a name of this kind are its "reserved" ones.
pub const FLAGS: [(u32, &str); 22] = [
    (0x0000_0001, "NEGOTIATE_UNICODE"),
    (0x0000_0002, "NEGOTIATE_OEM"),
    (0x0000_0004, "REQUEST_TARGET"),
    (0x0000_0010, "NEGOTIATE_SIGN"),
    (0x0000_0020, "NEGOTIATE_SEAL"),
    (0x0000_0040, "NEGOTIATE_DATAGRAM"),
    (0x0000_0080, "NEGOTIATE_LM_KEY"),
    (0x0000_0200, "NEGOTIATE_NTLM"),
    (0x0000_0800, "NEGOTIATE_ANONYMOUS"),
    (0x0000_1000, "NEGOTIATE_OEM_DOMAIN_SUPPLIED"),
    (0x0000_2000, "NEGOTIATE_OEM_WORKSTATION_SUPPLIED"),
    (0x0000_8000, "NEGOTIATE_ALWAYS_SIGN"),
    (0x0001_0000, "TARGET_TYPE_DOMAIN"),
    (0x0002_0000, "TARGET_TYPE_SERVER"),
    (0x0008_0000, "NEGOTIATE_EXTENDED_SESSIONSECURITY"),
    (0x0010_0000, "NEGOTIATE_IDENTIFY"),
    (0x0040_0000, "REQUEST_NON_NT_SESSION_KEY"),
    (0x0080_0000, "NEGOTIATE_TARGET_INFO"),
    (0x0200_0000, "NEGOTIATE_VERSION"),
    (0x2000_0000, "NEGOTIATE_128"),
    (0x4000_0000, "NEGOTIATE_KEY_EXCH"),
    (0x8000_0000, "NEGOTIATE_56"),
];

const UNICODE: u32 = 1;
const EXTENDED_SESSIONSECURITY: u32 = 0x0008_0000;

/// The server's names in the second message (MS-NLMP §2.2.2.1): what each is called here.
const NAMES: [(u16, &str); 5] = [(1, "host"), (2, "domain"), (3, "dns_host"), (4, "dns_domain"), (5, "forest")];
const AV_END: u16 = 0;
const AV_TIMESTAMP: u16 = 7;

/// Names in a second message that are read, at most; servers send about six.
const NAMES_MAX: usize = 16;

/// Where each message has its fields.
mod first {
    pub const FLAGS: usize = 12;
    pub const DOMAIN: usize = 16;
    pub const WORKSTATION: usize = 24;
}
mod second {
    pub const TARGET: usize = 12;
    pub const FLAGS: usize = 20;
    pub const INFO: usize = 40;
}
mod third {
    pub const LM_RESPONSE: usize = 12;
    pub const NT_RESPONSE: usize = 20;
    pub const DOMAIN: usize = 28;
    pub const USER: usize = 36;
    pub const WORKSTATION: usize = 44;
    pub const SESSION_KEY: usize = 52;
    pub const FLAGS: usize = 60;
}

/// Reads a message, if it is one; gives the name of who logs in, which the third has.
pub(super) fn read(message: &[u8], args: &mut Object) -> Option<String> {
    let kind = u32_at(message.strip_prefix(SIGNATURE).map(|_| message)?, SIGNATURE.len())?;
    args.number("message", u64::from(kind));
    match kind {
        1 => negotiate(message, args),
        2 => challenge(message, args),
        3 => return authenticate(message, args),
        _ => {}
    }
    None
}

pub(super) fn is_message(message: &[u8]) -> bool {
    message.starts_with(SIGNATURE)
}

/// MS-NLMP §2.2.1.1. The names in it are in the client's code page.
fn negotiate(message: &[u8], args: &mut Object) {
    if let Some(flags) = u32_at(message, first::FLAGS) {
        say_flags(flags, args);
    }
    for (at, called) in [(first::DOMAIN, "domain"), (first::WORKSTATION, "workstation")] {
        if let Some(text) = place(message, at).and_then(|place| text(message.get(place)?, false)) {
            args.text(called, &text);
        }
    }
}

/// MS-NLMP §2.2.1.2.
fn challenge(message: &[u8], args: &mut Object) {
    let flags = u32_at(message, second::FLAGS).unwrap_or_default();
    if let Some(target) =
        place(message, second::TARGET).and_then(|place| text(message.get(place)?, flags & UNICODE != 0))
    {
        args.text("target", &target);
    }
    say_flags(flags, args);
    let mut rest = place(message, second::INFO).and_then(|place| message.get(place)).unwrap_or_default();
    for _ in 0..NAMES_MAX {
        let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) else { return };
        let Some(value) = rest.get(4..4 + usize::from(length)) else { return };
        rest = rest.get(4 + value.len()..).unwrap_or_default();
        if id == AV_END {
            return;
        }
        if let Some(called) = NAMES.iter().find(|(known, _)| *known == id).map(|(_, called)| called)
            && let Some(text) = text(value, true)
        {
            args.text(called, &text);
        }
        if id == AV_TIMESTAMP
            && let Some(at) = time(value)
        {
            args.text("time", &at.to_string());
        }
    }
}

/// MS-NLMP §2.2.1.3. A name that lies within a response, as only a forged message has it, is none.
fn authenticate(message: &[u8], args: &mut Object) -> Option<String> {
    let [lm_response, response, domain, user, workstation] =
        [third::LM_RESPONSE, third::NT_RESPONSE, third::DOMAIN, third::USER, third::WORKSTATION]
            .map(|at| place(message, at).filter(|place| !place.is_empty()));
    // Old clients leave session key and flags out, and what the fields name begins where these would stand.
    let starts = [&lm_response, &response, &domain, &user, &workstation].into_iter().flatten().map(|place| place.start);
    let whole = starts.min().is_none_or(|first| first >= third::FLAGS + 4);
    let key = place(message, third::SESSION_KEY).filter(|_| whole);
    let flags = u32_at(message, third::FLAGS).filter(|_| whole);

    let secrets = [lm_response, response.clone(), key];
    let named = |place: Option<Range<usize>>| {
        let place = place.filter(|place| !secrets.iter().flatten().any(|secret| overlap(place, secret)))?;
        let bytes = message.get(place)?;
        text(bytes, flags.map_or_else(|| bytes.contains(&0), |flags| flags & UNICODE != 0))
    };
    for (called, text) in [("domain", named(domain)), ("workstation", named(workstation))] {
        if let Some(text) = text {
            args.text(called, &text);
        }
    }
    // The old response has 24 bytes; in the new one (MS-NLMP §2.2.2.8) the client's own challenge stands behind 16.
    match response.as_ref().map(ExactSizeIterator::len) {
        Some(24) if flags.unwrap_or_default() & EXTENDED_SESSIONSECURITY != 0 => args.text("variant", "NTLM2 session"),
        Some(24) => args.text("variant", "NTLMv1"),
        Some(25..) => args.text("variant", "NTLMv2"),
        _ => args,
    };
    if let Some(flags) = flags {
        say_flags(flags, args);
    }
    named(user)
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

fn say_flags(flags: u32, args: &mut Object) {
    args.list("flags", FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name));
}

/// A field's length, its room, its offset; gives where it lies, if it lies in the message.
fn place(message: &[u8], at: usize) -> Option<Range<usize>> {
    let length = usize::from(u16_at(message, at)?);
    let start = usize::try_from(u32_at(message, at + 4)?).ok()?;
    let place = start..start.checked_add(length)?;
    message.get(place.clone()).map(|_| place)
}

fn text(bytes: &[u8], unicode: bool) -> Option<String> {
    if !unicode {
        return name(bytes);
    }
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    name(String::from_utf16_lossy(&units).as_bytes())
}

/// Tenths of microseconds since 1601.
fn time(value: &[u8]) -> Option<Stamp> {
    const SINCE_1601: i64 = 11_644_473_600_000_000;
    let ticks = u64::from_le_bytes(value.try_into().ok()?);
    Some(Stamp(i64::try_from(ticks / 10).ok()? - SINCE_1601))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(message: &mut Vec<u8>, at: usize, value: &[u8]) {
        let offset = u32::try_from(message.len()).unwrap();
        message[at..at + 2].copy_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
        message[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
        message.extend_from_slice(value);
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn head(kind: u8, length: usize) -> Vec<u8> {
        let mut message = [SIGNATURE, &[kind, 0, 0, 0]].concat();
        message.resize(length, 0);
        message
    }

    fn third() -> Vec<u8> {
        let mut message = head(3, 64);
        message[60..64].copy_from_slice(&0x0008_0001_u32.to_le_bytes());
        field(&mut message, third::DOMAIN, &utf16("CORP"));
        field(&mut message, third::USER, &utf16("joe"));
        field(&mut message, third::WORKSTATION, &utf16("DESK7"));
        field(&mut message, third::NT_RESPONSE, &[7; 48]);
        message
    }

    fn told(message: &[u8]) -> (Option<String>, serde_json::Map<String, serde_json::Value>) {
        let mut args = Object::new();
        let user = read(message, &mut args);
        (user, args.map())
    }

    #[test]
    fn the_first_message_tells_what_the_client_can_do() {
        let mut message = head(1, 32);
        message[12..16].copy_from_slice(&0x2000_3231_u32.to_le_bytes());
        field(&mut message, first::DOMAIN, b"CORP");
        field(&mut message, first::WORKSTATION, b"DESK7");
        let (user, args) = told(&message);
        assert_eq!((user, args["message"].as_u64(), args["domain"].as_str()), (None, Some(1), Some("CORP")));
        assert_eq!(
            serde_json::to_string(&args["flags"]).unwrap(),
            "[\"NEGOTIATE_UNICODE\",\"NEGOTIATE_SIGN\",\"NEGOTIATE_SEAL\",\"NEGOTIATE_NTLM\",\
             \"NEGOTIATE_OEM_DOMAIN_SUPPLIED\",\"NEGOTIATE_OEM_WORKSTATION_SUPPLIED\",\"NEGOTIATE_128\"]"
        );
    }

    #[test]
    fn the_second_message_tells_the_servers_names_and_clock() {
        let mut message = head(2, 56);
        message[20..24].copy_from_slice(&0x0081_0001_u32.to_le_bytes());
        field(&mut message, second::TARGET, &utf16("CORP"));
        let pair = |id: u16, value: &[u8]| {
            [&id.to_le_bytes(), &u16::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
        };
        let info = [
            pair(2, &utf16("CORP")),
            pair(1, &utf16("EX01")),
            pair(3, &utf16("ex01.corp.example")),
            pair(9, &[1, 2, 3]),
            pair(7, &((1_795_404_723_200_001 + 11_644_473_600_000_000) * 10_u64).to_le_bytes()),
            pair(0, &[]),
            pair(5, &utf16("behind the end")),
        ];
        field(&mut message, second::INFO, &info.concat());
        let (_, args) = told(&message);
        assert_eq!(args["target"], "CORP");
        assert_eq!(args["host"], "EX01");
        assert_eq!(args["dns_host"], "ex01.corp.example");
        assert_eq!(args["time"], "2026-11-23T03:32:03.200001Z");
        assert!(!args.contains_key("forest"));
    }

    #[test]
    fn the_third_message_names_who_logs_in_and_never_the_response() {
        let (user, args) = told(&third());
        assert_eq!(user.as_deref(), Some("joe"));
        assert_eq!((args["domain"].as_str(), args["workstation"].as_str()), (Some("CORP"), Some("DESK7")));
        assert_eq!(args["variant"], "NTLMv2");
        let mut forged = third();
        let inside = place(&forged, third::NT_RESPONSE).unwrap().start + 2;
        forged[third::USER + 4..third::USER + 8].copy_from_slice(&u32::try_from(inside).unwrap().to_le_bytes());
        assert_eq!(told(&forged).0, None, "a name within the response");
    }

    #[test]
    fn a_third_message_without_flags_is_read_by_its_bytes() {
        let mut message = head(3, 52);
        field(&mut message, third::USER, &utf16("joe"));
        let (user, args) = told(&message);
        assert_eq!((user.as_deref(), args.contains_key("flags")), (Some("joe"), false));
    }

    #[test]
    fn torn_and_forged_messages_give_what_lies_in_them() {
        let whole = third();
        for length in 0..whole.len() {
            let _ = told(&whole[..length]);
        }
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] = 0xff;
            let _ = told(&wrong);
        }
        assert_eq!(told(b"NTLMSSP\0").1.len(), 0);
        let (user, args) = told(&head(9, 64));
        assert_eq!((user, args["message"].as_u64(), args.len()), (None, Some(9), 1));
    }
}
