//! Captures read back: blocks by their lengths, packets by etherparse's reader.
//! Takes events, gives what a reader of the file sees.
//! Does not use the writer's own code for the reading.

use std::borrow::Cow;

use etherparse::{IpNumber, PacketHeaders, PayloadSlice, TransportHeader};

use super::*;
use crate::event::{Close, Content, Gap, Level, Origin, Tls};

/// One packet as a reader finds it.
#[derive(Debug)]
struct Seen {
    source: u16,
    target: u16,
    seq: u32,
    syn: bool,
    fin: bool,
    payload: Vec<u8>,
    comments: Vec<String>,
    micros: u64,
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Every block begins and ends with its length; the packets among them.
fn read(file: &[u8]) -> Vec<Seen> {
    let mut kinds = Vec::new();
    let mut seen = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let (kind, length) = (number(file, at), number(file, at + 4) as usize);
        assert_eq!(length % 4, 0);
        assert_eq!(number(file, at + length - 4) as usize, length, "both lengths of the block at {at}");
        if kind == 6 {
            seen.push(packet_of(&file[at + 8..at + length - 4]));
        }
        kinds.push(kind);
        at += length;
    }
    assert_eq!(kinds[..2], [0x0a0d_0d0a, 1]);
    assert!(kinds[2..].iter().all(|kind| *kind == 6));
    seen
}

