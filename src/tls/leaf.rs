//! Leaves: certificates minted in memory for the names that a client may check.
//! Takes a CA, the name asked for and the names of the server's certificate, gives rustls a key with its chain.
//! Does not know where the CA comes from, nor what is spoken under the certificate.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::tls::Error;
use crate::tls::clock::{self, DAY};
use crate::tls::pair::{self, BACKDATED_DAYS, Pair};

/// How long a leaf lives, in days, from its backdated start to its end. The CA/Browser Forum (ballot SC-081) allows
/// public certificates 200 days from March 2026, 100 from March 2027 and 47 from March 2029, and Apple's limits for
/// added roots are wider. Some programs apply the public limit to every root, so this is below the last of them.
pub const LEAF_DAYS: i64 = 46;

/// A cached leaf is used until it has less than this left, in days; a session that starts then has time to end.
pub const LEAF_RENEW_DAYS: i64 = 30;

/// Leaves kept, at most: about 2 KiB each. A proxy for a few servers needs a few; one behind SOCKS may see many names.
pub const LEAF_CACHE_MAX: usize = 256;

/// Names carried over from the server's certificate, at most. More would make a Certificate message that clients with
/// small limits refuse (GnuTLS: 16 KiB in all; 200 long names are about 8 KiB).
pub const SERVER_NAMES_MAX: usize = 200;

/// Octets of a DNS name, at most (RFC 1035 section 2.3.4).
const DNS_NAME_MAX: usize = 253;

/// Characters of a common name, at most (RFC 5280, upper bound ub-common-name).
const COMMON_NAME_MAX: usize = 64;

/// The kind of key in the leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeafKey {
    #[default]
    P256,
    /// For clients without elliptic-curve signatures. Making the key takes up to a second, once in a process.
    Rsa2048,
}

impl LeafKey {
    fn generate(self) -> Result<KeyPair, Error> {
        match self {
            LeafKey::P256 => KeyPair::generate(),
            LeafKey::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048),
        }
        .map_err(|why| Error::new(format!("no key for certificates could be made: {why}")))
    }
}

impl FromStr for LeafKey {
    type Err = Error;

    fn from_str(word: &str) -> Result<LeafKey, Error> {
        match word {
            "p256" => Ok(LeafKey::P256),
            "rsa2048" => Ok(LeafKey::Rsa2048),
            other => Err(Error::new(format!("{other} is no kind of leaf key: say p256 or rsa2048"))),
        }
    }
}

impl fmt::Display for LeafKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LeafKey::P256 => "p256",
            LeafKey::Rsa2048 => "rsa2048",
        })
    }
}

/// What a leaf is asked to be for.
#[derive(Clone, Copy, Debug)]
pub struct LeafRequest<'a> {
    /// The client's SNI, or the server's name as it was given to mailtap; a host name or an IP address.
    pub name: Option<&'a str>,
    /// The names in the server's own certificate: DNS names, wildcards as they are, and IP addresses.
    pub extra: &'a [String],
    /// The address that the client connected to. An unspecified one (0.0.0.0) is left out.
    pub listener: IpAddr,
}

impl LeafRequest<'_> {
    /// All names of the leaf, the most wanted first, none twice.
    #[must_use]
    pub fn names(&self) -> Vec<LeafName> {
        let mut names: Vec<LeafName> = Vec::new();
        let wanted = self.name.iter().filter_map(|name| LeafName::parse(name));
        let carried = self.extra.iter().filter_map(|name| LeafName::parse(name)).take(SERVER_NAMES_MAX);
        let local = [
            LeafName::Dns("localhost".into()),
            LeafName::Ip(Ipv4Addr::LOCALHOST.into()),
            LeafName::Ip(Ipv6Addr::LOCALHOST.into()),
        ];
        let listener = Some(self.listener.to_canonical()).filter(|ip| !ip.is_unspecified()).map(LeafName::Ip);
        for name in wanted.chain(carried).chain(local).chain(listener) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// A name as it stands in a subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeafName {
    /// Lower case, no final dot.
    Dns(String),
    Ip(IpAddr),
}

impl LeafName {
    /// `None` for what no certificate can carry.
    fn parse(text: &str) -> Option<LeafName> {
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(LeafName::Ip(ip.to_canonical()));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
        let fits = !name.is_empty() && name.len() <= DNS_NAME_MAX && name.bytes().all(plain);
        fits.then_some(LeafName::Dns(name))
    }

    fn to_san(&self) -> Option<SanType> {
        match self {
            LeafName::Dns(name) => name.as_str().try_into().ok().map(SanType::DnsName),
            LeafName::Ip(ip) => Some(SanType::IpAddress(*ip)),
        }
    }
}

impl fmt::Display for LeafName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeafName::Dns(name) => f.write_str(name),
            LeafName::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Mints leaves with one key and keeps them.
pub struct Mint {
    kind: LeafKey,
    /// One key serves all leaves of a process: it never leaves memory, and a key for each would cost more than the rest.
    key: OnceLock<Result<MintKey, Error>>,
    kept: Mutex<Kept>,
}

