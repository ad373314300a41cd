//! How to make each mail program trust mailtap's CA: the steps in words, and the one case that can be done here.
//! Takes the CA's file, name and fingerprint, gives text for a terminal and for a page.
//! Does not know whether any of these programs is installed, but for NSS's `certutil`.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::tls::Error;
use crate::tls::authority::Authority;
use crate::tls::certificate::with_colons;
use crate::tls::pair::NAME;

/// The CA that is to be trusted.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its certificate file, as a shell would have to be given it.
    pub path: String,
    /// Its common name, as programs list it.
    pub name: String,
    /// SHA-256 with colons.
    pub sha256: String,
    /// How mailtap is called so that it finds this CA: `mailtap`, with `--dir` where that is needed.
    pub mailtap: String,
    /// What `mailtap ca export` needs besides, with a space in front; empty for the generated CA.
    pub own: String,
}

/// One program, or one family of them.
#[derive(Clone, Debug)]
pub struct Section {
    /// A word for choosing it.
    pub key: &'static str,
    pub title: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Something to do or to know.
    Say(String),
    /// Something to type.
    Run(String),
}

impl Subject {
    /// `mailtap` is how the program is called for the folder in use. `own` says that certificate and key are the user's
    /// own and not in that folder.
    #[must_use]
    pub fn of(authority: &Authority, mailtap: &str, own: bool) -> Subject {
        let facts = authority.facts();
        let path = in_shell(authority.cert_path());
        let own = match own {
            true => format!(" --ca-cert {path} --ca-key {}", in_shell(authority.key_path())),
            false => String::new(),
        };
        Subject {
            path,
            mailtap: mailtap.to_owned(),
            own,
            name: facts.subject_in_short().to_string(),
            sha256: with_colons(&facts.sha256),
        }
    }