fn packet_of(body: &[u8]) -> Seen {
    let micros = (u64::from(number(body, 4)) << 32) | u64::from(number(body, 8));
    let length = number(body, 12) as usize;
    assert_eq!(length, number(body, 16) as usize);
    let bytes = &body[20..20 + length];
    let mut options = &body[20 + length.next_multiple_of(4)..];
    let mut comments = Vec::new();
    while options.len() >= 4 {
        let (code, long) = (number(options, 0) & 0xffff, (number(options, 0) >> 16) as usize);
        if code == 1 {
            comments.push(String::from_utf8(options[4..4 + long].to_vec()).unwrap());
        }
        options = &options[4 + long.next_multiple_of(4)..];
    }
    let headers = PacketHeaders::from_ip_slice(bytes).unwrap();
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP: {headers:?}") };
    let PayloadSlice::Tcp(payload) = headers.payload else { panic!("no payload") };
    let net = headers.net.unwrap();
    let checksum = match &net {
        etherparse::NetHeaders::Ipv4(ip, _) => {
            assert_eq!(ip.protocol, IpNumber::TCP);
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            tcp.calc_checksum_ipv4(ip, payload).unwrap()
        }
        etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(ip, payload).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(tcp.checksum, checksum);
    Seen {
        source: tcp.source_port,
        target: tcp.destination_port,
        seq: tcp.sequence_number,
        syn: tcp.syn,
        fin: tcp.fin,
        payload: payload.to_vec(),
        comments,
        micros,
    }
}

fn open(client: &str, upstream: &str, protocol: &str) -> (Origin, Vec<u8>, Body) {
    let open = Open {
        session: "20261123T033200123-k3f9q2xw".into(),
        protocol: protocol.into(),
        client: client.into(),
        listener: "127.0.0.1:1993".into(),
        upstream: upstream.into(),
        upstream_name: "mail.example".into(),
        ..Open::default()
    };
    (Origin::Proxy, Vec::new(), Body::Open(Box::new(open)))
}

fn said(from: Origin, wire: &[u8]) -> (Origin, Vec<u8>, Body) {
    (from, wire.to_vec(), Body::Raw)
}

fn capture(events: &[(Origin, Vec<u8>, Body)]) -> (Vec<Seen>, Vec<String>) {
    let mut export = (FORMAT.new)();
    let mut out = Vec::new();
    for (seq, (from, wire, body)) in events.iter().enumerate() {
        let at = Stamp(1_795_432_033_000_000 + seq as i64);
        let wire = Cow::Borrowed(wire.as_slice());
        let event = Event { seq: seq as u64, at, from: *from, wire, redacted: false, body: body.clone() };
        export.event(b"", &event, &mut out).unwrap();
    }
    export.end(&mut out).unwrap();
    (read(&out), export.warnings())
}

fn stream(seen: &[Seen], source: u16) -> Vec<u8> {
    seen.iter().filter(|seen| seen.source == source).flat_map(|seen| seen.payload.clone()).collect()
}

#[test]
fn each_side_is_its_stream_with_numbers_that_go_on() {
    let long: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    let (seen, warnings) = capture(&[
        open("127.0.0.1:40000", "127.0.0.2:993", "imap"),
        said(Origin::Server, b"* OK hi\r\n"),
        said(Origin::Client, &long),
        said(Origin::Server, b"* BYE\r\n"),
        (Origin::Proxy, vec![], Body::Close(Box::new(Close { by: "server".into(), ..Close::default() }))),
    ]);
    assert!(warnings.is_empty());
    assert_eq!(stream(&seen, 40_000), long);
    assert_eq!(stream(&seen, 143), b"* OK hi\r\n* BYE\r\n", "the port for plaintext, not the one of TLS");
    for source in [40_000, 143] {
        let mut next = 0;
        for packet in seen.iter().filter(|seen| seen.source == source) {
            assert_eq!(packet.seq, next);
            next += packet.payload.len() as u32 + u32::from(packet.syn) + u32::from(packet.fin);
        }
    }
    let first_fin = seen.iter().find(|seen| seen.fin).unwrap();
    assert_eq!(first_fin.source, 143, "who ends first");
    assert_eq!(first_fin.micros, 1_795_432_033_000_004);
    assert!(seen[0].comments[0].contains("k3f9q2xw"), "{:?}", seen[0].comments);
}

#[test]
fn an_upgrade_goes_on_in_a_connection_of_its_own() {
    let tls = |from| {
        (
            from,
            vec![],
            Body::Tls(Box::new(Tls { how: "starttls".into(), version: Some("TLSv1.3".into()), ..Tls::default() })),
        )
    };
    let (seen, _) = capture(&[
        open("[::1]:40000", "[::1]:2525", "smtp"),
        said(Origin::Client, b"STARTTLS\r\n"),
        said(Origin::Server, b"220 go\r\n"),
        tls(Origin::Server),
        tls(Origin::Client),
        said(Origin::Client, b"EHLO x\r\n"),
    ]);
    assert_eq!(stream(&seen, 40_000), b"STARTTLS\r\n");
    assert_eq!(stream(&seen, 40_001), b"EHLO x\r\n");
    assert!(seen.iter().all(|seen| seen.source == 25 || seen.target == 25), "{seen:?}");
    assert_eq!(seen.iter().filter(|seen| seen.syn).count(), 4);
    assert_eq!(seen.iter().filter(|seen| seen.fin).count(), 4);
    let ends = seen.iter().flat_map(|seen| &seen.comments).filter(|comment| comment.contains("ends here")).count();
    assert_eq!(ends, 1, "a recording without its close says so");
}

#[test]
fn what_is_missing_moves_the_numbers_and_is_told() {
    let content = Content { of: 1, bytes: 500, last: true, elided: Some(500), ..Content::default() };
    let (seen, warnings) = capture(&[
        open("10.0.0.1:40000", "", "pop3"),
        said(Origin::Client, b"RETR 1\r\n"),
        (Origin::Proxy, vec![], Body::Gap(Gap { bytes: 1000, side: "server".into(), why: "the disk was full".into() })),
        (Origin::Server, b".\r\n".to_vec(), Body::Content(content)),
        said(Origin::Server, b"+OK\r\n"),
    ]);
    let server: Vec<_> = seen.iter().filter(|seen| seen.source == 110 && !seen.payload.is_empty()).collect();
    assert_eq!((server[0].seq, server[1].seq), (1001, 1001 + 3 + 500));
    assert!(server[0].comments[0].contains("the disk was full"), "{:?}", server[0].comments);
    assert_eq!(warnings, ["1500 bytes were not recorded; Wireshark shows them as lost segments"]);
}

#[test]
fn what_mailtap_says_itself_is_there_for_the_side_that_got_it() {
    let note = Note {
        level: Level::Warn,
        code: "upstream-refused".into(),
        text: "cannot reach it".into(),
        to: Some("client".into()),
        ..Note::default()
    };
    let silent = Note { to: None, text: "worth knowing".into(), ..note.clone() };
    let (seen, _) = capture(&[
        open("10.0.0.1:40000", "[::1]:143", "imap"),
        (Origin::Proxy, vec![], Body::Note(silent)),
        (Origin::Proxy, b"* BYE mailtap: no\r\n".to_vec(), Body::Note(note)),
    ]);
    assert_eq!(stream(&seen, 143), b"* BYE mailtap: no\r\n");
    let packet = seen.iter().find(|seen| !seen.payload.is_empty()).unwrap();
    assert_eq!(packet.comments.len(), 2, "{:?}", packet.comments);
}

#[test]
fn any_events_give_a_file_that_can_be_read() {
    use proptest::prelude::*;
    let event = prop_oneof![
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(client, wire)| { said(if client { Origin::Client } else { Origin::Server }, &wire) }),
        any::<u64>().prop_map(|bytes| {
            (Origin::Proxy, vec![], Body::Gap(Gap { bytes, side: "client".into(), why: "x".repeat(70_000) }))
        }),
        ".*".prop_map(|text| (Origin::Proxy, vec![], Body::Note(Note { text, ..Note::default() }))),
        Just(open("nonsense", "also", "nothing")),
        Just((Origin::Client, vec![], Body::Tls(Box::new(Tls { how: "starttls".into(), ..Tls::default() })))),
        Just((Origin::Proxy, vec![], Body::Close(Box::default()))),
    ];
    proptest!(|(events in prop::collection::vec(event, 0..20))| {
        let mut all = vec![open("127.0.0.1:65535", "127.0.0.1:25", "smtp")];
        all.extend(events);
        capture(&all);
    });
}
