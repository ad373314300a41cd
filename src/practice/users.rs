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

impl User {
    /// Would mail for the account be taken for this user's, or the user be taken for the account?
    fn is_called_like(&self, account: &Account) -> bool {
        let own = [&self.name, &self.address];
        [&account.user, &account.address].iter().any(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// All accounts.
#[derive(Debug)]
pub struct Users {
    all: Vec<Arc<User>>,
    hostname: String,
}

impl Users {
    /// Opens every account's mail. Errors: a Maildir cannot be made or read, or another server has it; two accounts have
    /// one name; a name cannot be that of a mailbox.
    pub fn open(accounts: &[Account], mail: Option<&Path>, bounds: Bounds, hostname: &str) -> io::Result<Self> {
        let mut users = Users { all: Vec::with_capacity(accounts.len()), hostname: hostname.to_owned() };
        for account in accounts {
            let bad =
                |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("account {:?}: {why}", account.user));
            if !is_name(&account.user) || !is_address(&account.address) {
                return Err(bad("no mail could be addressed to it; take letters, digits and dots"));
            }
            if let Some(other) = users.all.iter().find(|user| user.is_called_like(account)) {
                return Err(bad(&format!("there is {:?} already, and case makes no difference", other.name)));
            }
            let folder = mail.map(|mail| mail.join(&account.user));
            let store = Store::open(folder.clone(), bounds).map_err(|error| {
                let folder = folder.unwrap_or_default();
                let text = format!("cannot keep mail in {}: {error}; take another folder", folder.display());
                io::Error::new(error.kind(), text)
            })?;
            users.all.push(Arc::new(User {
                name: account.user.clone(),
                password: account.password.clone(),
                address: account.address.clone(),
                scram: scram::Verifier::new(&account.password)?,
                store,
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
        let untagged = local.split('+').next().unwrap_or(local);
        let is_own = domain.is_empty()
            || domain.eq_ignore_ascii_case(&self.hostname)
            || domain.eq_ignore_ascii_case("localhost");
        let of = |local: &str| {
            let whole = format!("{local}@{domain}");
            self.all.iter().find(|user| {
                user.address.eq_ignore_ascii_case(&whole) || (is_own && user.name.eq_ignore_ascii_case(local))
            })
        };
        let postmaster = || self.all.first().filter(|_| is_own && untagged.eq_ignore_ascii_case("postmaster"));
        // Somebody may be called what would be another's tag, or the postmaster.
        of(local).or_else(|| of(untagged)).or_else(postmaster).cloned()
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

/// A local part or a whole address.
fn is_name(name: &str) -> bool {
    is_local_part(name) || is_address(name)
}

fn is_address(address: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    address.rsplit_once('@').is_some_and(|(local, domain)| is_local_part(local) && domain.split('.').all(is_label))
}

/// A dot-string (RFC 5321, 4.1.2; RFC 6531, 3.3), but for the `/`, which no folder can have in its name.
fn is_local_part(name: &str) -> bool {
    let is_atext = |c: char| c.is_alphanumeric() || "!#$%&'*+-=?^_`{|}~".contains(c);
    name.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { message: 1, quota: 1, messages: 1, mailboxes: 9 };

    fn open(names: &[&str]) -> io::Result<Users> {
        let account = |name: &&str| Account {
            user: (*name).to_owned(),
            password: "x".to_owned(),
            address: if name.contains('@') { (*name).to_owned() } else { format!("{name}@here.example") },
        };
        Users::open(&names.iter().map(account).collect::<Vec<_>>(), None, BOUNDS, "here.example")
    }

    #[test]
    fn everybody_gets_the_mail_that_names_them() {
        let users = open(&["demo", "a", "a+b", "c@other.example"]).unwrap();
        let of = |address: &str| users.by_address(address).map(|user| user.name.clone());
        for (address, name) in [
            ("a+b@here.example", "a+b"),
            ("A+B@localhost", "a+b"),
            ("a+c@here.example", "a"),
            ("a+b+c@here.example", "a"),
            ("postmaster", "demo"),
            ("Demo+x@Here.Example", "demo"),
            ("c+d@other.example", "c@other.example"),
        ] {
            assert_eq!(of(address).as_deref(), Some(name), "{address}");
        }
        assert_eq!(of("c@here.example"), None);
        let users = open(&["demo", "Postmaster"]).unwrap();
        assert_eq!(users.by_address("postmaster@localhost").unwrap().name, "Postmaster");
    }

    #[test]
    fn nobody_is_taken_in_whom_no_mail_would_reach() {
        for wrong in ["", "a b", "x@y@z", ".x", "x.", "a..b", "a/b", "@x", "x@", "a@b..c", "a\0", "a@b c", "<a>", "a:b"]
        {
            assert!(open(&[wrong]).is_err(), "{wrong:?}");
        }
        for right in ["a", "a.b", "a+b", "o'neil", "jörg", "x@y", "a-b_c@d-e.example"] {
            assert!(open(&[right]).is_ok(), "{right:?}");
        }
        for two in [["demo", "Demo"], ["x", "X@here.example"], ["x@here.example", "x"]] {
            assert!(open(&two).is_err(), "{two:?}");
        }
    }
}
