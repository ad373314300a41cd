//! Who has an account: names, passwords, addresses and each account's mail.
//! Takes the accounts of the configuration; gives the user behind a name, a password or a mail address.
//! It does not know how a password reached the server.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Account;
use super::sasl::scram;
use super::store::{Bounds, Store};

pub struct User {
    pub name: String,
    pub password: String,
    pub address: String,
    /// What SCRAM-SHA-256 keeps in place of the password, made once, because making it is slow on purpose.
    pub scram: scram::Verifier,
    pub store: Store,
}

impl fmt::Debug for User {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// All accounts.
#[derive(Debug)]
pub struct Users {
    all: Vec<Arc<User>>,
    hostname: String,
}

impl Users {
    /// Opens every account's mail. Errors: a Maildir cannot be made or read; two accounts have one name; a name cannot
    /// be a folder's.
    pub fn open(accounts: &[Account], mail: Option<&Path>, bounds: Bounds, hostname: &str) -> io::Result<Self> {
        let mut users = Users { all: Vec::with_capacity(accounts.len()), hostname: hostname.to_owned() };
        for account in accounts {
            let bad =
                |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("account {:?}: {why}", account.user));
            if account.user.is_empty()
                || account.user.starts_with('.')
                || account.user.contains(['/', '\0', '\r', '\n'])
            {
                return Err(bad("this cannot be a user name"));
            }
            if users.by_name(&account.user).is_some() {
                return Err(bad("there are two of this name"));
            }
            users.all.push(Arc::new(User {
                name: account.user.clone(),
                password: account.password.clone(),
                address: account.address.clone(),
                scram: scram::Verifier::new(&account.password)?,
                store: Store::open(mail.map(|mail| mail.join(&account.user)), bounds)?,
            }));
        }
        Ok(users)
    }

    /// The user who logs in with this name, or with the address.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Arc<User>> {
        let is = |user: &&Arc<User>| user.name == name || user.address.eq_ignore_ascii_case(name);
        self.all.iter().find(is).cloned()
    }

    /// The user whose password it is, too.
    #[must_use]
    pub fn by_password(&self, name: &str, password: &[u8]) -> Option<Arc<User>> {
        self.by_name(name).filter(|user| user.password.as_bytes() == password)
    }

    /// Who gets mail for this address: `user+anything@…` is the user's as well, and so is the user's name at the
    /// server's own name or at `localhost`, or alone.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Option<Arc<User>> {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let local = local.split('+').next().unwrap_or(local);
        let is_own = domain.is_empty()
            || domain.eq_ignore_ascii_case(&self.hostname)
            || domain.eq_ignore_ascii_case("localhost");
        if is_own && local.eq_ignore_ascii_case("postmaster") {
            return self.all.first().cloned();
        }
        let whole = format!("{local}@{domain}");
        let is = |user: &&Arc<User>| {
            user.address.eq_ignore_ascii_case(&whole) || (is_own && user.name.eq_ignore_ascii_case(local))
        };
        self.all.iter().find(is).cloned()
    }

    /// Is the part after the `@` one that accounts have?
    #[must_use]
    pub fn is_local_domain(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        domain.is_empty()
            || [self.hostname.as_str(), "localhost"].iter().any(|own| own.eq_ignore_ascii_case(domain))
            || self.all.iter().any(|u| u.address.rsplit_once('@').is_some_and(|(_, d)| d.eq_ignore_ascii_case(domain)))
    }
}
