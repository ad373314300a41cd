//! IMAP commands, read: one whole command with its literals to a [`Command`].
//! Takes the command's bytes, literals in place behind their `{n}` CRLF; gives tag and command, or what is wrong.
//! It does not know sessions or mailboxes, and shares nothing with the parsers of the proxy.

mod cursor;
mod fetch;
mod list;
mod search;
mod set;
mod store;

pub use cursor::{Bad, Cursor};
pub use fetch::{Attribute, Section, SectionText};
pub use list::{List, Return, Status};
pub use search::Key;
pub use set::{Set, contains, write as write_set};
pub use store::{Append, Store};

use super::super::store::{from_modified_utf7, to_modified_utf7};

/// What a client can ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Capability,
    Noop,
    Logout,
    StartTls,
    Authenticate { mechanism: String, initial: Option<String> },
    Login { user: String, password: Vec<u8> },
    Id,
    Enable(Vec<String>),
    Namespace,
    Select { mailbox: String, read_only: bool, condstore: bool },
    Unselect,
    Close,
    Create(String),
    Delete(String),
    Rename { from: String, to: String },
    Subscribe(String),
    Unsubscribe(String),
    List(List),
    Status { mailbox: String, items: Vec<Status> },
    Append(Append),
    Check,
    Idle,
    Compress(String),
    Expunge(Option<Set>),
    Search { uid: bool, key: Key, charset: Option<String> },
    Fetch { uid: bool, set: Set, attributes: Vec<Attribute>, changed_since: Option<u64> },
    Store(Store),
    Copy { uid: bool, set: Set, mailbox: String },
    Move { uid: bool, set: Set, mailbox: String },
}

/// A command that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// `*` when even the tag was not there.
    pub tag: String,
    /// Upper case; empty when there was none.
    pub verb: String,
    pub why: String,
    /// False: the grammar has it, so the answer is NO and not BAD.
    pub is_syntax: bool,
}

/// Tag and upper-case verb (for `UID …` with its second word) of the first line, as far as they are there.
#[must_use]
pub fn head(line: &[u8]) -> (Option<String>, String) {
    let mut cursor = Cursor::new(line);
    let Ok(tag) = cursor.tag() else { return (None, String::new()) };
    if !cursor.eat(b' ') {
        return (Some(tag), String::new());
    }
    let mut verb = cursor.verb();
    if verb == "UID" && cursor.eat(b' ') {
        verb = format!("UID {}", cursor.verb());
    }
    (Some(tag), verb)
}

pub fn parse(bytes: &[u8]) -> Result<(String, Command), Wrong> {
    let mut cursor = Cursor::new(bytes);
    let Ok(tag) = cursor.tag() else {
        return Err(Wrong { tag: "*".to_owned(), verb: String::new(), why: "Invalid tag".to_owned(), is_syntax: true });
    };
    let wrong = |verb: &str, why: String| Wrong { tag: tag.clone(), verb: verb.to_owned(), why, is_syntax: true };
    if !cursor.eat(b' ') {
        return Err(wrong("", "Missing command".to_owned()));
    }
    let mut verb = cursor.verb();
    let uid = verb == "UID";
    if uid {
        verb = if cursor.eat(b' ') { cursor.verb() } else { String::new() };
    }
    let read = arguments(&verb, uid, &mut cursor).and_then(|command| cursor.end().map(|()| command));
    let shown = if uid { format!("UID {verb}") } else { verb };
    match read {
        Ok(command) => Ok((tag, command)),
        Err(Bad::Syntax(why)) => Err(wrong(&shown, why)),
        Err(Bad::Senseless(why)) => Err(Wrong { is_syntax: false, ..wrong(&shown, why.to_owned()) }),
    }
}

