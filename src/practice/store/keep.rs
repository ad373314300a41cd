//! Where a mailbox's messages stay: the interface, and memory.
//! Takes messages with CRLF line ends; gives a [`Body`] from which the same bytes can be read again.
//! It does not know UIDs beyond writing them down, nor who reads.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Flags;
use super::maildir;

/// A message's bytes, with CRLF line ends, or the way to them.
#[derive(Debug, Clone)]
pub enum Body {
    Memory(Arc<[u8]>),
    File(PathBuf),
}

impl Body {
    /// The whole message with CRLF line ends.
    pub fn read(&self) -> io::Result<Arc<[u8]>> {
        match self {
            Body::Memory(bytes) => Ok(bytes.clone()),
            Body::File(path) => maildir::read_message(path),
        }
    }
}

/// A message found on the disk.
#[derive(Debug, Clone)]
pub struct Found {
    /// None: it has none yet.
    pub uid: Option<u32>,
    pub body: Body,
    pub flags: Flags,
    /// Seconds since 1970.
    pub date: i64,
    /// Octets with CRLF line ends.
    pub size: u64,
    /// No session has seen it.
    pub fresh: bool,
}

/// What was kept from an earlier run.
#[derive(Debug, Default)]
pub struct Kept {
    pub validity: Option<u32>,
    pub next: u32,
    pub found: Vec<Found>,
    pub keywords: Vec<String>,
}

/// One mailbox's place. Every method is called under the mailbox's lock.
pub trait Keep: Send + Debug {
    /// What is there; `validity` is written down when there is none yet.
    fn load(&mut self, validity: u32) -> io::Result<Kept>;
    /// Stores a message, in a way of its own: gives where it is, and how many octets are read from there.
    fn add(&mut self, uid: u32, message: &Incoming, keywords: &[String]) -> io::Result<(Body, u64)>;
    fn set_flags(&mut self, body: &mut Body, flags: &Flags, keywords: &[String]) -> io::Result<()>;
    fn remove(&mut self, body: &Body) -> io::Result<()>;
    /// Another program has removed a message.
    fn forget(&mut self, body: &Body);
    /// The messages now there, when another program may have changed something since the last look.
    fn changed(&mut self, keywords: &[String]) -> io::Result<Option<Vec<Found>>>;
    /// Writes down the UID of a message another program put there.
    fn number(&mut self, uid: u32, body: &Body) -> io::Result<()>;
    /// Moves to another folder; gives the one it was in. Where there is no folder, there is nothing to do.
    fn rename(&mut self, to: PathBuf) -> io::Result<Option<PathBuf>>;
    fn destroy(&mut self) -> io::Result<()>;
    /// Must it be looked at for changes by other programs?
    fn is_shared(&self) -> bool;
}

/// A message on its way into a mailbox.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// New bytes, or where another mailbox of the account has it.
    pub body: Body,
    /// Octets of the body.
    pub size: u64,
    pub flags: Flags,
    /// Seconds since 1970.
    pub date: i64,
    /// It has just arrived, and no program has seen it.
    pub fresh: bool,
}

/// Messages that end with the process.
#[derive(Debug)]
pub struct Memory;

impl Keep for Memory {
    fn load(&mut self, _: u32) -> io::Result<Kept> {
        Ok(Kept::default())
    }

    fn add(&mut self, _: u32, message: &Incoming, _: &[String]) -> io::Result<(Body, u64)> {
        // Shared with whoever has it already.
        Ok((message.body.clone(), message.size))
    }

    fn set_flags(&mut self, _: &mut Body, _: &Flags, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, _: &Body) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self, _: &Body) {}

    fn changed(&mut self, _: &[String]) -> io::Result<Option<Vec<Found>>> {
        Ok(None)
    }

    fn number(&mut self, _: u32, _: &Body) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, _: PathBuf) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }

    fn destroy(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}