    /// All programs, the ones people ask for most first.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let Subject { path, name, sha256, mailtap, own } = self;
        let section = |key, title, steps: Vec<Step>| Section { key, title, steps };
        vec![
            section(
                "thunderbird",
                "Thunderbird (Linux, Windows, macOS)",
                vec![
                    say(
                        "Close Thunderbird and let mailtap do it; the profile's folder is under Help > Troubleshooting Information:",
                    ),
                    run(format!("{mailtap} ca trust{own} --thunderbird PROFILE")),
                    say(format!(
                        "Or by hand: Settings > Privacy & Security > Certificates > Manage Certificates > Authorities > Import. Choose {path}, \
                         press View, compare the SHA-256 fingerprint with the one above, and tick \"Trust this CA to identify websites\" (mail servers count as such)."
                    )),
                    say(format!("To undo it: the same window, mailtap > {name} > Delete or Distrust.")),
                ],
            ),
            section(
                "windows",
                "Outlook and other programs on Windows",
                vec![
                    say(format!("Copy {path} to the Windows machine as mailtap-ca.crt. In a command prompt there:")),
                    run("certutil -dump mailtap-ca.crt"),
                    run("certutil -user -addstore Root mailtap-ca.crt"),
                    say(
                        "Windows asks whether to install it; that is for your user alone. For all users: the same without -user, as administrator.",
                    ),
                    say(
                        "Restart Outlook. The \"new Outlook\" fetches IMAP mail through Microsoft's servers, not from your machine: use the classic one with mailtap.",
                    ),
                    say("To undo it:"),
                    run(format!("certutil -user -delstore Root \"{name}\"")),
                ],
            ),
            section(
                "macos",
                "Apple Mail on macOS",
                vec![
                    say("In a terminal on the Mac (it asks for your password):"),
                    run(format!(
                        "security add-trusted-cert -r trustRoot -p ssl -k ~/Library/Keychains/login.keychain-db {path}"
                    )),
                    say(
                        "Or double-click the file, and in Keychain Access open the certificate, compare the fingerprint, and set Trust > Secure Sockets Layer (SSL) to Always Trust.",
                    ),
                    say("Quit Mail and start it again. To undo it:"),
                    run(format!("security delete-certificate -t -c \"{name}\"")),
                ],
            ),
            section(
                "ios",
                "Apple Mail on iOS (iPhone and iPad)",
                vec![
                    run(format!("{mailtap} ca export{own} --format mobileconfig -o mailtap-ca.mobileconfig")),
                    say(
                        "Send that file to the device (AirDrop, or a web page; a mail account that does not go through mailtap will do too) and open it.",
                    ),
                    say("Settings > General > VPN & Device Management > mailtap CA > Install."),
                    say(format!(
                        "Settings > General > About > Certificate Trust Settings: switch on \"{name}\". Without this step it is installed, but not trusted."
                    )),
                    say("To undo it: Settings > General > VPN & Device Management > mailtap CA > Remove Profile."),
                ],
            ),
            section(
                "android",
                "Android",
                vec![
                    run(format!("{mailtap} ca export{own} --format der -o mailtap-ca.crt")),
                    say(
                        "Copy that file to the device. Settings > Security & privacy > More security settings > Encryption & credentials > Install a certificate > CA certificate > Install anyway (the words differ between makers).",
                    ),
                    say(
                        "Since Android 7 each app decides whether it trusts authorities that the user added. Many mail apps ask at the first connection instead: compare the fingerprint there. An app that does neither cannot be read.",
                    ),
                    say("To undo it: Encryption & credentials > User credentials or Trusted credentials > User."),
                ],
            ),
            section(
                "debian",
                "Debian, Ubuntu and their relatives: the whole system",
                vec![
                    run(format!("sudo install -m 644 {path} /usr/local/share/ca-certificates/mailtap-ca.crt")),
                    run("sudo update-ca-certificates"),
                    say(
                        "This serves OpenSSL, GnuTLS, curl, Python, mutt, msmtp and most others, Java where the package ca-certificates-java is installed, but not Thunderbird. To undo it:",
                    ),
                    run(
                        "sudo rm /usr/local/share/ca-certificates/mailtap-ca.crt && sudo update-ca-certificates --fresh",
                    ),
                ],
            ),
            section(
                "fedora",
                "Fedora, Red Hat and their relatives: the whole system",
                vec![
                    run(format!("sudo install -m 644 {path} /etc/pki/ca-trust/source/anchors/mailtap-ca.pem")),
                    run("sudo update-ca-trust"),
                    say("To undo it:"),
                    run("sudo rm /etc/pki/ca-trust/source/anchors/mailtap-ca.pem && sudo update-ca-trust"),
                ],
            ),
            section(
                "nss",
                "NSS databases (Evolution, Chromium, and any folder with a cert9.db)",
                vec![
                    say(
                        "With certutil (Debian: libnss3-tools, Fedora: nss-tools); put the folder of another database in the place of this one:",
                    ),
                    run(format!("certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n \"{name}\" -i {path}")),
                    run("certutil -d sql:$HOME/.pki/nssdb -L"),
                    say("To undo it:"),
                    run(format!("certutil -d sql:$HOME/.pki/nssdb -D -n \"{name}\"")),
                ],
            ),
            section(
                "java",
                "Java",
                vec![
                    say("A trust store with this CA alone; its password is \"changeit\":"),
                    run(format!("{mailtap} ca export{own} --format p12 -o mailtap-trust.p12")),
                    run(
                        "java -Djavax.net.ssl.trustStore=mailtap-trust.p12 -Djavax.net.ssl.trustStorePassword=changeit …",
                    ),
                    say("Or into the trust store of the Java installation, besides the public authorities:"),
                    run(format!("keytool -importcert -cacerts -storepass changeit -alias mailtap -file {path}")),
                    say("keytool shows the fingerprint and asks. To undo it:"),
                    run("keytool -delete -cacerts -storepass changeit -alias mailtap"),
                ],
            ),
            section(
                "curl",
                "curl, OpenSSL, GnuTLS",
                vec![
                    run(format!("curl --cacert {path} --ssl-reqd -u USER imap://localhost:1143/")),
                    run(format!("openssl s_client -CAfile {path} -verify_return_error -connect localhost:1993")),
                    run(format!("gnutls-cli --x509cafile {path} -p 1993 localhost")),
                ],
            ),
            section(
                "python",
                "Python",
                vec![
                    say("In the program:"),
                    run(format!("context = ssl.create_default_context(cafile={})", python_string(path))),
                    run("imaplib.IMAP4_SSL(\"localhost\", 1993, ssl_context=context)"),
                    say("Or without changing it, where it uses the default context:"),
                    run(format!("SSL_CERT_FILE={path} python3 program.py")),
                ],
            ),
            section(
                "go",
                "Go",
                vec![
                    say("Without changing the program (Linux and other Unix; this replaces the system's authorities):"),
                    run(format!("SSL_CERT_FILE={path} ./program")),
                    say(
                        "In the program: read the file, x509.SystemCertPool(), pool.AppendCertsFromPEM(pem), tls.Config{RootCAs: pool}.",
                    ),
                ],
            ),
            section(
                "others",
                "Programs with a setting of their own",
                vec![
                    say("mutt, neomutt:"),
                    run(format!("set certificate_file = {path}")),
                    say("msmtp:"),
                    run(format!("tls_trust_file {path}")),
                    say("mbsync:"),
                    run(format!("CertificateFile {path}")),
                    say("offlineimap:"),
                    run(format!("sslcacertfile = {path}")),
                    say(format!(
                        "Where a program asks about an unknown certificate, its issuer must be {name}, and the issuer's SHA-256 fingerprint {sha256}."
                    )),
                ],
            ),
        ]
    }

    /// All sections, or the one asked for, as text for a terminal. `None` when there is no such section.
    #[must_use]
    pub fn text(&self, only: Option<&str>) -> Option<String> {
        let mut out = format!("{}\n  file     {}\n  SHA-256  {}\n", self.name, self.path, self.sha256);
        let sections: Vec<_> =
            self.sections().into_iter().filter(|one| only.is_none_or(|key| key == one.key)).collect();
        if sections.is_empty() {
            return None;
        }
        for section in sections {
            // Writing to a String does not fail.
            let _ = writeln!(out, "\n{}", section.title);
            for step in section.steps {
                let _ = match step {
                    Step::Say(words) => writeln!(out, "{}", wrapped(&words, "  ", WIDTH)),
                    Step::Run(line) => writeln!(out, "      {line}"),
                };
            }
        }
        Some(out)
    }

    /// The sections as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for section in self.sections() {
            let _ = writeln!(out, "\n## {}", section.title);
            let mut in_code = false;
            for step in section.steps {
                match step {
                    Step::Say(words) => {
                        let _ = write!(out, "{}\n{}\n", if in_code { "```\n" } else { "" }, wrapped(&words, "", WIDTH));
                        in_code = false;
                    }
                    Step::Run(line) => {
                        let _ = writeln!(out, "{}{line}", if in_code { "" } else { "\n```sh\n" });
                        in_code = true;
                    }
                }
            }
            out.push_str(if in_code { "```\n" } else { "" });
        }
        out
    }
}

