//! `mailtap proxy`: the routes, and the proxy that serves them.
//! Takes arguments, runs until it is told to end.
//! Does not know how sessions are relayed or shown.

use std::net::IpAddr;

use ipnet::IpNet;

use super::serving::{self, RecordingArgs, Shown, Signals};
use super::tls::TlsArgs;
use super::{Failure, Globals};
use crate::net::{Options, Proxy};
use crate::route::Route;
use crate::session;
use crate::store::Store;

/// Run the proxy: relay mail sessions, log them, show them
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The server whose standard ports are served on 127.0.0.1 at 1025, 1587, 1465, 1110, 1995, 1143 and 1993
    #[arg(value_name = "UPSTREAM_HOST")]
    host: Option<String>,
    /// Where to listen and where that goes, e.g. imap://127.0.0.1:1143=imap://mail.example (repeatable)
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<String>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// Let clients from these networks connect, besides this machine (repeatable; needed to listen elsewhere than on loopback)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', num_args = 1..)]
    allow_from: Vec<String>,
    /// How many sessions may run at a time [default: as many as the limit of open files allows]
    #[arg(long, value_name = "N")]
    max_sessions: Option<usize>,
}

/// # Errors
/// A wrong route, or an address or folder that cannot be used.
pub fn run(args: &Args, globals: &Globals) -> Result<(), Failure> {
    let options = options(args, globals)?;
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    serving::block_on(async {
        let signals = Signals::catch()?;
        let proxy = Proxy::bind(options).await.map_err(|failure| serving::bind_failure(&failure))?;
        for route in proxy.routes() {
            serving::tell_listening(route.listen, &route.to_string(), args.shown.json)?;
        }
        serving::run(proxy, store, &args.shown, args.recording.grace, globals, signals).await
    })
}

fn options(args: &Args, globals: &Globals) -> Result<Options, Failure> {
    let mut routes = Vec::new();
    for text in &args.routes {
        routes.push(Route::parse(text).map_err(Failure::usage)?);
    }
    if let Some(host) = &args.host {
        routes.extend(Route::defaults(host).map_err(Failure::usage)?);
    }
    if routes.is_empty() {
        return Err(Failure::usage(
            "nowhere to relay to; name a server, e.g. mailtap proxy mail.example, or a route with --route",
        ));
    }
    let allow_from = args.allow_from.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
    for route in &routes {
        if !route.listen.ip().is_loopback() && allow_from.is_empty() {
            return Err(Failure::usage(format!(
                "{} can be reached from other machines, and whoever connects there talks to {}: an open relay; \
                 say who may with --allow-from CIDR, or listen on 127.0.0.1",
                route.listen, route.upstream
            )));
        }
    }
    let sessions_max = args.max_sessions.unwrap_or_else(serving::sessions_by_descriptors);
    if sessions_max == 0 {
        return Err(Failure::usage("--max-sessions 0 would serve nobody; give a number above 0"));
    }
    Ok(Options {
        routes,
        next_free: false,
        allow_from,
        sessions_max,
        session: session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies },
        secure: args.tls.open(&globals.dir)?,
        played: None,
    })
}

pub(super) fn network(text: &str) -> Result<IpNet, Failure> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Failure::usage(format!("--allow-from {text:?} is no network; write one as 192.0.2.0/24 or 2001:db8::/32"))
    })
}
