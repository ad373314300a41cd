//! SASL exchanges: who logs in by which mechanism, step by step, from the lines that a protocol carries (RFC 4422).
//! Takes the client's responses and the server's challenges in base64, gives what is not secret in them.
//! Knows no protocol's framing of them; the caller marks the whole response as secret.

mod der;
pub mod gss;
pub mod ntlm;
mod text;

pub(super) use text::directive_value;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Sink;
use crate::event::{Auth, Note, Object, Seq};
use crate::findings;

/// The longest name of a mechanism, in bytes (RFC 4422 §3.1).
const MECHANISM_MAX: usize = 20;

/// Mechanisms whose names clients write in letters of any case.
const MECHANISMS: &[&str] = &[
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "CRAM-SHA1",
    "CRAM-SHA256",
    "DIGEST-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-512-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
    "ANONYMOUS",
    "NTLM",
    "GSSAPI",
    "GSS-SPNEGO",
];

/// The longest user name that is taken out of a response, in bytes. RFC 4616 §2 lets names be 255 octets long.
const NAME_MAX: usize = 255;

/// The longest challenge that is decoded, in bytes of base64. RFC 4954 §4.3 gives 12,288 as the longest line.
const CHALLENGE_MAX: usize = 12_288;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The mechanism that a word names, in upper case. Nothing where it may be a response that stands in the wrong place: a
/// name has no small letters (RFC 4422 §3.1), save where it is a well-known one.
#[must_use]
pub fn mechanism(word: &[u8]) -> Option<String> {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let named = !word.is_empty() && word.len() <= MECHANISM_MAX && word.iter().all(is_name);
    let known = MECHANISMS.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    (named || known).then(|| String::from_utf8_lossy(word).to_ascii_uppercase())
}

/// What a server's challenge says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Challenge {
    /// Where it is text. That is where XOAUTH2 and OAUTHBEARER put their error (RFC 7628 §3.2.2).
    pub decoded: Option<String>,
    /// Where it is a token: its kind and the names in it.
    pub values: Object,
}

/// One authentication under way.
#[derive(Clone, Debug)]
pub struct Exchange {
    mechanism: String,
    of: Seq,
    step: u32,
    challenge: Option<String>,
    layer: Layer,
}

/// Whether both sides encrypt or sign what they say after a login (RFC 4422 §3.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    #[default]
    None,
    /// The mechanism has layers, and the choice of one is not to be seen in the exchange.
    Possible,
    Certain,
}

impl Exchange {
    /// `of` is the number of the command that began it.
    #[must_use]
    pub fn new(mechanism: &str, of: Seq) -> Exchange {
        let mechanism = mechanism.to_ascii_uppercase();
        let layer = match mechanism.as_str() {
            "GSSAPI" | "GSS-SPNEGO" | "KERBEROS_V4" | "SRP" => Layer::Possible,
            _ => Layer::None,
        };
        Exchange { mechanism, of, step: 0, challenge: None, layer }
    }

    /// The same exchange, begun by the command of this number.
    #[must_use]
    pub fn belongs_to(self, of: Seq) -> Exchange {
        Exchange { of, ..self }
    }

    #[must_use]
    pub fn mechanism(&self) -> &str {
        &self.mechanism
    }

    /// What may come after it.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The number of the command that began it.
    #[must_use]
    pub fn of(&self) -> Seq {
        self.of
    }

    /// A challenge in base64.
    pub fn challenge(&mut self, encoded: &[u8]) -> Challenge {
        let mut challenge = Challenge { decoded: decode_text(encoded), values: Object::new() };
        self.challenge.clone_from(&challenge.decoded);
        if challenge.decoded.is_none() && !matches!(encoded, b"" | b"=") && encoded.len() <= CHALLENGE_MAX {
            match BASE64.decode(encoded) {
                Ok(token) => drop(gss::read(&token, &mut challenge.values)),
                Err(_) => drop(challenge.values.flag("malformed", true)),
            }
        }
        challenge
    }

    /// A response in base64, without its line end. `=` is an empty initial response (RFC 4954 §4), `*` cancels.
    pub fn response(&mut self, encoded: &[u8]) -> Auth {
        self.step += 1;
        let mut auth = Auth {
            mechanism: self.mechanism.clone(),
            step: self.step,
            user: None,
            args: Object::new(),
            of: Some(self.of),
        };
        if encoded == b"*" {
            auth.args.flag("cancel", true);
            return auth;
        }
        if encoded.is_empty() || encoded == b"=" {
            auth.args.flag("empty", true);
            return auth;
        }
        let Ok(message) = BASE64.decode(encoded) else {
            auth.args.flag("malformed", true);
            return auth;
        };
        auth.user = self.read(&message, &mut auth.args);
        if self.mechanism == "DIGEST-MD5" {
            // RFC 2831 §2.1.2.1: `auth-int` signs and `auth-conf` encrypts all that follows.
            let qop = directive_value(&message, "qop").unwrap_or_default();
            if qop.eq_ignore_ascii_case(b"auth-int") || qop.eq_ignore_ascii_case(b"auth-conf") {
                self.layer = Layer::Certain;
            }
        }
        auth
    }

