//! POP3's words: commands, the two statuses, capabilities and response codes.
//! Takes nothing; gives rows of word, source and sentence.
//! Does not know login mechanisms, which all protocols share.

table! { COMMANDS, Command:
    "USER" "RFC 1939 §7"
    "gives the user name; the password comes next, with PASS"
    "PASS" "RFC 1939 §7"
    "gives the password"
    "STAT" "RFC 1939 §5"
    "asks how many messages there are and how many bytes they have together"
    "QUIT" "RFC 1939 §6"
    "says goodbye; only now are the messages marked with DELE really removed"
}

table! { REPLIES, Reply:
    "+OK" "RFC 1939 §3"
    "done"
    "-ERR" "RFC 1939 §3"
    "not done; the text says why"
}
