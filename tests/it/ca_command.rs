//! `mailtap ca` as a person or a script runs it.

use std::fs;
use std::path::Path;

use crate::support::mailtap::run;
use crate::support::process::Ran;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn shown(dir: &Path) -> serde_json::Value {
    serde_json::from_str(&run(dir, &["ca", "show", "--json"]).expect_ok().text()).expect("one line of JSON")
}

/// One line on standard error, nothing on standard output, and this exit status.
#[track_caller]
fn complaint(ran: &Ran, status: i32) -> String {
    assert_eq!((ran.code, ran.text().as_str(), ran.errors().lines().count()), (Some(status), "", 1), "{ran}");
    ran.errors()
}

#[test]
fn path_makes_it_and_all_commands_speak_of_the_same() {
    let dir = folder();
    let path = run(dir.path(), &["ca", "path"]).expect_ok().text();
    assert_eq!(Path::new(path.trim()), dir.path().join("certs/ca.pem"));
    let pem = fs::read_to_string(path.trim()).expect("it was made");
    assert_eq!(run(dir.path(), &["ca", "export"]).expect_ok().text(), pem);
    let shown = shown(dir.path());
    assert_eq!((&shown["kind"], &shown["path"]), (&"ca".into(), &path.trim().into()));
    let hex = shown["sha256"].as_str().expect("a fingerprint").to_uppercase();
    let text = run(dir.path(), &["ca", "trust"]).expect_ok().text();
    assert!(text.replace(':', "").contains(&hex) && text.contains(path.trim()), "{text}");
    let debian = run(dir.path(), &["ca", "trust", "debian"]).expect_ok().text();
    assert!(debian.contains("update-ca-certificates") && !debian.contains("keytool"), "{debian}");
}

#[test]
fn export_writes_files_and_never_the_key() {
    let dir = folder();
    for format in ["pem", "der", "p12", "mobileconfig"] {
        let file = dir.path().join(format);
        let name = file.display().to_string();
        assert_eq!(run(dir.path(), &["ca", "export", "--format", format, "-o", &name]).expect_ok().text(), "");
        let bytes = fs::read(&file).expect("written");
        assert!(bytes.len() > 300);
        assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "{format}");
    }
}

#[test]
fn renew_makes_a_new_one_and_keeps_the_old() {
    let dir = folder();
    let old = shown(dir.path());
    let said = run(dir.path(), &["ca", "renew"]).expect_ok().text();
    assert_ne!(shown(dir.path())["sha256"], old["sha256"]);
    let kept = said.lines().filter_map(|line| line.strip_prefix("kept")).map(str::trim).collect::<Vec<_>>();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|path| Path::new(path).exists()), "{said}");
}

#[test]
fn a_ca_of_ones_own_is_shown_in_its_place() {
    let (dir, other) = (folder(), folder());
    let own = shown(other.path());
    let (cert, key) = (own["path"].as_str().expect("a path"), own["key_path"].as_str().expect("a path"));
    let said = run(dir.path(), &["ca", "show", "--json", "--ca-cert", cert, "--ca-key", key]).expect_ok().text();
    assert!(said.contains(own["sha256"].as_str().expect("a fingerprint")));
    assert!(!dir.path().join("certs").exists(), "nothing is made");
    let half = complaint(&run(dir.path(), &["ca", "show", "--ca-cert", cert]), 2);
    assert!(half.contains("--ca-key"), "{half}");
}

