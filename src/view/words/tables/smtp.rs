//! SMTP's words: commands, reply codes, the extensions that EHLO lists, parameters of MAIL and RCPT.
//! Takes nothing; gives rows of word, source and sentence.
//! Does not know enhanced status codes, which have their own file, nor login mechanisms.

table! { COMMANDS, Command:
    "HELO" "RFC 5321 §4.1.1.1"
    "says hello with the client's name and asks for plain SMTP, without extensions"
    "EHLO" "RFC 5321 §4.1.1.1"
    "says hello with the client's name and asks which extensions the server offers"
    "LHLO" "RFC 2033 §4.1"
    "says hello in LMTP, the variant of SMTP that ends at the mailbox, and asks for the extensions"
    "MAIL" "RFC 5321 §4.1.1.2"
    "begins a message and names the sender, to whom failures are reported"
    "RCPT" "RFC 5321 §4.1.1.3"
    "names one recipient; it is sent again for each further one"
    "DATA" "RFC 5321 §4.1.1.4"
    "asks to send the message itself, headers and text, which ends with a dot alone on a line"
    "BDAT" "RFC 3030 §2"
    "sends a piece of the message, counted in bytes, so that nothing in it needs escaping"
    "RSET" "RFC 5321 §4.1.1.5"
    "drops the message that was begun: sender and recipients are forgotten"
    "VRFY" "RFC 5321 §4.1.1.6"
    "asks whether a user or address exists; most servers give no true answer, against spammers"
    "EXPN" "RFC 5321 §4.1.1.7"
    "asks who is on a mailing list; most servers refuse"
    "HELP" "RFC 5321 §4.1.1.8"
    "asks for help, for people who type commands by hand"
    "NOOP" "RFC 5321 §4.1.1.9"
    "does nothing; it shows that both ends are still there"
    "QUIT" "RFC 5321 §4.1.1.10"
    "says goodbye; the server answers 221 and closes the connection"
    "STARTTLS" "RFC 3207 §4"
    "asks to encrypt the connection from here on; afterwards everything starts anew with EHLO"
    "AUTH" "RFC 4954 §4"
    "logs in by a mechanism that the client chose from the server's list"
}

table! { REPLIES, Reply:
    "211" "RFC 5321 §4.2.2"
    "the server's status, or help"
    "220" "RFC 5321 §4.2.2"
    "the server is ready"
    "250" "RFC 5321 §4.2.2"
    "done"
}
