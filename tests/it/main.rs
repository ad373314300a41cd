//! One test binary for everything that runs the program or crosses modules.
//! Takes the built program and, for the `real_` modules, servers and clients that tests/setup.sh installs.
//! Does not know the inside of any module.

mod support;

mod architecture;
mod ca_command;
#[cfg(feature = "proxy")]
mod cli_sessions;
#[cfg(feature = "proxy")]
mod cli_show;
mod corpus;
#[cfg(feature = "proxy")]
mod diff;
#[cfg(feature = "proxy")]
mod explain;
mod findings;
mod laws;
#[cfg(feature = "proxy")]
mod pasted;
#[cfg(feature = "proxy")]
mod practice_clients;
#[cfg(feature = "proxy")]
mod practice_demo;
#[cfg(feature = "proxy")]
mod practice_dovecot;
#[cfg(feature = "proxy")]
mod practice_heavy;
#[cfg(feature = "proxy")]
mod practice_imap;
#[cfg(feature = "proxy")]
mod practice_kit;
#[cfg(feature = "proxy")]
mod practice_maildir;
#[cfg(feature = "proxy")]
mod practice_pop3;
#[cfg(feature = "proxy")]
mod practice_programs;
#[cfg(feature = "proxy")]
mod practice_random;
#[cfg(feature = "proxy")]
mod practice_smtp;
mod practice_stop;
mod real_imap;
mod real_others;
mod real_plain;
#[cfg(feature = "proxy")]
mod real_replay;
#[cfg(feature = "proxy")]
mod real_replay_changed;
#[cfg(feature = "proxy")]
mod real_replay_clients;
mod real_servers;
mod real_thunderbird;
mod real_tls;
mod real_tls_certificates;
mod real_tls_clients;
mod real_tls_more;
mod real_tshark;
#[cfg(feature = "proxy")]
mod recordings;
mod registries;
#[cfg(feature = "proxy")]
mod relay_disk;
#[cfg(feature = "proxy")]
mod relay_doors;
#[cfg(feature = "proxy")]
mod relay_ends;
#[cfg(feature = "proxy")]
mod relay_flood;
#[cfg(feature = "proxy")]
mod relay_secrets;
#[cfg(feature = "proxy")]
mod relay_stop;
#[cfg(feature = "proxy")]
mod replay_client;
#[cfg(feature = "proxy")]
mod replay_client_ends;
mod replay_random;
#[cfg(feature = "proxy")]
mod replay_server;
#[cfg(feature = "proxy")]
mod replay_server_load;
mod replay_server_order;
mod replay_server_real;
#[cfg(feature = "proxy")]
mod replay_server_rules;
mod secrets;
mod talks;
mod tls_authority;
#[cfg(feature = "proxy")]
mod tls_findings;
mod tls_handshake;
mod tls_kit;
#[cfg(feature = "proxy")]
mod tls_legs;
#[cfg(feature = "proxy")]
mod tls_own;
#[cfg(feature = "proxy")]
mod tls_passthrough;
mod tls_programs;
#[cfg(feature = "proxy")]
mod tls_refused;
#[cfg(feature = "proxy")]
mod tls_stalled;
#[cfg(feature = "proxy")]
mod tls_unequal;
#[cfg(feature = "proxy")]
mod tls_upgrade;
