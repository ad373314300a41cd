//! What there is to say of a handshake, finished or failed, as plain data.
//! Takes a rustls connection and what was offered, gives strings.
//! Does not know how they are written down.

use rustls::client::ClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::ServerConnection;
use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};

use crate::tls::answer::Chosen;
use crate::tls::certificate::Certificate;
use crate::tls::hello::{Offer, Version, alpn_word};
use crate::tls::upstream::{ClientCertificate, Watch};
use crate::tls::verdict::Verified;

/// One leg's TLS. What is not known (yet) is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.3`.
    pub version: Option<String>,
    /// IANA's name, `TLS_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// `X25519MLKEM768`, `secp256r1`.
    pub group: Option<String>,
    pub sni: Option<String>,
    /// The protocol chosen.
    pub alpn: Option<String>,
    pub alpn_offered: Vec<String>,
    /// Versions that the client offered; only on the client leg.
    pub versions_offered: Vec<String>,
    pub resumed: Option<bool>,
    /// The certificate that the server end of this leg presented.
    pub certificate: Option<Certificate>,
    /// What it sent along, its own first.
    pub chain: Vec<Certificate>,
    /// Only on the server leg.
    pub verified: Option<Verified>,
    /// Whether a client certificate was asked for; mailtap asks for none.
    pub client_certificate: Option<ClientCertificate>,
}

impl Facts {
    /// The server leg. Also useful after a failure: what was presented by then is in the watch.
    #[must_use]
    pub fn of_server_leg(connection: &ClientConnection, watch: &Watch, alpn_offered: &[Vec<u8>]) -> Facts {
        let seen = watch.chain();
        let presented = if seen.is_empty() { connection.peer_certificates().unwrap_or_default() } else { &seen };
        let mut facts = Facts::of(connection, presented);
        facts.sni = watch.sni().map(str::to_string);
        facts.alpn_offered = alpn_offered.iter().map(|name| alpn_word(name)).collect();
        facts.verified = Some(watch.verified());
        facts.client_certificate = Some(watch.client_certificate());
        facts
    }

    /// The client leg, where mailtap presented `chain`, the leaf's `cert`.
    #[must_use]
    pub fn of_client_leg(connection: &ServerConnection, offer: &Offer, chain: &[CertificateDer<'_>]) -> Facts {
        let mut facts = Facts::of(connection, chain);
        facts.take_offer(offer);
        facts.client_certificate = Some(ClientCertificate::NotAsked);
        facts
    }

    /// What is known when the hello was the last thing that came.
    #[must_use]
    pub fn of_offer(offer: &Offer) -> Facts {
        let mut facts = Facts::default();
        facts.take_offer(offer);
        facts
    }

    /// What a server chose whose TLS is passed through.
    #[must_use]
    pub fn of_answer(chosen: &Chosen) -> Facts {
        Facts {
            version: Some(chosen.version.to_string()),
            cipher: Some(cipher_word(CipherSuite::from(chosen.cipher))),
            group: chosen.group.map(|group| format!("{:?}", NamedGroup::from(group))),
            alpn: chosen.alpn.as_deref().map(alpn_word),
            ..Facts::default()
        }
    }

    fn of(connection: &CommonState, presented: &[CertificateDer<'_>]) -> Facts {
        let chain: Vec<Certificate> = presented.iter().filter_map(Certificate::parse).collect();
        Facts {
            version: connection.protocol_version().map(version_word),
            cipher: connection.negotiated_cipher_suite().map(|suite| cipher_word(suite.suite())),
            group: connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
            alpn: connection.alpn_protocol().map(alpn_word),
            resumed: connection.handshake_kind().map(|kind| kind == HandshakeKind::Resumed),
            certificate: chain.first().cloned(),
            chain,
            ..Facts::default()
        }
    }

    fn take_offer(&mut self, offer: &Offer) {
        self.sni.clone_from(&offer.sni);
        self.alpn_offered = offer.alpn_in_words();
        self.versions_offered = offer.versions.iter().map(ToString::to_string).collect();
    }
}

fn version_word(version: ProtocolVersion) -> String {
    Version(u16::from(version)).to_string()
}

/// rustls writes `TLS13_AES_…` where IANA has `TLS_AES_…`.
fn cipher_word(suite: CipherSuite) -> String {
    let word = format!("{suite:?}");
    word.strip_prefix("TLS13_").map_or(word.clone(), |rest| format!("TLS_{rest}"))
}
