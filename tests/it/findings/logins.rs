//! Findings of logins.
//! Takes conversations, gives nothing but failures.
//! Does not know how a finding is made.

use super::{case, notes};

#[test]
fn of_logins() {
    case(
        "plaintext-password",
        "pop3",
        "S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        "TLS\nS: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        &[],
    );
    case(
        "plaintext-password",
        "pop3",
        "S: +OK\nC: USER a\nS: +OK\nC: PASS b\nS: +OK",
        "S: +OK <1@x>\nC: APOP a c4c9334bac560ecc979e58001b3e22fb\nS: +OK",
        &[],
    );
    // Who answers a challenge, or says nothing that is secret, gives nothing away.
    let sasl = |mechanism: &str| {
        format!(
            "S: * OK [CAPABILITY IMAP4rev1 AUTH={mechanism}] hi\nC: a AUTHENTICATE {mechanism}\nS: + \nC: c2lyaGM=\nS: a OK in"
        )
    };
    for mechanism in [
        "ANONYMOUS",
        "CRAM-MD5",
        "CRAM-SHA256",
        "SCRAM-SHA-256",
        "GSSAPI",
        "GS2-KRB5",
        "KERBEROS_V4",
        "OTP",
        "SRP",
        "EXTERNAL",
    ] {
        case("plaintext-password", "imap", &sasl("PLAIN"), &sasl(mechanism), &["sasl-security-layer"]);
    }
    let login = |capabilities: &str| {
        format!("TLS\nS: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\nC: a LOGIN u p\nS: a NO no")
    };
    case("login-despite-disabled", "imap", &login("LOGINDISABLED"), &login("LOGIN-REFERRALS"), &[]);
    // The client's leg alone has TLS. Cyrus lists LOGINDISABLED also behind a login that it took.
    let unequal = |before: &str| {
        format!(
            "CTLS\nS: * OK [CAPABILITY IMAP4rev1 {before}] hi\nC: a LOGIN u p\nS: a OK [CAPABILITY IMAP4rev1 LOGINDISABLED] in"
        )
    };
    case(
        "login-disabled",
        "imap",
        &unequal("LOGINDISABLED"),
        &unequal("IDLE"),
        &["login-despite-disabled", "capabilities-changed"],
    );
}

/// A server that takes the password for a capability does not bring it into the log by way of a finding.
#[test]
fn no_finding_says_a_password() {
    let said = "TLS\nS: * OK [CAPABILITY IMAP4rev1 GARDENGATE9] hi\nC: a LOGIN u GARDENGATE9\nS: a OK [CAPABILITY IMAP4rev1] in";
    let found = notes("imap", said);
    assert!(
        found.iter().any(|(code, text)| code == "capabilities-changed" && text.contains("«redacted»")),
        "{found:?}"
    );
    let said = "S: +OK\nC: CAPA\nS: +OK\nS: GARDENGATE9\nS: .\nC: STLS\nS: +OK\nC: USER u\nS: +OK\nC: PASS GARDENGATE9\nS: +OK\nC: CAPA\nS: +OK\nS: TOP\nS: .";
    for (code, text) in found.iter().chain(&notes("pop3", said)) {
        assert!(!text.to_ascii_lowercase().contains("gardengate9"), "{code}: {text}");
    }
}
