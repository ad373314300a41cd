//! The catalogue and the program agree, and what real programs said holds nothing that is wrong.
//! Takes the sources, and the streams that were captured of Thunderbird.
//! Does not know how a finding is made.

use std::fs;
use std::path::Path;

use mailtap::event::{Open, Side, Stamp};
use mailtap::findings;
use mailtap::proto::{self, Setup};
use mailtap::session::{Config, Outbox, Session};

use super::Codes;

/// What the real Thunderbird said to real servers holds nothing that is wrong, save that it was said without TLS.
#[test]
fn thunderbird_and_its_servers_do_nothing_wrong() {
    let times = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")).into_iter();
    let times: Vec<_> = times.filter(|file| file.to_string_lossy().ends_with(".times.jsonl")).collect();
    assert!(times.len() >= 10, "{times:?}");
    for file in times {
        let name = file.to_string_lossy().replace(".times.jsonl", "");
        let (_, protocol) = name.rsplit_once('-').unwrap();
        let stream = |side: &str| fs::read(format!("{name}.{side}.bin")).unwrap();
        let streams = [stream("client"), stream("server")];
        let mut codes = Codes::default();
        let mut session = Session::new(proto::scheme(protocol).unwrap().0, Setup::default(), false, Config::default());
        let times = fs::read_to_string(&file).unwrap();
        for (index, line) in times.lines().enumerate() {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |name: &str| read[name].as_u64().unwrap() as usize;
            let side = if read["from"] == "client" { Side::Client } else { Side::Server };
            let at = Stamp::parse(read["at"].as_str().unwrap()).unwrap();
            if index == 0 {
                session.open(at, Open::default(), &mut codes);
            }
            let bytes = &streams[usize::from(side == Side::Server)][number("offset")..][..number("bytes")];
            session.bytes(at, side, bytes, &mut codes, &mut Outbox::default());
        }
        codes.0.retain(|(code, _)| code != "plaintext-password");
        assert!(codes.0.is_empty(), "{name}: {:?}", codes.0);
    }
}

/// Every code of the catalogue stands in a test, and every code that the program can note stands in the catalogue.
#[test]
fn catalogue_and_program_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tested = String::new();
    let units = files(&root.join("src/proto"))
        .into_iter()
        .filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tests")));
    for file in files(&root.join("tests")).into_iter().chain(units) {
        tested.push_str(&fs::read_to_string(&file).unwrap_or_default());
    }
    for finding in findings::all() {
        assert!(tested.contains(&format!("\"{}\"", finding.code)), "no test has {}", finding.code);
    }
    for folder in ["proto", "session", "net", "tls"] {
        for file in files(&root.join("src").join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let noted = text.split("code: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
            let failures = text.split("&str = \"tls-").skip(1).map(|rest| rest.split('"').next().unwrap());
            let failures: Vec<String> = failures.map(|rest| format!("tls-{rest}")).collect();
            for code in noted.map(str::to_owned).chain(failures) {
                assert!(findings::find(&code).is_some(), "{}: {code} is not in the catalogue", file.display());
            }
        }
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