/// Columns of running text.
const WIDTH: usize = 100;

/// Adds the CA to the certificate database of a Thunderbird profile, for servers only, with NSS's `certutil`. Gives
/// back a sentence about what was done.
///
/// # Errors
/// When the folder is no profile, `certutil` is missing, or it fails; the sentence says what to do instead.
pub fn thunderbird(profile: &Path, authority: &Authority) -> Result<String, Error> {
    let subject = Subject::of(authority, "mailtap", false);
    let shown = profile.display();
    let looks_right = ["prefs.js", "cert9.db", "times.json"].iter().any(|file| profile.join(file).exists());
    if !looks_right {
        return Err(Error::new(format!(
            "{shown} is not the folder of a Thunderbird profile (it has no prefs.js): Help > Troubleshooting Information \
             in Thunderbird shows the right one"
        )));
    }
    let certutil = |arguments: &[&str]| {
        let mut database = std::ffi::OsString::from("sql:");
        database.push(profile);
        Command::new("certutil").arg("-d").arg(database).args(arguments).stdin(Stdio::null()).output()
    };
    let path = authority.cert_path().display().to_string();
    let added =
        certutil(&["-A", "-t", "C,,", "-n", &subject.name, "-i", &path]).map_err(|why| missing(&why, &subject))?;
    if !added.status.success() {
        let said = String::from_utf8_lossy(&added.stderr).trim().replace('\n', " ");
        return Err(Error::new(format!(
            "certutil could not add the CA to {shown} ({said}): close Thunderbird and try again; with a primary password, \
             import {} by hand (Settings > Privacy & Security > Manage Certificates > Authorities)",
            subject.path
        )));
    }
    // What the database says now, not what was meant.
    let listed = certutil(&["-L", "-n", &subject.name]).map_err(|why| missing(&why, &subject))?;
    if !listed.status.success() {
        return Err(Error::new(format!("certutil reported success, but {shown} does not list {}", subject.name)));
    }
    let earlier = certutil(&["-L"]).map(|all| earlier(&String::from_utf8_lossy(&all.stdout), &subject.name));
    let earlier: String = earlier
        .unwrap_or_default()
        .iter()
        .map(|name| {
            format!(
                "\n{name} is trusted there too; to end that: certutil -d sql:{} -D -n \"{name}\"",
                in_shell(profile)
            )
        })
        .collect();
    Ok(format!(
        "{} is now trusted for servers in {shown}; if Thunderbird is running, restart it{earlier}",
        subject.name
    ))
}

