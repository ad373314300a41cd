//! `mailtap ca`: where the CA is, what it is, how to trust it, and a new one in its place.
//! Takes arguments, prints to standard output or writes one file.
//! Does not know how certificates are made or what the steps say.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::own_ca::OwnCa;
use super::{Failure, Globals};
use crate::tls::authority::Authority;
use crate::tls::certificate::with_colons;
use crate::tls::export::Format;
use crate::tls::trust::{self, Subject};

/// Show, export, trust or renew the CA that signs what clients see
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Print the path of its certificate, which is made if it is not there
    Path(OwnCa),
    /// Print its subject, fingerprint and validity
    Show {
        #[command(flatten)]
        own: OwnCa,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write its certificate for other programs to import; never the key
    Export {
        #[command(flatten)]
        own: OwnCa,
        /// pem, der, p12 (a trust store, password "changeit") or mobileconfig (Apple)
        #[arg(long, value_name = "FORMAT", default_value = "pem", value_parser = |word: &str| word.parse::<Format>())]
        format: Format,
        /// Write to this file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print how to make mail programs trust it, or do it for a Thunderbird profile
    Trust {
        #[command(flatten)]
        own: OwnCa,
        /// Only for this program: thunderbird, windows, macos, ios, android, debian, fedora, nss, java, curl, python, go
        #[arg(value_name = "PROGRAM", conflicts_with = "thunderbird")]
        program: Option<String>,
        /// Add it to the certificates of this Thunderbird profile, a folder, with NSS's certutil
        #[arg(long, value_name = "PROFILE")]
        thunderbird: Option<PathBuf>,
    },
    /// Make a new one; the old files are kept beside it, and programs have to be told of the new one
    Renew,
}

fn open(own: &OwnCa, globals: &Globals) -> Result<Authority, Failure> {
    let failure = |error| if own.is_given() { Failure::usage(error) } else { Failure::work(error) };
    let authority = own.open(&globals.dir).map_err(failure)?;
    if let Some(warning) = authority.warning() {
        tracing::warn!("{warning}");
    }
    Ok(authority)
}

/// # Errors
/// The CA's files are damaged or cannot be written, or standard output cannot.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    match &args.action {
        Action::Path(own) => print(&format!("{}\n", absolute(open(own, globals)?.cert_path()))),
        Action::Show { own, json } => show(&open(own, globals)?, *json),
        Action::Export { own, format, output } => export(&open(own, globals)?, *format, output.as_deref()),
        Action::Trust { own, thunderbird: Some(profile), .. } => {
            let done = trust::thunderbird(profile, &open(own, globals)?).map_err(Failure::work)?;
            print(&format!("{done}\n"))
        }
        Action::Trust { own, program, .. } => {
            let subject = Subject::of(&open(own, globals)?, &globals.command, own.is_given());
            let text = subject.text(program.as_deref()).ok_or_else(|| {
                let known: Vec<&str> = subject.sections().iter().map(|section| section.key).collect();
                Failure::usage(format!(
                    "no steps for {:?}; say one of {}",
                    program.as_deref().unwrap_or_default(),
                    known.join(", ")
                ))
            })?;
            print(&text)
        }
        Action::Renew => renew(globals),
    }
}

fn show(authority: &Authority, as_json: bool) -> Result<(), Failure> {
    let facts = authority.facts();
    let (path, key_path) = (absolute(authority.cert_path()), absolute(authority.key_path()));
    if as_json {
        let line = json!({
            "kind": "ca", "subject": facts.subject, "issuer": facts.issuer, "sha256": facts.sha256,
            "not_before": facts.not_before, "not_after": facts.not_after, "path": path, "key_path": key_path,
        });
        return print(&format!("{line}\n"));
    }
    print(&format!(
        "subject      {}\nSHA-256      {}\nvalid from   {}\nvalid until  {}\ncertificate  {path}\nkey          {key_path}\n",
        facts.subject,
        with_colons(&facts.sha256),
        facts.not_before,
        facts.not_after,
    ))
}

fn export(authority: &Authority, format: Format, output: Option<&Path>) -> Result<(), Failure> {
    let bytes = format.write(authority.certificate()).map_err(Failure::work)?;
    let Some(path) = output else {
        if !format.is_text() && io::stdout().is_terminal() {
            return Err(Failure::usage(format!(
                "{format} is binary and does not belong on a terminal; give a file with -o"
            )));
        }
        return io::stdout().write_all(&bytes).map_err(|error| Failure::output(&error));
    };
    fs::write(path, bytes).map_err(|error| {
        Failure::work(format!("{} cannot be written: {error}; give another file with -o", path.display()))
    })
}

fn renew(globals: &Globals) -> Result<(), Failure> {
    let (authority, old) = Authority::renew(&globals.dir.join("certs")).map_err(Failure::work)?;
    for path in old {
        print(&format!("kept         {}\n", absolute(&path)))?;
    }
    show(&authority, false)
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}
