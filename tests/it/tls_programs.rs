//! Other people's TLS programs judge mailtap's leaves and the exported CA: OpenSSL, curl, Python, GnuTLS, NSS.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use mailtap::tls::authority::Authority;
use mailtap::tls::export::Format;
use mailtap::tls::keylog::KeyLogFile;
use mailtap::tls::leaf::{LeafKey, LeafRequest};
use mailtap::tls::server::{HelloReader, Server};
use mailtap::tls::trust;

use crate::support::process::Ran;

/// A CA in a folder of its own, and a server on 127.0.0.1 that answers each connection with a leaf for its SNI.
struct Bench {
    dir: tempfile::TempDir,
    authority: Arc<Authority>,
    address: SocketAddr,
}

impl Bench {
    fn new(kind: LeafKey) -> Bench {
        let dir = tempfile::tempdir().expect("a folder");
        let authority = Arc::new(Authority::open(dir.path()).expect("a CA").with_leaf_key(kind));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let key_log = Arc::new(KeyLogFile::open(&dir.path().join("keys.log")).expect("a key log"));
        let server = Arc::new(Server::new(Some(key_log)).expect("a server"));
        let signer = Arc::clone(&authority);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (signer, server) = (Arc::clone(&signer), Arc::clone(&server));
                thread::spawn(move || serve(stream, &signer, &server));
            }
        });
        Bench { dir, authority, address }
    }

    fn ca(&self) -> PathBuf {
        self.authority.cert_path().to_path_buf()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let ca = self.ca().display().to_string();
        let port = self.address.port().to_string();
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|argument| argument.replace("@CA", &ca).replace("@PORT", &port)));
        Ran::new(&command)
    }
}

/// One connection: TLS, a line read, a line written, close.
fn serve(mut stream: TcpStream, authority: &Authority, server: &Server) -> io::Result<()> {
    let mut reader = HelloReader::new();
    let mut buffer = [0; 1024];
    let (hello, rest) = loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut bytes = &buffer[..count];
        match reader.feed(&mut bytes) {
            Ok(None) => {}
            Ok(Some(hello)) => break (hello, bytes.to_vec()),
            Err(refusal) => return stream.write_all(&refusal.alert),
        }
    };
    let listener = stream.local_addr()?.ip();
    let request = LeafRequest { name: hello.offer.sni.as_deref(), extra: &["*.mail.example".into()], listener };
    let leaf = authority.leaf(&request).expect("a leaf");
    let Ok(mut tls) = hello.answer(server.config(&leaf, None).expect("a configuration")) else { return Ok(()) };
    tls.read_tls(&mut rest.as_slice())?;
    let mut stream = rustls::Stream::new(&mut tls, &mut stream);
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        line.extend(byte);
    }
    stream.write_all(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nread by mailtap\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

const BOTH: [LeafKey; 2] = [LeafKey::P256, LeafKey::Rsa2048];

#[track_caller]
fn good(ran: &Ran) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.code, Some(0), "{}: {said}", ran.command);
    said
}

#[track_caller]
fn bad(ran: &Ran) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_ne!(ran.code, Some(0), "{}: {said}", ran.command);
    said
}

#[test]
fn openssl_accepts_and_checks_names_and_versions() {
    for kind in BOTH {
        let bench = Bench::new(kind);
        for version in ["-tls1_2", "-tls1_3"] {
            for checked in [
                ["-servername", "mail.example", "-verify_hostname", "mail.example"],
                ["-servername", "mail.example", "-verify_hostname", "imap.mail.example"],
                ["-servername", "mail.example", "-verify_hostname", "localhost"],
                ["-servername", "mail.example", "-verify_ip", "127.0.0.1"],
            ] {
                let mut arguments = vec!["s_client", "-x509_strict", "-verify_return_error", "-CAfile", "@CA", version];
                arguments.extend(["-connect", "127.0.0.1:@PORT"]);
                arguments.extend(checked);
                let said = good(&bench.run("openssl", &arguments));
                assert!(said.contains("Verify return code: 0 (ok)") || said.contains("Verification: OK"), "{said}");
            }
        }
        let wrong = [
            "s_client",
            "-verify_return_error",
            "-CAfile",
            "@CA",
            "-verify_hostname",
            "other.example",
            "-connect",
            "127.0.0.1:@PORT",
        ];
        assert!(bad(&bench.run("openssl", &wrong)).contains("ostname mismatch"));
    }
}

