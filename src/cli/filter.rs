//! The filters of `sessions` and `tail`: which sessions, and which of their events.
//! Takes arguments and the time of day, tells what matches.
//! Does not know where sessions and events come from.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Failure;
use crate::event::{Body, Event, Level, Stamp};
use crate::proto;
use crate::store::Entry;

/// Which sessions.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct SessionArgs {
    /// Only sessions of this protocol
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// Only sessions of users whose name holds this
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only sessions opened then or later: 2026-11-23, an RFC 3339 time, or how long ago: 90s, 20m, 2h, 3d, 1w
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only sessions opened before then; a day counts to its end
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only sessions of this client: an address, an address with port, or a network such as 10.0.0.0/8
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// Only sessions that failed: not closed cleanly, not logged in, no TLS, or no server
    #[arg(long)]
    failed: bool,
    /// Only sessions with this finding (mailtap findings lists them); given several times, with any of them
    #[arg(long, value_name = "CODE")]
    finding: Vec<String>,
}

/// Which events.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct EventArgs {
    /// Only commands with this verb, and the replies to them
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// Only replies with this status (NO, -ERR, 550 …; 5 stands for all that begin so)
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only notes of this level
    #[arg(long, value_name = "LEVEL", value_parser = ["info", "warn"])]
    level: Option<String>,
}

/// Tells which sessions match.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    protocol: Option<String>,
    user: Option<String>,
    since: Option<Stamp>,
    until: Option<Stamp>,
    client: Option<Client>,
    failed: bool,
    findings: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Client {
    /// `127.0.0.1:51234`, or what else stands there.
    Exactly(String),
    Net(IpNet),
}

impl Sessions {
    /// # Errors
    /// A time or an address that cannot be read as one.
    pub fn new(args: &SessionArgs, now: Stamp) -> Result<Sessions, Failure> {
        let time = |option: &str, text: &Option<String>, end: bool| {
            text.as_deref().map(|text| parse_time(option, text, now, end)).transpose()
        };
        let protocol = args.protocol.as_ref().map(|name| {
            let name = name.to_ascii_lowercase();
            proto::scheme(&name).map_or(name, |(spec, _)| spec.name.to_owned())
        });
        let known = |code: &String| super::findings::known(code).map(|finding| finding.code);
        let findings = args.finding.iter().map(known).collect::<Result<_, _>>()?;
        Ok(Sessions {
            protocol,
            user: args.user.as_ref().map(|user| user.to_lowercase()),
            since: time("--since", &args.since, false)?,
            until: time("--until", &args.until, true)?,
            client: args.client.as_deref().map(client),
            failed: args.failed,
            findings,
        })
    }

    /// Whether nothing is filtered.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.protocol.is_none()
            && self.user.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.client.is_none()
            && !self.failed
            && self.findings.is_empty()
    }

    #[must_use]
    pub fn match_entry(&self, entry: &Entry) -> bool {
        let holds = |user: &String| entry.user.as_ref().is_some_and(|name| name.to_lowercase().contains(user));
        self.protocol.as_ref().is_none_or(|protocol| entry.protocol.eq_ignore_ascii_case(protocol))
            && self.user.as_ref().is_none_or(holds)
            && self.since.is_none_or(|since| entry.opened >= since)
            && self.until.is_none_or(|until| entry.opened < until)
            && self.client.as_ref().is_none_or(|client| client.is(&entry.client))
            && (!self.failed || entry.failed.is_some())
            && (self.findings.is_empty() || entry.findings.iter().any(|found| self.findings.contains(&found.as_str())))
    }
}

impl Client {
    fn is(&self, address: &str) -> bool {
        match self {
            Client::Exactly(text) => text == address,
            Client::Net(net) => host(address).parse::<IpAddr>().is_ok_and(|address| net.contains(&address)),
        }
    }
}

fn client(text: &str) -> Client {
    let address = || host(text).parse::<IpAddr>().map(IpNet::from);
    match text.parse::<IpNet>() {
        Ok(net) => Client::Net(net.trunc()),
        Err(_) if host(text) == text || text.ends_with(']') => {
            address().map_or(Client::Exactly(text.to_owned()), Client::Net)
        }
        Err(_) => Client::Exactly(text.to_owned()),
    }
}

/// An address without its port and brackets.
fn host(address: &str) -> &str {
    if let Some(rest) = address.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => address,
    }
}

fn parse_time(option: &str, text: &str, now: Stamp, end_of_day: bool) -> Result<Stamp, Failure> {
    const DAY: i64 = 86_400_000_000;
    if let Some(at) = Stamp::parse(text) {
        return Ok(at);
    }
    if let Some(day) = Stamp::parse(&format!("{text}T00:00:00Z")) {
        return Ok(Stamp(if end_of_day { day.0 + DAY } else { day.0 }));
    }
    let unit = text.chars().next_back().and_then(|unit| match unit {
        's' => Some(1_000_000),
        'm' => Some(60_000_000),
        'h' => Some(3_600_000_000),
        'd' => Some(DAY),
        'w' => Some(7 * DAY),
        _ => None,
    });
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    match (unit, digits.parse::<u32>()) {
        (Some(unit), Ok(count)) => Ok(Stamp(now.0.saturating_sub(i64::from(count).saturating_mul(unit)))),
        _ => Err(Failure::usage(format!(
            "{option} {text:?} is no time; write 2026-11-23, 2026-11-23T03:32:00Z, or how long ago: 20m, 2h, 3d"
        ))),
    }
}

