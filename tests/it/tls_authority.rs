//! The CA's folder: made once, by whoever comes first, kept, and never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;

use mailtap::tls::authority::Authority;
use mailtap::tls::leaf::LeafKey;
use mailtap::tls::pair::Fresh;

use crate::tls_kit::{DAY, TestCa, Wanted, now};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let certs = dir.path().join("data").join("certs");
    (dir, certs)
}

/// What `open` says, with a check that it left the folder as it was.
#[track_caller]
fn refusal(certs: &Path) -> String {
    // The lock may be new: it holds nothing.
    fs::write(certs.join(".ca.lock"), "").expect("writes");
    let before = listing(certs);
    let said = Authority::open(certs).err().expect("it must be refused").to_string();
    assert!(before == listing(certs), "nothing may change");
    assert!(said.contains("nothing was changed") && said.contains("mailtap ca renew"), "{said}");
    said
}

fn listing(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap_or_default()))
        .collect();
    found.sort();
    found
}

#[test]
fn it_is_made_once_with_tight_modes_and_kept() {
    let (_dir, certs) = folder();
    let first = Authority::open(&certs).expect("made");
    assert_eq!(first.warning(), None);
    assert_eq!((mode(&certs), mode(certs.parent().expect("data"))), (0o700, 0o700));
    for (name, _) in listing(&certs) {
        assert_eq!(mode(&certs.join(&name)), 0o600, "{name}");
    }
    let names: Vec<String> = listing(&certs).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [".ca.lock", "ca-key.pem", "ca.pem"], "no temporary file is left");
    let facts = first.facts();
    assert!(facts.is_ca && facts.self_issued && facts.subject.contains("mailtap CA"), "{facts:?}");
    let second = Authority::open(&certs).expect("kept");
    assert_eq!(first.certificate(), second.certificate());
}

#[test]
fn threads_that_start_at_once_get_the_same() {
    for _ in 0..10 {
        let (_dir, certs) = folder();
        let start = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (start, certs) = (Arc::clone(&start), certs.clone());
                thread::spawn(move || {
                    start.wait();
                    Authority::open(&certs).map(|ca| ca.facts().sha256)
                })
            })
            .collect();
        let mut prints: Vec<_> =
            threads.into_iter().map(|one| one.join().expect("no panic").expect("opened")).collect();
        prints.dedup();
        assert_eq!(prints.len(), 1);
    }
}

#[test]
fn processes_that_start_at_once_get_the_same() {
    let (dir, _) = folder();
    let children: Vec<_> = (0..6)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_mailtap"))
                .args(["ca", "show", "--json", "--dir"])
                .arg(dir.path().join("data"))
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("starts")
        })
        .collect();
    let mut said: Vec<Vec<u8>> = children
        .into_iter()
        .map(|child| child.wait_with_output().expect("ends"))
        .inspect(|output| assert!(output.status.success()))
        .map(|output| output.stdout)
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1);
    assert!(String::from_utf8_lossy(&said[0]).contains("mailtap CA"));
}

#[test]
fn a_damaged_certificate_is_refused() {
    let (_dir, certs) = folder();
    Authority::open(&certs).expect("made");
    let pem = fs::read_to_string(certs.join("ca.pem")).expect("reads");
    for (damaged, told) in [
        (String::new(), "holds no certificate"),
        ("not a certificate\n".into(), "holds no certificate"),
        (pem[..pem.len() / 2].into(), "is damaged"),
        (pem.replacen("MII", "AAA", 1), "damaged certificate"),
    ] {
        fs::write(certs.join("ca.pem"), damaged).expect("writes");
        let said = refusal(&certs);
        assert!(said.contains("ca.pem") && said.contains(told), "{said}");
    }
}

#[test]
fn a_damaged_missing_or_foreign_key_is_refused() {
    let (_dir, certs) = folder();
    Authority::open(&certs).expect("made");
    let key = certs.join("ca-key.pem");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("writes");
    assert!(refusal(&certs).contains("ca-key.pem"));
    fs::write(&key, Fresh::generate(1_790_000_000).expect("another").key_pem).expect("writes");
    let said = refusal(&certs);
    assert!(said.contains("ca-key.pem is not the key of the certificate in") && said.contains("ca.pem"), "{said}");
    fs::remove_file(&key).expect("removes");
    assert!(refusal(&certs).contains("ca-key.pem cannot be read"));
}

#[test]
fn a_key_alone_is_refused() {
    let (_dir, certs) = folder();
    Authority::open(&certs).expect("made");
    fs::remove_file(certs.join("ca.pem")).expect("removes");
    assert!(refusal(&certs).contains("ca.pem cannot be read"));
}

#[test]
fn a_process_that_died_between_the_two_files_did_no_harm() {
    let (_dir, certs) = folder();
    let made = Authority::open(&certs).expect("made");
    fs::rename(certs.join("ca.pem"), certs.join(".ca.pem.new")).expect("as after the first link");
    let again = Authority::open(&certs).expect("finished");
    assert_eq!(made.certificate(), again.certificate());
    assert!(!certs.join(".ca.pem.new").exists());
}

