//! IMAP's commands.
//! Takes nothing; gives rows of word, source and sentence.
//! Does not know their arguments, which have their own files.

table! { COMMANDS, Command:
    "CAPABILITY" "RFC 9051 §6.1.1"
    "asks which extensions and login mechanisms the server offers"
    "NOOP" "RFC 9051 §6.1.2"
    "does nothing; the server may use the occasion to report new mail"
    "LOGOUT" "RFC 9051 §6.1.3"
    "says goodbye; the server answers BYE and closes the connection"
}
