//! Recordings from files to what can be played, and where that is served.
//! Takes paths, gives scripts, and sentences about what cannot be played.
//! Does not play anything.

use std::net::SocketAddr;
use std::path::Path;

use crate::proto::Scheme;
use crate::replay::Builder;
use crate::replay::script::Script;
use crate::route::Route;
use crate::store::Reader;

/// A recording that was read.
pub struct Loaded {
    pub script: Script,
    /// Why it is not played whole.
    pub cut: Option<String>,
}

/// Reads a recording to be played.
///
/// # Errors
/// A sentence that says why it cannot be read or played.
pub fn load(path: &Path) -> Result<Loaded, String> {
    let mut reader = Reader::open(path).map_err(|error| error.to_string())?;
    let mut builder = Builder::new();
    loop {
        let mut damage = Vec::new();
        let next = reader.next(&mut |found| damage.push(found.to_string()));
        let next = next.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        for why in &damage {
            builder.damaged(why);
        }
        let Some(record) = next else { break };
        builder.event(&record.event);
    }
    let script = builder.finish().map_err(|why| format!("{}: {why}", path.display()))?;
    let cut = script.cut.clone();
    Ok(Loaded { script, cut })
}

/// A route for each scheme that the scripts speak, at the address where `at` says that it is served.
///
/// # Errors
/// Of `at`, and where a scheme cannot be a route.
pub fn routes(
    scripts: &[Script],
    at: &mut dyn FnMut(&Scheme) -> Result<SocketAddr, String>,
) -> Result<Vec<Route>, String> {
    let mut routes: Vec<Route> = Vec::new();
    for script in scripts {
        if routes.iter().any(|route| route.client.scheme == script.scheme.name) {
            continue;
        }
        let listen = at(script.scheme)?;
        let upstream = if script.upstream.is_empty() { "localhost".to_owned() } else { script.upstream.clone() };
        let scheme = script.scheme.name;
        // An offer of STARTTLS that led nowhere then is taken out again: the right side stands for the recorded leg.
        let right = script.unequal.map_or(scheme, |right| right.name);
        routes.push(
            Route::parse(&format!("{scheme}://{listen}={right}://{upstream}")).map_err(|error| error.to_string())?,
        );
    }
    Ok(routes)
}