#[test]
fn an_expired_ca_and_one_that_is_none_are_refused() {
    let (_dir, certs) = folder();
    fs::create_dir_all(&certs).expect("a folder");
    let write = |cert: &str, key: &str| {
        fs::write(certs.join("ca.pem"), cert).expect("writes");
        fs::write(certs.join("ca-key.pem"), key).expect("writes");
    };
    let old = Fresh::generate(i64::try_from(now() - 3651 * DAY).expect("fits")).expect("made");
    write(&old.cert_pem, &old.key_pem);
    assert!(refusal(&certs).contains("expired on 20"));
    let future = Fresh::generate(i64::try_from(now() + 10 * DAY).expect("fits")).expect("made");
    write(&future.cert_pem, &future.key_pem);
    assert!(refusal(&certs).contains("is not valid before"));
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf =
        rcgen::CertificateParams::new(["mail.example".to_string()]).expect("a name").self_signed(&key).expect("signs");
    write(&leaf.pem(), &key.serialize_pem());
    assert!(refusal(&certs).contains("is not the certificate of a CA"));
}

/// An openssl of the machine's makes a key and a certificate in the place of the CA.
#[track_caller]
fn openssl(certs: &Path, arguments: &[&str]) {
    let mut command = Command::new(crate::support::program("openssl", "openssl"));
    command.args(["req", "-x509", "-noenc", "-subj", "/O=Somebody/CN=Somebody CA"]).args(arguments);
    command.arg("-keyout").arg(certs.join("ca-key.pem")).arg("-out").arg(certs.join("ca.pem"));
    crate::support::process::Ran::new(&command).expect_ok();
}

/// A CA whose time was over years ago, which openssl's command does not make.
fn expired(certs: &Path) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let key = rcgen::KeyPair::generate().expect("a key");
    fs::write(certs.join("ca.pem"), params.self_signed(&key).expect("signs").pem()).expect("writes");
    fs::write(certs.join("ca-key.pem"), key.serialize_pem()).expect("writes");
}

#[test]
fn a_ca_that_mailtap_did_not_make_is_refused_and_can_be_used_as_ones_own() {
    const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let ca = ["-days", "30", "-addext", "basicConstraints=critical,CA:TRUE"];
    let none = ["-days", "30", "-addext", "basicConstraints=critical,CA:FALSE"];
    for (kind, more, told, works) in [
        (&EC[..], &ca[..], "is not a CA that mailtap made (it is O=Somebody, CN=Somebody CA)", true),
        (&["-newkey", "rsa:2048"], &ca, "is not a CA that mailtap made", true),
        (&EC, &none, "is not the certificate of a CA", false),
        (&[], &[], "expired on 2021-01-01", false),
    ] {
        let (_dir, certs) = folder();
        fs::create_dir_all(&certs).expect("a folder");
        match kind {
            [] => expired(&certs),
            _ => openssl(&certs, &[kind, more].concat()),
        }
        let said = refusal(&certs);
        assert!(said.contains(told) && said.contains("--ca-cert") && said.contains("--ca-key"), "{said}");
        let own = Authority::from_files(&certs.join("ca.pem"), &certs.join("ca-key.pem"));
        assert_eq!(own.is_ok(), works, "{:?}", own.err());
        let before = fs::read(certs.join("ca-key.pem")).expect("reads");
        let (new, kept) = Authority::renew(&certs).expect("renewed");
        assert!(new.facts().subject.contains("mailtap CA"));
        assert_eq!(fs::read(&kept[1]).expect("kept"), before);
    }
}