/// The same key twice: as what certificates are made for, and as what rustls signs with.
struct MintKey {
    public: KeyPair,
    signing: Arc<dyn SigningKey>,
}

#[derive(Default)]
struct Kept {
    leaves: HashMap<Vec<LeafName>, Entry>,
    /// Counts uses, so that the one not used for longest can be told.
    uses: u64,
}

struct Entry {
    leaf: Arc<CertifiedKey>,
    /// Seconds since 1970.
    good_until: i64,
    used: u64,
}

impl Mint {
    #[must_use]
    pub fn new(kind: LeafKey) -> Mint {
        Mint { kind, key: OnceLock::new(), kept: Mutex::new(Kept::default()) }
    }

    /// The leaf for `request`, from the cache or made now.
    ///
    /// # Errors
    /// When the CA cannot sign any more because it has expired, or the crypto library fails.
    pub fn leaf(&self, pair: &Pair, request: &LeafRequest<'_>, now: i64) -> Result<Arc<CertifiedKey>, Error> {
        let names = request.names();
        if let Some(leaf) = self.kept().find(&names, now) {
            return Ok(leaf);
        }
        let (leaf, until) = self.make(pair, &names, now)?;
        let good_until = (until - LEAF_RENEW_DAYS * DAY).max(now.min(until));
        self.kept().keep(names, Entry { leaf: Arc::clone(&leaf), good_until, used: 0 });
        Ok(leaf)
    }

    /// How many leaves are in the cache.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().leaves.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make(&self, pair: &Pair, names: &[LeafName], now: i64) -> Result<(Arc<CertifiedKey>, i64), Error> {
        if pair.valid_until <= now {
            return Err(Error::new(format!(
                "mailtap's CA expired on {}: run `mailtap ca renew` and start mailtap again",
                clock::date(pair.valid_until)
            )));
        }
        let MintKey { public, signing } = self.key()?;
        // A leaf that outlives its CA, or is older than it, is refused by programs that check each by itself.
        let from = (now - BACKDATED_DAYS * DAY).max(pair.valid_from);
        let until = (from + LEAF_DAYS * DAY).min(pair.valid_until);
        let mut params = CertificateParams::default();
        pair::set_validity(&mut params, from, until);
        params.serial_number = Some(pair::serial()?.to_vec().into());
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "mailtap");
        if let Some(first) = names.first().map(ToString::to_string).filter(|name| name.len() <= COMMON_NAME_MAX) {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.subject_alt_names = names.iter().filter_map(LeafName::to_san).collect();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.kind == LeafKey::Rsa2048 {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params
            .signed_by(public, &pair.issuer)
            .map_err(|why| Error::new(format!("no certificate could be made: {why}")))?;
        // Intermediates go along; a root does not (RFC 8446 section 4.4.2): the client has it or it does not help.
        let mut chain = vec![cert.der().clone()];
        chain.extend(pair.chain.iter().filter(|cert| !is_root(cert)).cloned());
        Ok((Arc::new(CertifiedKey::new(chain, Arc::clone(signing))), until))
    }

    fn key(&self) -> Result<&MintKey, Error> {
        let made = self.key.get_or_init(|| {
            let key = self.kind.generate()?;
            let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let signing = any_supported_type(&der)
                .map_err(|why| Error::new(format!("the key for certificates cannot be used: {why}")))?;
            Ok(MintKey { public: key, signing })
        });
        made.as_ref().map_err(Clone::clone)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing under the lock can be left half done, so a panic elsewhere does not spoil it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, names: &[LeafName], now: i64) -> Option<Arc<CertifiedKey>> {
        self.uses += 1;
        let entry = self.leaves.get_mut(names)?;
        if entry.good_until <= now {
            self.leaves.remove(names);
            return None;
        }
        entry.used = self.uses;
        Some(Arc::clone(&entry.leaf))
    }

    fn keep(&mut self, names: Vec<LeafName>, mut entry: Entry) {
        if self.leaves.len() >= LEAF_CACHE_MAX && !self.leaves.contains_key(&names) {
            let oldest = self.leaves.iter().min_by_key(|(_, entry)| entry.used).map(|(names, _)| names.clone());
            oldest.and_then(|names| self.leaves.remove(&names));
        }
        entry.used = self.uses;
        self.leaves.insert(names, entry);
    }
}