#[test]
fn openssl_finds_the_identifiers_consistent() {
    let bench = Bench::new(LeafKey::P256);
    let leaf = bench.authority.leaf_for("mail.example", bench.address.ip()).expect("a leaf");
    let file = bench.dir.path().join("leaf.der");
    fs::write(&file, &leaf.cert[0]).expect("writes");
    let text = |path: &str| good(&bench.run("openssl", &["x509", "-in", path, "-noout", "-text"]));
    let (own, above) = (text(&file.display().to_string()), text("@CA"));
    let after = |text: &str, title: &str| {
        let mut lines = text.lines().skip_while(|line| !line.contains(title));
        lines.nth(1).map(|line| line.trim().trim_start_matches("keyid:").to_string())
    };
    let of_ca = after(&above, "X509v3 Subject Key Identifier").expect("the CA has one");
    assert_eq!(after(&own, "X509v3 Authority Key Identifier"), Some(of_ca));
    assert!(after(&own, "X509v3 Subject Key Identifier").is_some());
    assert!(
        own.contains("TLS Web Server Authentication") && own.contains("CA:FALSE") && own.contains("Digital Signature"),
        "{own}"
    );
    assert!(above.contains("CA:TRUE, pathlen:0") && above.contains("Certificate Sign"), "{above}");
    let checked =
        ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "mail.example", "-CAfile", "@CA"];
    let path = file.display().to_string();
    good(&bench.run("openssl", &[&checked[..], &[path.as_str()]].concat()));
}

#[test]
fn curl_accepts_and_without_the_ca_does_not() {
    for kind in BOTH {
        let bench = Bench::new(kind);
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("https://{host}:@PORT/");
            let said = good(&bench.run("curl", &["-sS", "--cacert", "@CA", &url]));
            assert!(said.contains("read by mailtap"), "{said}");
            bad(&bench.run("curl", &["-sS", &url]));
        }
        let resolved =
            ["-sS", "--cacert", "@CA", "--resolve", "a.mail.example:@PORT:127.0.0.1", "https://a.mail.example:@PORT/"];
        assert!(good(&bench.run("curl", &resolved)).contains("read by mailtap"));
    }
}

#[test]
fn python_accepts_strictly() {
    let script = "import socket, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[1])\n\
        context.verify_flags |= ssl.VERIFY_X509_STRICT\n\
        for name in ['mail.example', 'localhost', '127.0.0.1']:\n\
        \x20   with context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[2]))), server_hostname=name) as s:\n\
        \x20       s.sendall(b'x\\n'); print(name, s.version(), s.getpeercert()['notAfter'])\n";
    for kind in BOTH {
        let bench = Bench::new(kind);
        let said = good(&bench.run("python3", &["-c", script, "@CA", "@PORT"]));
        assert_eq!(said.matches("TLSv1.3").count(), 3, "{said}");
    }
}

#[test]
fn gnutls_accepts_and_without_the_ca_does_not() {
    for kind in BOTH {
        let bench = Bench::new(kind);
        let arguments = [
            "--x509cafile",
            "@CA",
            "--sni-hostname",
            "mail.example",
            "--verify-hostname",
            "mail.example",
            "-p",
            "@PORT",
            "127.0.0.1",
        ];
        assert!(good(&bench.run("gnutls-cli", &arguments)).contains("The certificate is trusted"));
        bad(&bench.run("gnutls-cli", &["--verify-hostname", "mail.example", "-p", "@PORT", "127.0.0.1"]));
    }
}

#[test]
fn nss_accepts_leaves_once_the_profile_trusts_the_ca() {
    for kind in BOTH {
        let bench = Bench::new(kind);
        let profile = bench.dir.path().join("profile");
        fs::create_dir(&profile).expect("a folder");
        fs::write(profile.join("prefs.js"), "").expect("writes");
        let leaf = bench.authority.leaf_for("mail.example", bench.address.ip()).expect("a leaf");
        let file = bench.dir.path().join("leaf.der");
        fs::write(&file, &leaf.cert[0]).expect("writes");
        let (database, file) = (format!("sql:{}", profile.display()), file.display().to_string());
        good(&bench.run("certutil", &["-N", "-d", &database, "--empty-password"]));
        good(&bench.run("certutil", &["-A", "-d", &database, "-n", "leaf", "-t", ",,", "-i", &file]));
        let verify = ["-V", "-d", database.as_str(), "-n", "leaf", "-u", "V", "-e"];
        bad(&bench.run("certutil", &verify));
        let said = trust::thunderbird(&profile, &bench.authority).expect("certutil adds it");
        assert!(said.contains("trusted") && !said.contains("there too"), "{said}");
        // An authority before it is still trusted, and that is said.
        let (renewed, _) = Authority::renew(bench.dir.path()).expect("renews");
        let said = trust::thunderbird(&profile, &renewed).expect("certutil adds it");
        let before = bench.authority.facts().subject_in_short().to_owned();
        assert!(
            said.contains(&format!("{before} is trusted there too")) && said.contains("certutil -d sql:"),
            "{said}"
        );
        assert!(good(&bench.run("certutil", &verify)).contains("certificate is valid"));
    }
}

