//! ManageSieve's words: commands, statuses, capabilities and response codes.
//! Takes nothing; gives rows of word, source and sentence.
//! Does not know the filter language itself.

use super::super::Entry;

pub(super) const ALL: &[&[Entry]] = &[COMMANDS, REPLIES, CAPABILITIES, CODES];

table! { COMMANDS, Command:
    "AUTHENTICATE" "RFC 5804 §2.1"
    "logs in by a named mechanism"
    "STARTTLS" "RFC 5804 §2.2"
    "asks to encrypt the connection from the server's OK on"
    "LOGOUT" "RFC 5804 §2.3"
    "says goodbye"
    "CAPABILITY" "RFC 5804 §2.4"
    "asks what the server can do"
    "HAVESPACE" "RFC 5804 §2.5"
    "asks whether a filter script of this size would fit"
    "PUTSCRIPT" "RFC 5804 §2.6"
    "stores a filter script"
    "LISTSCRIPTS" "RFC 5804 §2.7"
    "asks for the names of the stored filter scripts"
    "SETACTIVE" "RFC 5804 §2.8"
    "chooses the filter script that runs on new mail, or none"
    "GETSCRIPT" "RFC 5804 §2.9"
    "asks for a filter script"
    "DELETESCRIPT" "RFC 5804 §2.10"
    "removes a filter script"
    "RENAMESCRIPT" "RFC 5804 §2.11"
    "gives a filter script another name"
    "CHECKSCRIPT" "RFC 5804 §2.12"
    "asks whether a filter script is free of errors, without storing it"
    "NOOP" "RFC 5804 §2.13"
    "does nothing; it shows that both ends are still there"
    "UNAUTHENTICATE" "RFC 5804 §2.14.1"
    "logs out but keeps the connection"
}

table! { REPLIES, Reply:
    "OK" "RFC 5804 §1.3"
    "done"
    "NO" "RFC 5804 §1.3"
    "not done; the text says why"
    "BYE" "RFC 5804 §1.3"
    "the server closes the connection; the text says why"
}

table! { CAPABILITIES, Capability:
    "IMPLEMENTATION" "RFC 5804 §1.7"
    "the name of the server program"
    "SASL" "RFC 5804 §1.7"
    "the mechanisms to log in with"
    "SIEVE" "RFC 5804 §1.7"
    "the extensions of the filter language that scripts may use"
    "STARTTLS" "RFC 5804 §1.7"
    "the connection can be encrypted"
    "MAXREDIRECTS" "RFC 5804 §1.7"
    "how often one script may pass a message on"
    "NOTIFY" "RFC 5804 §1.7"
    "the ways in which scripts can notify a person"
    "LANGUAGE" "RFC 5804 §1.7"
    "the language of the server's texts"
    "OWNER" "RFC 5804 §1.7"
    "whose scripts these are"
    "VERSION" "RFC 5804 §1.7"
    "the version of ManageSieve"
}

table! { CODES, ResponseCode:
    "AUTH-TOO-WEAK" "RFC 5804 §1.3"
    "that way to log in is too weak for this server"
    "ENCRYPT-NEEDED" "RFC 5804 §1.3"
    "that way to log in needs an encrypted connection"
    "QUOTA" "RFC 5804 §1.3"
    "the script does not fit"
    "QUOTA/MAXSCRIPTS" "RFC 5804 §1.3"
    "there are too many scripts"
    "QUOTA/MAXSIZE" "RFC 5804 §1.3"
    "the script is too big"
    "REFERRAL" "RFC 5804 §1.3"
    "what was asked for is on another server"
    "SASL" "RFC 5804 §1.3"
    "the last step of the login stands in the reply"
    "TRANSITION-NEEDED" "RFC 5804 §1.3"
    "the password must be changed over to a new form first"
    "TRYLATER" "RFC 5804 §1.3"
    "the server has a problem that will pass"
    "ACTIVE" "RFC 5804 §1.3"
    "the script is the active one, so it cannot be removed"
    "NONEXISTENT" "RFC 5804 §1.3"
    "there is no such script"
    "ALREADYEXISTS" "RFC 5804 §1.3"
    "there is such a script already"
    "WARNINGS" "RFC 5804 §1.3"
    "the script was taken, but the server has doubts about it"
    "TAG" "RFC 5804 §1.3"
    "repeats what NOOP was given"
}
