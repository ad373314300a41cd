//! One test binary for everything that runs the program or crosses modules.
//! Takes the built program and, for the `real_` modules, servers and clients that tests/setup.sh installs.
//! Does not know the inside of any module.

mod support;

mod architecture;
mod laws;
mod real_plain;
mod real_servers;
mod real_tshark;
mod talks;
#[cfg(feature = "proxy")]
mod tls_authority;
#[cfg(feature = "proxy")]
mod tls_handshake;
#[cfg(feature = "proxy")]
mod tls_kit;
#[cfg(feature = "proxy")]
mod tls_programs;