fn is_root(der: &rustls::pki_types::CertificateDer<'_>) -> bool {
    crate::tls::certificate::Certificate::parse(der).is_some_and(|cert| cert.self_issued)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tls::certificate::Certificate;
    use crate::tls::pair::Fresh;

    const NOW: i64 = 1_795_400_000;
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

    /// A CA made at `made`, looked at `now`.
    fn pair(made: i64, now: i64) -> Pair {
        let dir = tempfile::tempdir().expect("a folder");
        let fresh = Fresh::generate(made).expect("a CA");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path
        };
        let (cert, key) = (write("ca.pem", &fresh.cert_pem), write("ca-key.pem", &fresh.key_pem));
        Pair::load(Path::new(&cert), Path::new(&key), now).expect("a working CA")
    }

    fn request<'a>(name: &'a str, extra: &'a [String]) -> LeafRequest<'a> {
        LeafRequest { name: Some(name), extra, listener: HERE }
    }

    fn facts(leaf: &CertifiedKey) -> Certificate {
        Certificate::parse(&leaf.cert[0]).expect("a certificate")
    }

    #[test]
    fn a_leaf_lives_within_every_limit_and_began_before_now() {
        let leaf = Mint::new(LeafKey::P256).leaf(&pair(NOW - 100 * DAY, NOW), &request("mail.example", &[]), NOW);
        let facts = facts(&leaf.expect("a leaf"));
        assert_eq!(facts.valid_until - facts.valid_from, 46 * DAY);
        assert_eq!(NOW - facts.valid_from, 2 * DAY);
        assert!(!facts.is_ca);
    }

    #[test]
    fn a_leaf_never_outlives_its_ca_nor_is_older() {
        let made = NOW;
        for now in [made + 1, made + (pair::CA_DAYS - 5) * DAY] {
            let ca = pair(made, now);
            let facts = facts(&Mint::new(LeafKey::P256).leaf(&ca, &request("mail.example", &[]), now).expect("a leaf"));
            assert!(facts.valid_from >= ca.valid_from && facts.valid_until <= ca.valid_until, "{facts:?}");
        }
        let ca = pair(made, made);
        let said = Mint::new(LeafKey::P256).leaf(&ca, &request("a.example", &[]), ca.valid_until + 1);
        assert!(said.expect_err("expired").to_string().contains("mailtap ca renew"));
    }

    #[test]
    fn names_are_carried_once_and_only_the_possible_ones() {
        let extra = [
            "*.Example".to_string(),
            "mail.example.".into(),
            "192.0.2.1".into(),
            "two words".into(),
            "ü.example".into(),
            String::new(),
        ];
        let names: Vec<String> = request("MAIL.example", &extra).names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["mail.example", "*.example", "192.0.2.1", "localhost", "127.0.0.1", "::1", "192.0.2.9"]);
        let none = LeafRequest { name: None, extra: &[], listener: "::ffff:127.0.0.1".parse().expect("an address") };
        let names: Vec<String> = none.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["localhost", "127.0.0.1", "::1"]);
    }

    #[test]
    fn names_of_a_huge_certificate_are_bounded() {
        let extra: Vec<String> = (0..5000).map(|n| format!("host{n}.example")).collect();
        assert_eq!(request("mail.example", &extra).names().len(), 1 + SERVER_NAMES_MAX + 4);
    }

    #[test]
    fn long_names_make_no_common_name() {
        let long = format!("{}.example", "a".repeat(60));
        let leaf = Mint::new(LeafKey::P256).leaf(&pair(NOW, NOW), &request(&long, &[]), NOW).expect("a leaf");
        assert_eq!(facts(&leaf).subject, "O=mailtap");
        assert_eq!(facts(&leaf).names[0], long);
    }

    #[test]
    fn the_cache_gives_the_same_leaf_until_it_is_too_old() {
        let (ca, mint) = (pair(NOW, NOW), Mint::new(LeafKey::P256));
        let ask = |now| mint.leaf(&ca, &request("mail.example", &[]), now).expect("a leaf");
        let first = ask(NOW);
        assert!(Arc::ptr_eq(&first, &ask(NOW + 10 * DAY)));
        let later = ask(NOW + 20 * DAY);
        assert!(!Arc::ptr_eq(&first, &later));
        assert_ne!(facts(&first).sha256, facts(&later).sha256);
        assert_eq!(mint.len(), 1);
    }

    #[test]
    fn the_cache_is_bounded_and_drops_what_is_not_used() {
        let (ca, mint) = (pair(NOW, NOW), Mint::new(LeafKey::P256));
        let ask = |name: &str| mint.leaf(&ca, &request(name, &[]), NOW).expect("a leaf");
        let favourite = ask("favourite.example");
        for n in 0..LEAF_CACHE_MAX * 2 {
            ask(&format!("host{n}.example"));
            assert!(Arc::ptr_eq(&favourite, &ask("favourite.example")));
            assert!(mint.len() <= LEAF_CACHE_MAX);
        }
        assert_eq!(mint.len(), LEAF_CACHE_MAX);
    }

    #[test]
    fn serial_numbers_are_positive_of_one_length_and_all_different() {
        let serials: Vec<_> = (0..500).map(|_| pair::serial().expect("random bytes")).collect();
        assert!(serials.iter().all(|serial| serial.len() <= 20 && serial[0] & 0x80 == 0 && serial[0] != 0));
        assert_eq!(serials.iter().collect::<std::collections::BTreeSet<_>>().len(), 500);
    }

    #[test]
    fn words_for_kinds() {
        assert_eq!("rsa2048".parse(), Ok(LeafKey::Rsa2048));
        assert_eq!(LeafKey::default().to_string(), "p256");
        assert!("dsa".parse::<LeafKey>().is_err());
    }
}
