//! The catalogue and the program agree.
//! Takes the sources.
//! Does not know how a finding is made.

use std::fs;
use std::path::Path;

use mailtap::findings;

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