    /// The response that stands in the command itself (RFC 4954 §4, RFC 4959): what it says goes into the command's
    /// arguments. Gives who logs in.
    pub fn initial(&mut self, encoded: &[u8], args: &mut Object) -> Option<String> {
        let response = self.response(encoded);
        if let Some(user) = &response.user {
            args.text("user", user);
        }
        if !response.args.is_empty() {
            args.object("response", &response.args);
        }
        response.user
    }

    fn read(&self, message: &[u8], args: &mut Object) -> Option<String> {
        match self.mechanism.as_str() {
            "PLAIN" => text::plain(message, args),
            "LOGIN" => self.login(message),
            cram if cram.starts_with("CRAM-") => text::cram(message),
            "DIGEST-MD5" => text::digest(message, args),
            "XOAUTH2" => text::xoauth2(message, args),
            "OAUTHBEARER" | "OAUTH10A" => text::oauth(message, args),
            "EXTERNAL" | "ANONYMOUS" => name(message),
            scram if scram.starts_with("SCRAM-") => text::scram(message, args),
            // NTLM, GSSAPI, GSS-SPNEGO, and Exchange's own: each token tells what it is.
            _ => gss::read(message, args),
        }
    }

    /// Two prompts, the name and the password (draft-murchison-sasl-login). An initial response is the name.
    fn login(&self, message: &[u8]) -> Option<String> {
        let prompt = self.challenge.as_deref().unwrap_or("").to_ascii_lowercase();
        let asks_for_name = if prompt.is_empty() { self.step == 1 } else { !prompt.contains("pass") && self.step == 1 };
        if asks_for_name { name(message) } else { None }
    }
}

/// Notes that a login is bound to the TLS connection that it runs in (RFC 5929, RFC 9266), which ends at the proxy.
pub fn note_channel_binding(exchange: &Exchange, out: &mut dyn Sink) {
    if !exchange.mechanism.ends_with("-PLUS") {
        return;
    }
    out.note(Note { about: Some(exchange.of), ..findings::CHANNEL_BINDING.note(format!(
            "{} binds the login to the TLS connection, and the client's ends at the proxy: where TLS is used it will fail. \
             Let the client log in by {}, or pass its TLS through unread",
            exchange.mechanism,
            exchange.mechanism.trim_end_matches("-PLUS"),
        )) });
}

/// The note that a security layer begins after the reply of this number.
#[must_use]
pub fn layer_note(about: Seq) -> Note {
    Note { about: Some(about), ..findings::SASL_SECURITY_LAYER.note("the login put on a security layer: what follows is signed or encrypted by the two ends, and is logged as raw \
               bytes. To read it, let the client use TLS and a login without a layer (DIGEST-MD5 with qop=auth, GSSAPI \
               without integrity)") }
}

