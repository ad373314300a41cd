//! `mailtap demo`: the practice server, the proxy before it, and a client that sends and fetches a mail through it.
//! Takes arguments, runs until it is told to end.
//! Does not know how any of the three works.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::own_ca::OwnCa;
use super::practice::{self, Mailboxes, first_account};
use super::serving::{self, RecordingArgs, Shown, Signals};
use super::{Failure, Globals};
use crate::net::{HANDSHAKE_FOR, Options, Passthrough, Proxy, Secure};
use crate::practice::script::{self, Script, Security, Tls};
use crate::practice::{Addresses, Ports};
use crate::route::Route;
use crate::session;
use crate::store::Store;
use crate::tls::authority::Authority;
use crate::tls::server::Server;
use crate::tls::upstream::{self, Target, Upstream};

/// See mail happen: a practice server, the proxy before it and a client that sends and fetches a mail
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    shown: Shown,
    /// Do not explain the lines (on a terminal they are explained)
    #[arg(long, conflicts_with = "explain")]
    no_explain: bool,
    /// Leave the client out: only listen, for a mail program of yours
    #[arg(long)]
    no_client: bool,
    #[command(flatten)]
    mailboxes: Mailboxes,
    #[command(flatten)]
    recording: RecordingArgs,
    #[command(flatten)]
    own_ca: OwnCa,
    /// Take free ports instead of 1025, 1587, 1465, 1110, 1995, 1143 and 1993
    #[arg(long)]
    free_ports: bool,
}

/// # Errors
/// A port, a folder or an account that cannot be used.
pub fn run(mut args: Args, globals: &Globals) -> Result<(), Failure> {
    args.shown.explain |= !args.no_explain && !args.shown.json && !args.shown.quiet && serving::is_terminal();
    let authority = args.own_ca.open(&globals.dir).map_err(Failure::usage)?;
    let store = Store::open(&globals.dir).map_err(Failure::usage)?;
    serving::block_on(serve(&args, authority, store, globals))
}

async fn serve(args: &Args, authority: Authority, store: Store, globals: &Globals) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let server = practice::start(args.mailboxes.config(&authority, Ports::default())?).await?;
    let ca = authority.cert_path().to_path_buf();
    let trusting = upstream::Options { ca_files: vec![ca.clone()], ..upstream::Options::default() };
    let trusting = || Upstream::open(&trusting).map_err(Failure::work);
    let options = Options {
        routes: routes(&server.addresses, &practice::ports(args.free_ports))?,
        next_free: true,
        allow_from: Vec::new(),
        sessions_max: serving::sessions_by_descriptors(),
        session: session::Config { keep_secrets: args.recording.keep_secrets, bodies: args.recording.bodies },
        secure: Secure {
            authority,
            server: Server::new(None).map_err(Failure::work)?,
            upstream: trusting()?,
            passthrough: Passthrough::default(),
            handshake: HANDSHAKE_FOR,
        },
        played: None,
    };
    let wanted: Vec<u16> = options.routes.iter().map(|route| route.listen.port()).collect();
    let proxy = Proxy::bind(options).await.map_err(|failure| serving::bind_failure(&failure))?;
    let mut at = Addresses::default();
    for (route, wanted) in proxy.routes().zip(wanted) {
        practice::tell_moved(route.client.scheme, wanted, route.listen);
        serving::tell_listening(route.listen, &route.to_string(), args.shown.json)?;
        if let Some(place) = place(&mut at, route.client.scheme) {
            *place = Some(route.listen);
        }
    }
    practice::tell_accounts(&args.mailboxes.accounts(), &at, &ca, args.shown.json, globals)?;
    let client = (!args.no_client).then(|| {
        let upstream = trusting();
        // The settings once more: by then they have scrolled away.
        let settings = practice::settings(&args.mailboxes.accounts(), &at, &ca, globals);
        let last = (!args.shown.json && !args.shown.quiet).then(|| {
            format!("\n  That was all by itself. Now your own mail program:\n{settings}\n  What it says appears here. Ctrl-C ends the demo.\n\n")
        });
        tokio::spawn(async move {
            let told = match upstream {
                Ok(upstream) => act(&at, &upstream).await.map_err(|error| error.to_string()),
                Err(failure) => Err(failure.to_string()),
            };
            if let Err(error) = told {
                eprintln!("mailtap: the client of the demo failed: {error}");
            }
            if let Some(last) = last {
                tokio::time::sleep(BREATH).await;
                // Whoever reads our output may have gone.
                let _ = serving::print(&last);
            }
        })
    });
    let ended = serving::run(proxy, store, &args.shown, args.recording.grace, globals, signals).await;
    if let Some(client) = client {
        client.abort();
    }
    // Whoever had something under way had it by way of the proxy.
    server.stop(Duration::ZERO, std::future::ready(())).await;
    ended
}

/// Between one mail and the next, and before the last words, so that a person sees where one ends.
const BREATH: Duration = Duration::from_millis(300);

/// One mail in plaintext and one through STARTTLS, each fetched by IMAP and POP3.
async fn act(at: &Addresses, upstream: &Upstream) -> std::io::Result<()> {
    let missing = || std::io::Error::other("a service does not listen");
    let target = Target { name: "localhost", sni: None, alpn: &[] };
    let name = target.server_name().map_err(std::io::Error::other)?;
    let config = upstream.config(&target).map_err(std::io::Error::other)?;
    let tls = Security::StartTls(Tls { config: Arc::new(config), name });
    for (security, subject, text) in [
        (Security::None, "Hello in plaintext", "Whoever stands between can read this, and the password."),
        (tls, "Hello through STARTTLS", "Only the two ends can read this - and mailtap, because its CA is trusted."),
    ] {
        let script = Script {
            submission: at.submission.ok_or_else(missing)?,
            imap: at.imap.ok_or_else(missing)?,
            pop3: at.pop3,
            security,
            account: first_account(),
            subject: subject.to_owned(),
            text: text.to_owned(),
        };
        script::send_and_fetch(&script).await?;
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

/// A route to each service of the practice server.
fn routes(at: &Addresses, ports: &Ports) -> Result<Vec<Route>, Failure> {
    practice::named(at)
        .zip(practice::wanted(ports))
        .map(|((service, address), port)| {
            Route::parse(&format!("{service}://127.0.0.1:{port}={service}://{address}")).map_err(Failure::work)
        })
        .collect()
}

fn place<'a>(at: &'a mut Addresses, scheme: &str) -> Option<&'a mut Option<SocketAddr>> {
    Some(match scheme {
        "smtp" => &mut at.smtp,
        "submission" => &mut at.submission,
        "smtps" | "submissions" => &mut at.submissions,
        "pop3" => &mut at.pop3,
        "pop3s" => &mut at.pop3s,
        "imap" => &mut at.imap,
        "imaps" => &mut at.imaps,
        _ => return None,
    })
}