/// Other CAs of mailtap's in what `certutil -L` lists: names, each with its trust behind it.
fn earlier(listed: &str, now: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.trim_end().rsplit_once(' ')).map(|(name, _)| name.trim());
    names.filter(|name| name.starts_with(NAME) && *name != now).map(str::to_owned).collect()
}

fn missing(why: &io::Error, subject: &Subject) -> Error {
    if why.kind() != io::ErrorKind::NotFound {
        return Error::new(format!("certutil cannot be run: {why}"));
    }
    Error::new(format!(
        "NSS's certutil is not installed: install it (Debian: libnss3-tools, Fedora: nss-tools), or import {} by hand: \
         Settings > Privacy & Security > Manage Certificates > Authorities > Import, and tick \"identify websites\"",
        subject.path
    ))
}

fn say(words: impl Into<String>) -> Step {
    Step::Say(words.into())
}

fn run(line: impl Into<String>) -> Step {
    Step::Run(line.into())
}

/// The whole path, as a shell must be given it.
#[must_use]
pub fn in_shell(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    quoted(&whole.display().to_string())
}

/// As a shell must be given it.
#[must_use]
pub fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_string()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

fn python_string(path: &str) -> String {
    if path.starts_with('\'') { path.replace("'\\''", "\\'") } else { format!("\"{path}\"") }
}

fn wrapped(words: &str, indent: &str, width: usize) -> String {
    let mut lines = vec![indent.to_string()];
    for word in words.split(' ') {
        let line = lines.last_mut().expect("one line at least");
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            path: "certs/ca.pem".into(),
            name: "mailtap CA …".into(),
            sha256: "AB:CD:…".into(),
            mailtap: "mailtap".into(),
            own: String::new(),
        }
    }

    #[test]
    fn every_program_has_steps_and_a_word_of_its_own() {
        let sections = subject().sections();
        let keys: std::collections::BTreeSet<_> = sections.iter().map(|one| one.key).collect();
        assert_eq!(keys.len(), sections.len());
        for wanted in [
            "thunderbird",
            "windows",
            "macos",
            "ios",
            "android",
            "debian",
            "fedora",
            "nss",
            "java",
            "curl",
            "python",
            "go",
        ] {
            let text = subject().text(Some(wanted)).expect(wanted);
            assert!(text.contains("AB:CD"), "{text}");
        }
        assert_eq!(subject().text(Some("abacus")), None);
    }

    #[test]
    fn the_page_in_certs_says_the_same() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/README.md");
        let page = std::fs::read_to_string(path).expect("certs/README.md");
        let (head, _) = page.split_once("\n## ").expect("a first section");
        let wanted = format!("{}\n{}", head.trim_end(), subject().markdown());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &wanted).expect("writes");
        } else {
            assert_eq!(page, wanted, "run the tests once with BLESS=1 and read what changed");
        }
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("/home/a/ca.pem"), "/home/a/ca.pem");
        assert_eq!(quoted("/home/it's me/ca.pem"), r"'/home/it'\''s me/ca.pem'");
        assert_eq!(python_string(&quoted("/it's/ca.pem")), r"'/it\'s/ca.pem'");
    }
}