fn arguments(verb: &str, uid: bool, c: &mut Cursor<'_>) -> Result<Command, Bad> {
    if uid && !matches!(verb, "FETCH" | "SEARCH" | "STORE" | "COPY" | "MOVE" | "EXPUNGE") {
        return Err(Bad::new("Unknown command"));
    }
    Ok(match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "AUTHENTICATE" => {
            c.space()?;
            let mechanism = c.atom()?;
            let initial = if c.more() { Some(c.word()) } else { None };
            Command::Authenticate { mechanism, initial }
        }
        "LOGIN" => {
            c.space()?;
            let user = c.text_astring()?;
            c.space()?;
            Command::Login { user, password: c.astring()? }
        }
        "ID" => {
            c.space()?;
            c.id_list()?;
            Command::Id
        }
        "ENABLE" => {
            let mut words = Vec::new();
            while c.more() {
                words.push(c.atom()?.to_ascii_uppercase());
            }
            if words.is_empty() {
                return Err(Bad::new("Missing parameters"));
            }
            Command::Enable(words)
        }
        "NAMESPACE" => Command::Namespace,
        "SELECT" | "EXAMINE" => {
            let mailbox = mailbox(c)?;
            let mut condstore = false;
            if c.more() {
                for word in c.list(Cursor::atom)? {
                    match word.eq_ignore_ascii_case("CONDSTORE") {
                        true => condstore = true,
                        false => return Err(Bad::new("Unknown parameter")),
                    }
                }
            }
            Command::Select { mailbox, read_only: verb == "EXAMINE", condstore }
        }
        "UNSELECT" => Command::Unselect,
        "CLOSE" => Command::Close,
        "CREATE" => {
            let name = mailbox(c)?;
            if c.more() {
                // CREATE-SPECIAL-USE is not announced, but its parameter list is passed over.
                c.skip_list()?;
            }
            Command::Create(name)
        }
        "DELETE" => Command::Delete(mailbox(c)?),
        "RENAME" => Command::Rename { from: mailbox(c)?, to: mailbox(c)? },
        "SUBSCRIBE" => Command::Subscribe(mailbox(c)?),
        "UNSUBSCRIBE" => Command::Unsubscribe(mailbox(c)?),
        "LIST" => Command::List(list::list(c)?),
        "LSUB" => Command::List(list::lsub(c)?),
        "STATUS" => Command::Status {
            mailbox: mailbox(c)?,
            items: {
                c.space()?;
                list::status_items(c)?
            },
        },
        "APPEND" => Command::Append(store::append(c)?),
        "CHECK" => Command::Check,
        "IDLE" => Command::Idle,
        "COMPRESS" => {
            c.space()?;
            Command::Compress(c.atom()?.to_ascii_uppercase())
        }
        "EXPUNGE" if uid => {
            c.space()?;
            Command::Expunge(Some(c.set()?))
        }
        "EXPUNGE" => Command::Expunge(None),
        "SEARCH" => {
            c.space()?;
            search::search(c, uid)?
        }
        "FETCH" => {
            c.space()?;
            let set = c.set()?;
            c.space()?;
            let attributes = fetch::attributes(c)?;
            let changed_since = if c.more() { fetch::changed_since(c)? } else { None };
            Command::Fetch { uid, set, attributes, changed_since }
        }
        "STORE" => Command::Store(store::store(c, uid)?),
        "COPY" | "MOVE" => {
            c.space()?;
            let set = c.set()?;
            let mailbox = mailbox(c)?;
            match verb {
                "COPY" => Command::Copy { uid, set, mailbox },
                _ => Command::Move { uid, set, mailbox },
            }
        }
        _ => return Err(Bad::new("Unknown command")),
    })
}

/// A space and a mailbox's name.
fn mailbox(c: &mut Cursor<'_>) -> Result<String, Bad> {
    c.space()?;
    mailbox_name(&c.astring()?)
}

/// A name out of modified UTF-7. Each has one spelling (RFC 3501, 5.1.3), so that it comes back as it was sent.
pub fn mailbox_name(bytes: &[u8]) -> Result<String, Bad> {
    from_modified_utf7(bytes)
        .filter(|name| to_modified_utf7(name).as_bytes() == bytes)
        .ok_or(Bad::Senseless("Mailbox name isn't valid mUTF-7"))
}