/// Tells which events of one session match. It remembers the last command of the wanted verb, for its replies.
#[derive(Clone, Debug, Default)]
pub struct Events {
    verb: Option<String>,
    status: Option<String>,
    level: Option<Level>,
}

/// What must be remembered of a session to tell.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Numbers of the latest wanted commands.
    commands: std::collections::VecDeque<u64>,
}

/// Wanted commands of a session that are remembered until their replies came.
const REMEMBERED_MAX: usize = 1024;

impl Events {
    #[must_use]
    pub fn new(args: &EventArgs) -> Events {
        Events {
            verb: args.verb.as_ref().map(|verb| verb.to_uppercase()),
            status: args.status.as_ref().map(|status| status.to_uppercase()),
            level: args.level.as_deref().map(|level| if level == "warn" { Level::Warn } else { Level::Info }),
        }
    }

    /// Whether nothing is filtered.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.verb.is_none() && self.status.is_none() && self.level.is_none()
    }

    #[must_use]
    pub fn matches(&self, event: &Event<'_>, remembered: &mut Remembered) -> bool {
        if let Some(level) = self.level {
            // Notes have neither verb nor status.
            return matches!(&event.body, Body::Note(note) if note.level == level);
        }
        let verb = self.verb.as_ref().is_none_or(|verb| Self::of_verb(verb, event, remembered));
        let status = self.status.as_ref().is_none_or(|wanted| match &event.body {
            Body::Reply(reply) => is_status(wanted, &reply.status),
            Body::Greeting(greeting) => is_status(wanted, &greeting.status),
            Body::Continue(go) => is_status(wanted, &go.status),
            _ => false,
        });
        verb && status
    }

    fn of_verb(verb: &str, event: &Event<'_>, remembered: &mut Remembered) -> bool {
        let known = |seq: Option<u64>| seq.is_some_and(|seq| remembered.commands.contains(&seq));
        match &event.body {
            Body::Command(command) if command.continues.is_some() => known(command.continues),
            Body::Command(command) => {
                // FETCH stands for UID FETCH as well.
                let found = command.verb == verb || command.verb.strip_prefix("UID ") == Some(verb);
                if found {
                    remembered.commands.push_back(event.seq);
                    if remembered.commands.len() > REMEMBERED_MAX {
                        remembered.commands.pop_front();
                    }
                }
                found
            }
            Body::Reply(reply) => known(reply.answers) || known(reply.continues),
            Body::Continue(go) => known(go.answers),
            Body::Auth(auth) => known(auth.of),
            Body::Content(content) => known(Some(content.of)),
            _ => false,
        }
    }
}

fn is_status(wanted: &str, status: &str) -> bool {
    let digits = wanted.len() < 3 && wanted.bytes().all(|byte| byte.is_ascii_digit());
    status.eq_ignore_ascii_case(wanted) || (digits && status.len() == 3 && status.starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_795_404_723_000_000);

    fn time(text: &str, end: bool) -> Stamp {
        parse_time("--since", text, NOW, end).unwrap()
    }

    #[test]
    fn times_are_read_in_three_ways() {
        assert_eq!(time("2026-11-23T03:32:03Z", false), NOW);
        assert_eq!(time("2026-11-23", false).to_string(), "2026-11-23T00:00:00.000000Z");
        assert_eq!(time("2026-11-23", true).to_string(), "2026-11-24T00:00:00.000000Z");
        assert_eq!(time("2h", false).to_string(), "2026-11-23T01:32:03.000000Z");
        assert_eq!(time("3d", false).to_string(), "2026-11-20T03:32:03.000000Z");
        for wrong in ["", "h", "yesterday", "2x", "-1d", "é"] {
            assert!(matches!(parse_time("--since", wrong, NOW, false), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn clients_are_told_by_address_port_or_network() {
        let is = |wanted: &str, address: &str| client(wanted).is(address);
        assert!(is("127.0.0.1", "127.0.0.1:5000") && !is("127.0.0.1", "127.0.0.10:5000"));
        assert!(is("127.0.0.1:5000", "127.0.0.1:5000") && !is("127.0.0.1:5000", "127.0.0.1:50001"));
        assert!(is("127.0.0.0/8", "127.3.0.1:5") && !is("127.0.0.0/8", "10.0.0.1:5"));
        assert!(is("::1", "[::1]:5000") && is("[::1]:5000", "[::1]:5000") && is("[::1]", "[::1]:7"));
        assert!(!is("::1", "127.0.0.1:5000"));
    }

    #[test]
    fn a_class_of_statuses_is_its_first_digits() {
        assert!(is_status("5", "550") && is_status("55", "550") && is_status("550", "550") && is_status("NO", "NO"));
        assert!(!is_status("5", "250") && !is_status("N", "NO"));
    }
}
