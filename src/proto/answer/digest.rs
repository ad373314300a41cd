//! The client's side of DIGEST-MD5 (RFC 2831), with `qop=auth`: no security layer.
//! Takes the server's challenge, gives the response; takes the server's last word, and says whether it knows the password.
//! Knows no framing, and no source of randomness: the client's nonce is given.

use md5::Digest as _;
use md5::Md5;

use super::{Credentials, hex};
use crate::proto::sasl::directive_value;

/// A login under way: what the server's own proof is to be.
pub struct Digest {
    proof: String,
}

impl Digest {
    /// Answers the challenge (§2.1.2). None where it makes no sense, or offers nothing but security layers.
    pub fn respond(challenge: &[u8], credentials: &Credentials, cnonce: &str, uri: &str) -> Option<(Vec<u8>, Digest)> {
        let directive = |name: &str| directive_value(challenge, name);
        let nonce = directive("nonce")?;
        let offered = directive("qop").unwrap_or(b"auth");
        let mut offered = offered.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        if !offered.any(|qop| qop.eq_ignore_ascii_case(b"auth")) {
            return None;
        }
        let utf8 = directive("charset").is_some_and(|charset| charset.eq_ignore_ascii_case(b"utf-8"));
        let realm = directive("realm").unwrap_or_default();
        let [user, password] = [&credentials.user, &credentials.password].map(|text| octets(text, utf8));
        let (user, password) = (user?, password?);
        let secret = Md5::digest([&user, realm, &password].join(b":".as_slice()));
        let a1 = [secret.as_slice(), nonce, cnonce.as_bytes()].join(b":".as_slice());
        let value = |a2: &str| {
            let [a1, a2] = [hex(&Md5::digest(&a1)), hex(&Md5::digest(a2))];
            let parts = [a1.as_bytes(), nonce, b"00000001", cnonce.as_bytes(), b"auth", a2.as_bytes()];
            hex(&Md5::digest(parts.join(b":".as_slice())))
        };
        let mut response = if utf8 { b"charset=utf-8,username=\"".to_vec() } else { b"username=\"".to_vec() };
        let name = if utf8 { credentials.user.as_bytes() } else { &user };
        for &byte in name {
            if matches!(byte, b'"' | b'\\') {
                response.push(b'\\');
            }
            response.push(byte);
        }
        response.extend([b"\",realm=\"", realm, b"\",nonce=\"", nonce].concat());
        let value_of_client = value(&format!("AUTHENTICATE:{uri}"));
        let rest =
            format!("\",nc=00000001,cnonce=\"{cnonce}\",digest-uri=\"{uri}\",response={value_of_client},qop=auth");
        response.extend(rest.into_bytes());
        Some((response, Digest { proof: value(&format!(":{uri}")) }))
    }

    /// Whether the server has shown that it knows the password (§2.1.3).
    #[must_use]
    pub fn is_proven(&self, challenge: &[u8]) -> bool {
        directive_value(challenge, "rspauth").is_some_and(|proof| proof == self.proof.as_bytes())
    }
}

/// What is hashed of a text (§2.1.2.1): it in ISO 8859-1 where that can be, or else in UTF-8 where the server takes that.
fn octets(text: &str, utf8: bool) -> Option<Vec<u8>> {
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    latin.or_else(|| utf8.then(|| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Digest};

    const CHALLENGE: &str =
        "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\",algorithm=md5-sess,charset=utf-8";

    fn respond(challenge: &str, user: &str) -> Option<(String, Digest)> {
        let credentials = Credentials { user: user.to_owned(), password: "secret".to_owned() };
        let uri = "imap/elwood.innosoft.com";
        let (response, digest) = Digest::respond(challenge.as_bytes(), &credentials, "OA6MHXh6VqTrRk", uri)?;
        Some((String::from_utf8_lossy(&response).into_owned(), digest))
    }

    #[test]
    fn the_rfcs_example_comes_out() {
        // RFC 2831 §4.
        let (response, digest) = respond(CHALLENGE, "chris").unwrap();
        assert_eq!(
            response,
            "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",nc=00000001,\
             cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\",\
             response=d388dad90d4bbd760a152321f2143af7,qop=auth"
        );
        assert!(digest.is_proven(b"rspauth=ea40f60335c427b5527b84dbabcdfffd"));
        assert!(!digest.is_proven(b"rspauth=ea40f60335c427b5527b84dbabcdfffe") && !digest.is_proven(b""));
    }

    #[test]
    fn a_layer_is_not_put_on_and_nonsense_not_answered() {
        assert!(respond(&CHALLENGE.replace("\"auth\"", "\"auth-int,auth-conf\""), "chris").is_none());
        assert!(respond(&CHALLENGE.replace("\"auth\"", "\"auth-int, auth\""), "chris").is_some());
        assert!(respond("", "chris").is_none() && respond("realm=\"", "chris").is_none());
    }

    #[test]
    fn names_are_written_in_what_the_server_takes() {
        assert!(respond(CHALLENGE, "a\"b\\c").unwrap().0.contains("username=\"a\\\"b\\\\c\""));
        assert!(respond(CHALLENGE, "Łukasz").unwrap().0.contains("username=\"Łukasz\""));
        assert!(respond("nonce=\"x\"", "Łukasz").is_none());
        assert!(respond("nonce=\"x\"", "José").unwrap().0.contains("username=\"Jos\u{fffd}\",realm=\"\""));
    }
}
