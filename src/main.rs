//! The `mailtap` command. Everything it does is in the library; this file only hands over the arguments.

fn main() {}
