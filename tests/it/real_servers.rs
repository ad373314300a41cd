//! The servers of the tests, talked to directly: what goes wrong here is the harness, not mailtap.
//! Takes the shared servers; gives a failure that says which one does not work.
//! Does not run mailtap.

use crate::support::{
    clients::{curl, curl_with},
    dovecot::PASSWORD,
    servers::{servers, user},
    tap::Tap,
    wait_for,
};

#[test]
fn imap_answers_and_the_tap_sees_it() {
    let tap = Tap::start(servers().dovecot.imap);
    let user = user("direct-imap");
    let ran = curl([
        format!("imap://{}", tap.address).as_str(),
        "--user",
        &format!("{user}:{PASSWORD}"),
        "--request",
        "CAPABILITY",
    ])
    .expect_ok();
    for word in ["COMPRESS=DEFLATE", "STARTTLS"] {
        let greeting = String::from_utf8_lossy(&tap.finished(1)[0].server()).into_owned();
        assert!(ran.text().contains(word) || greeting.contains(word), "no {word} in:\n{greeting}");
    }
    let captures = tap.finished(1);
    assert!(captures[0].client().windows(6).any(|window| window == b"LOGOUT"), "{captures:?}");
}

#[test]
fn mail_goes_through_postfix_to_dovecot() {
    let servers = servers();
    let user = user("direct-smtp");
    let message = b"Subject: through\r\n\r\nfrom Postfix to Dovecot\r\n";
    curl_with(
        [
            format!("smtp://{}/client.test", servers.postfix.submission).as_str(),
            "--user",
            &format!("{user}:{PASSWORD}"),
            "--mail-from",
            &format!("{user}@mail.test"),
            "--mail-rcpt",
            &format!("{user}@mail.test"),
            "--upload-file",
            "-",
        ],
        message,
    )
    .expect_ok();
    let delivered = wait_for(&format!("the message; Postfix says:\n{}", servers.postfix.log()), || {
        servers.dovecot.messages(&user).into_iter().next()
    });
    assert!(String::from_utf8_lossy(&delivered).contains("from Postfix to Dovecot"));
}
