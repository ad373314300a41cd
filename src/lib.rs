//! mailtap: a transparent logging proxy for mail.