#[test]
fn a_folder_that_is_no_profile_is_refused() {
    let bench = Bench::new(LeafKey::P256);
    let said = trust::thunderbird(bench.dir.path(), &bench.authority).expect_err("no profile").to_string();
    assert!(said.contains("is not the folder of a Thunderbird profile"), "{said}");
}

#[test]
fn openssl_reads_every_export() {
    let bench = Bench::new(LeafKey::P256);
    let fingerprint =
        |said: &str| said.lines().find_map(|line| line.split_once("Fingerprint=")).map(|(_, hex)| hex.to_string());
    let wanted = mailtap::tls::certificate::with_colons(&bench.authority.facts().sha256);
    let write = |format: Format| {
        let path = bench.dir.path().join(format!("out.{format}"));
        fs::write(&path, format.write(bench.authority.certificate()).expect("writes")).expect("writes");
        path.display().to_string()
    };
    let print = ["x509", "-noout", "-sha256", "-fingerprint", "-in"];
    let pem = good(&bench.run("openssl", &[&print[..], &[&write(Format::Pem)]].concat()));
    let der = good(&bench.run("openssl", &[&print[..], &[&write(Format::Der), "-inform", "DER"]].concat()));
    assert_eq!((fingerprint(&pem), fingerprint(&der)), (Some(wanted.clone()), Some(wanted.clone())));
    let p12 = write(Format::P12);
    // OpenSSL checks the checksum before it shows anything.
    let inside = good(&bench.run("openssl", &["pkcs12", "-in", &p12, "-passin", "pass:changeit", "-nokeys", "-info"]));
    assert!(inside.contains("MAC: sha256") && inside.contains("-----BEGIN CERTIFICATE-----"), "{inside}");
    assert!(inside.contains(&bench.authority.facts().subject_in_short().to_string()), "{inside}");
    assert!(
        bad(&bench.run("openssl", &["pkcs12", "-in", &p12, "-passin", "pass:wrong", "-nokeys"]))
            .contains("Mac verify error")
    );
    let script = "import plistlib, sys, hashlib\n\
        plist = plistlib.load(open(sys.argv[1], 'rb'))\n\
        inner = plist['PayloadContent'][0]\n\
        assert inner['PayloadType'] == 'com.apple.security.root' and plist['PayloadUUID'] != inner['PayloadUUID']\n\
        print(hashlib.sha256(inner['PayloadContent']).hexdigest())\n";
    let profile = good(&bench.run("python3", &["-c", script, &write(Format::Mobileconfig)]));
    assert_eq!(profile.trim(), bench.authority.facts().sha256);
}

#[test]
fn the_key_log_has_what_tls_1_3_and_1_2_need() {
    let bench = Bench::new(LeafKey::P256);
    good(&bench.run("curl", &["-sS", "--cacert", "@CA", "https://localhost:@PORT/"]));
    good(&bench.run("curl", &["-sS", "--tls-max", "1.2", "--cacert", "@CA", "https://localhost:@PORT/"]));
    let log = fs::read_to_string(bench.dir.path().join("keys.log")).expect("reads");
    let labels: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    for wanted in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "CLIENT_RANDOM",
    ] {
        assert!(labels.contains(&wanted), "{labels:?}");
    }
}

#[test]
fn an_old_client_gets_the_alert_for_versions() {
    let bench = Bench::new(LeafKey::P256);
    // OpenSSL must be allowed to speak the old version at all.
    let old = ["s_client", "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-CAfile", "@CA", "-connect", "127.0.0.1:@PORT"];
    let said = bad(&bench.run("openssl", &old));
    assert!(said.contains("alert protocol version") || said.contains("tlsv1 alert"), "{said}");
}