/// For clients that know nothing of ECDSA: RSA from the root to the leaf.
#[test]
fn an_rsa_ca_of_ones_own_signs_rsa_leaves_with_rsa() {
    let (_dir, certs) = folder();
    fs::create_dir_all(&certs).expect("a folder");
    let usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    openssl(&certs, &[&["-newkey", "rsa:2048", "-days", "30"], &usage[..]].concat());
    let (cert, key) = (certs.join("ca.pem"), certs.join("ca-key.pem"));
    let authority = Authority::from_files(&cert, &key).expect("opens").with_leaf_key(LeafKey::Rsa2048);
    let leaf = authority.leaf_for("mail.example", [127, 0, 0, 1].into()).expect("a leaf");
    let file = certs.join("leaf.der");
    fs::write(&file, &leaf.cert[0]).expect("writes");
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new(crate::support::program("openssl", "openssl"));
        command.args(arguments).arg(&file);
        crate::support::process::Ran::new(&command).expect_ok().text()
    };
    let text = openssl(&["x509", "-inform", "DER", "-noout", "-text", "-in"]);
    assert!(text.contains("sha256WithRSAEncryption") && text.contains("rsaEncryption"), "{text}");
    assert!(!text.to_lowercase().contains("ecdsa"), "{text}");
    let ca = cert.display().to_string();
    openssl(&["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "mail.example", "-CAfile", &ca]);
}

/// What else may stand under the two names: links that lead nowhere, and folders.
#[test]
fn what_is_no_file_is_refused_and_nothing_is_left_half_made() {
    for name in ["ca.pem", "ca-key.pem"] {
        for other_is_there in [true, false] {
            for link in [true, false] {
                let (_dir, certs) = folder();
                Authority::open(&certs).expect("made");
                let other = if name == "ca.pem" { "ca-key.pem" } else { "ca.pem" };
                if !other_is_there {
                    fs::remove_file(certs.join(other)).expect("removes");
                }
                fs::remove_file(certs.join(name)).expect("removes");
                if link {
                    std::os::unix::fs::symlink("/nonexistent/ca", certs.join(name)).expect("a link");
                } else {
                    fs::create_dir(certs.join(name)).expect("a folder");
                }
                let said = refusal(&certs);
                let to_nowhere = format!("{name} leads to /nonexistent/ca and cannot be read");
                // Of two files that cannot be read, the certificate is met first.
                assert!(said.contains(&to_nowhere) || said.contains("cannot be read"), "{said}");
                assert!(!link || !other_is_there || said.contains(&to_nowhere), "{said}");
                let (new, _) = Authority::renew(&certs).expect("renewed");
                assert_eq!(Authority::open(&certs).expect("opens").certificate(), new.certificate());
            }
        }
    }
}

#[test]
fn renewing_where_nothing_can_be_written_leaves_all_as_it_was() {
    let (_dir, certs) = folder();
    Authority::open(&certs).expect("made");
    // Where the new certificate would be written, something is that cannot be removed as a file.
    fs::create_dir(certs.join(".ca.pem.new")).expect("a folder");
    let before = listing(&certs);
    let said = Authority::renew(&certs).err().expect("refused").to_string();
    assert!(said.contains(".ca.pem.new cannot be written") && said.contains("--dir"), "{said}");
    assert!(before == listing(&certs), "nothing may change");
    assert!(Authority::open(&certs).is_ok());
}

#[test]
fn renewing_keeps_the_old_and_mends_the_damaged() {
    let (_dir, certs) = folder();
    let old = Authority::open(&certs).expect("made");
    let old_key = fs::read(certs.join("ca-key.pem")).expect("reads");
    let (new, kept) = Authority::renew(&certs).expect("renewed");
    assert_ne!(old.certificate(), new.certificate());
    assert_ne!(old.facts().subject, new.facts().subject);
    assert_eq!(kept.len(), 2);
    assert_eq!(fs::read(&kept[1]).expect("kept"), old_key);
    assert_eq!(mode(&kept[1]), 0o600);
    fs::write(certs.join("ca.pem"), "damaged").expect("writes");
    let (mended, kept) = Authority::renew(&certs).expect("renewed");
    assert_eq!(fs::read_to_string(&kept[0]).expect("kept"), "damaged");
    assert_eq!(Authority::open(&certs).expect("kept").certificate(), mended.certificate());
}

#[test]
fn a_folder_that_may_only_be_read_will_do_and_a_loose_key_is_told() {
    let (_dir, certs) = folder();
    Authority::open(&certs).expect("made");
    fs::remove_file(certs.join(".ca.lock")).expect("removes");
    fs::set_permissions(&certs, fs::Permissions::from_mode(0o500)).expect("chmod");
    assert!(Authority::open(&certs).is_ok());
    assert!(!certs.join(".ca.lock").exists(), "no lock is taken where nothing is to be made");
    fs::set_permissions(&certs, fs::Permissions::from_mode(0o700)).expect("chmod");
    fs::set_permissions(certs.join("ca-key.pem"), fs::Permissions::from_mode(0o644)).expect("chmod");
    let loose = Authority::open(&certs).expect("opens");
    assert!(loose.warning().expect("a warning").contains("mode 0644"));
}

#[test]
fn a_ca_of_ones_own_signs_with_its_chain() {
    let (_dir, certs) = folder();
    fs::create_dir_all(&certs).expect("a folder");
    let root = TestCa::root("Own Root");
    let own = TestCa::intermediate("Own Issuing", &root);
    let (cert, key) = (certs.join("own.pem"), certs.join("own-key.pem"));
    fs::write(&cert, format!("{}{}", own.pem, root.pem)).expect("writes");
    fs::write(&key, &own.key_pem).expect("writes");
    let authority = Authority::from_files(&cert, &key).expect("opens");
    let leaf = authority.leaf_for("mail.example", [127, 0, 0, 1].into()).expect("a leaf");
    assert_eq!(leaf.cert.len(), 2, "the leaf and the intermediate, not the root");
    assert_eq!(leaf.cert[1], own.der);
    let stranger = Wanted::default().self_signed().1;
    fs::write(&cert, stranger).expect("writes");
    let said = Authority::from_files(&cert, &key).err().expect("refused").to_string();
    assert!(said.contains("--ca-cert") && said.contains("not the certificate of a CA"), "{said}");
}