/// One that fits together is not used because it lies there; every command that shows certificates takes it by name.
#[test]
fn a_ca_of_somebodys_in_the_folder_is_used_only_where_it_is_named() {
    let dir = folder();
    let certs = dir.path().join("certs");
    fs::create_dir(&certs).expect("a folder");
    let somebody = crate::tls_kit::TestCa::root("Somebody");
    let (cert, key) = (certs.join("ca.pem"), certs.join("ca-key.pem"));
    fs::write(&cert, &somebody.pem).expect("writes");
    fs::write(&key, &somebody.key_pem).expect("writes");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    // An address that is taken, and a file in place of a folder, end those that would serve once they have their CA.
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let route = format!("imap://{}=imap://localhost", occupied.local_addr().expect("an address"));
    let mail = dir.path().join("mail");
    fs::write(&mail, "no folder").expect("writes");
    let mail = mail.display().to_string();
    for (command, status) in [
        (&["ca", "path"][..], 1),
        (&["ca", "export"], 1),
        (&["proxy", "--route", &route], 2),
        (&["demo", "--free-ports", "--mail", &mail], 2),
        (&["practice", "--free-ports", "--mail", &mail], 2),
    ] {
        let said = complaint(&run(dir.path(), command), status);
        assert!(said.contains("is not a CA that mailtap made") && said.contains("nothing was changed"), "{said}");
        let named = run(dir.path(), &[command, &["--ca-cert", &cert, "--ca-key", &key]].concat());
        assert!(!named.errors().contains("CA"), "{named}");
    }
    assert_eq!(fs::read_to_string(&cert).expect("reads"), somebody.pem);
}

#[test]
fn mistakes_are_one_line_that_says_how_to_mend_them() {
    let dir = folder();
    let said = complaint(&run(dir.path(), &["ca", "trust", "abacus"]), 2);
    assert!(said.contains("thunderbird, windows, macos"), "{said}");
    let said = complaint(&run(dir.path(), &["ca", "export", "--format", "jks"]), 2);
    assert!(said.contains("pem, der, p12 or mobileconfig"), "{said}");
    let said = complaint(&run(dir.path(), &["ca", "trust", "--thunderbird", "/nonexistent"]), 1);
    assert!(said.contains("not the folder of a Thunderbird profile"), "{said}");
    fs::write(dir.path().join("certs/ca.pem"), "damaged").expect("writes");
    let said = complaint(&run(dir.path(), &["ca", "path"]), 1);
    assert!(said.contains("nothing was changed") && said.contains("mailtap ca renew"), "{said}");
    assert_eq!(fs::read_to_string(dir.path().join("certs/ca.pem")).expect("reads"), "damaged");
}

#[test]
fn trust_has_the_steps_for_every_program() {
    let dir = folder();
    let text = run(dir.path(), &["ca", "trust"]).expect_ok().text();
    let path = dir.path().join("certs/ca.pem").display().to_string();
    for word in [
        "Thunderbird",
        "Outlook",
        "Windows",
        "macOS",
        "iOS",
        "Android",
        "Debian",
        "Fedora",
        "NSS",
        "Java",
        "curl",
        "Python",
        "Go",
        "update-ca-certificates",
        "update-ca-trust",
        "certutil",
        "keytool",
        "--cacert",
        "SSL_CERT_FILE",
    ] {
        assert!(text.contains(word), "no word of {word} in:\n{text}");
    }
    assert!(text.matches(&path).count() > 5, "the real path:\n{text}");
}

#[test]
fn trust_puts_the_ca_into_a_thunderbird_profile() {
    let dir = folder();
    let profile = dir.path().join("profile");
    fs::create_dir(&profile).expect("a folder");
    fs::write(profile.join("prefs.js"), "").expect("writes");
    let database = format!("sql:{}", profile.display());
    let certutil = |args: &[&str]| {
        let mut command = std::process::Command::new(crate::support::program("certutil", "libnss3-tools"));
        command.args(["-d", &database]).args(args);
        crate::support::process::Ran::new(&command).expect_ok().text()
    };
    certutil(&["-N", "--empty-password"]);
    run(dir.path(), &["ca", "trust", "--thunderbird", &profile.display().to_string()]).expect_ok();
    let listed = certutil(&["-L"]);
    assert!(listed.lines().any(|line| line.contains("mailtap") && line.trim_end().ends_with("C,,")), "{listed}");
}