/// Base64 that is UTF-8 text, without control characters but for white space and SASL's separators.
#[must_use]
pub fn decode_text(encoded: &[u8]) -> Option<String> {
    if encoded.is_empty() || encoded.len() > CHALLENGE_MAX {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let harmless = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\t' | '\u{1}');
    text.chars().all(harmless).then_some(text)
}

fn name(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > NAME_MAX {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn first(mechanism: &str, message: &[u8]) -> (Option<String>, serde_json::Map<String, serde_json::Value>) {
        let auth = Exchange::new(mechanism, 4).response(STANDARD.encode(message).as_bytes());
        (auth.user, auth.args.map())
    }

    #[test]
    fn each_mechanism_names_its_user_and_nothing_else() {
        let user = |mechanism, message: &[u8]| first(mechanism, message).0;
        let joe = Some("joe".to_owned());
        assert_eq!(user("plain", b"adm\0joe\0s3cret"), joe);
        assert_eq!(user("PLAIN", b"joe\0s3cret"), None);
        assert_eq!(user("LOGIN", b"joe"), joe);
        assert_eq!(user("CRAM-MD5", b"joe b913a602c7eda7a495b4e6e7334d3890"), joe);
        assert_eq!(user("CRAM-MD5", b"joe s3cret"), None);
        let sha256 = [&b"joe "[..], &[b'a'; 64]].concat();
        assert_eq!(user("cram-sha256", &sha256), joe);
        assert_eq!(user("CRAM-SHA256", &sha256[..40]), None);
        assert_eq!(user("DIGEST-MD5", b"charset=utf-8,username=\"joe\",realm=\"r=,1\",qop=auth"), joe);
        assert_eq!(user("SCRAM-SHA-256", b"n,,n=joe,r=abc"), joe);
        assert_eq!(user("SCRAM-SHA-256", b"n,,n=j=2Co,r=abc"), Some("j,o".to_owned()));
        assert_eq!(user("SCRAM-SHA-256", b"c=biws,r=abc,p=s3cret"), None);
        assert_eq!(user("XOAUTH2", b"user=joe\x01auth=Bearer s3cret\x01\x01"), joe);
        assert_eq!(user("OAUTHBEARER", b"n,a=joe,\x01host=h\x01port=143\x01auth=Bearer s3cret\x01\x01"), joe);
        assert_eq!(user("EXTERNAL", b"joe"), joe);
        assert_eq!(user("GSSAPI", b"joe"), None);
        assert_eq!(first("OAUTHBEARER", b"n,a=j,\x01host=h\x01\x01").1["host"], "h");
        assert_eq!(first("PLAIN", b"adm\0joe\0x").1["authorization"], "adm");
    }

    #[test]
    fn what_is_not_secret_is_told_and_what_is_stays_out() {
        let digest = b"username=\"joe\",realm=\"mail.example\",nonce=\"OA6\",cnonce=\"OB7\",nc=00000001,qop=auth,\
                       digest-uri=\"imap/mail.example\",response=d388dad90d4bbd760a152321f2143af7,authzid=\"shop\"";
        let (user, args) = first("DIGEST-MD5", digest);
        assert_eq!((user.as_deref(), args["authorization"].as_str()), (Some("joe"), Some("shop")));
        assert_eq!((args["digest-uri"].as_str(), args["nc"].as_str()), (Some("imap/mail.example"), Some("00000001")));
        let (_, bound) = first("SCRAM-SHA-1-PLUS", b"c=cD10bHMtZXhwb3J0ZXIsLAECAwQ=,r=abc,p=s3cret");
        assert_eq!(bound["channel_binding"], "p=tls-exporter");
        let (_, acknowledged) = first("OAUTHBEARER", b"\x01");
        assert_eq!(acknowledged["acknowledges"], true);
        let (_, token) = first("XOAUTH2", b"user=joe\x01auth=Bearer s3cret\x01\x01");
        assert_eq!(token["scheme"], "Bearer");
        assert!(!first("XOAUTH2", b"user=joe\x01auth=s3cret token\x01\x01").1.contains_key("scheme"));
        for (mechanism, message) in
            [("DIGEST-MD5", &digest[..]), ("SCRAM-SHA-1", b"c=biws,r=abc,p=s3cret"), ("XOAUTH2", b"auth=Bearer s3cret")]
        {
            let told = serde_json::to_string(&first(mechanism, message).1).unwrap();
            assert!(!told.contains("s3cret") && !told.contains("d388dad9"), "{told}");
        }
    }

    #[test]
    fn a_challenge_that_is_a_token_tells_its_kind() {
        let values = |mechanism, encoded: &[u8]| Exchange::new(mechanism, 0).challenge(encoded).values.map();
        let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
        message.resize(48, 0);
        assert_eq!(values("NTLM", STANDARD.encode(message).as_bytes())["message"], 2);
        assert_eq!(values("NTLM", b"NTLM supported")["malformed"], true);
        assert!(values("NTLM", b"").is_empty());
        assert!(values("LOGIN", b"VXNlcm5hbWU6").is_empty());
    }

    #[test]
    fn login_never_takes_the_password_for_a_name() {
        let mut exchange = Exchange::new("LOGIN", 0);
        exchange.challenge(STANDARD.encode("Password:").as_bytes());
        assert_eq!(exchange.response(STANDARD.encode("s3cret").as_bytes()).user, None);
        let mut exchange = Exchange::new("LOGIN", 0);
        assert!(exchange.response(STANDARD.encode("joe").as_bytes()).user.is_some());
        exchange.challenge(STANDARD.encode("Password:").as_bytes());
        let second = exchange.response(STANDARD.encode("s3cret").as_bytes());
        assert_eq!((second.step, second.user), (2, None));
    }

    #[test]
    fn a_challenge_is_text_or_nothing() {
        let error = br#"{"status":"401","schemes":"bearer"}"#;
        assert_eq!(decode_text(STANDARD.encode(error).as_bytes()).unwrap().as_bytes(), error);
        assert_eq!(decode_text(STANDARD.encode(b"\x00\x01\x02").as_bytes()), None);
        assert_eq!(decode_text(b"not base64!"), None);
    }
}
