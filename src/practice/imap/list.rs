//! LIST and LSUB: which mailboxes match a pattern, and what is said about each.
//! Takes patterns with `*` and `%`; gives the untagged lines.
//! It does not know messages.

use std::collections::BTreeMap;
use std::io;

use super::super::store::{SEPARATOR, SPECIAL};
use super::super::users::User;
use super::mailboxes::status_line;
use super::parse::{List, Return};
use super::{Answer, Session, text};

/// A name in the list: a mailbox, or only a level above others, or only a subscription.
#[derive(Debug, Default, Clone, Copy)]
struct Node {
    exists: bool,
    subscribed: bool,
    has_children: bool,
}

impl Session<'_> {
    pub(super) fn list(&mut self, user: &User, list: &List) -> io::Result<Answer> {
        let verb = if list.lsub { "LSUB" } else { "LIST" };
        let done = if list.lsub { "Lsub completed." } else { "List completed." };
        if list.patterns == [""] && !list.lsub {
            self.wire.line("* LIST (\\Noselect) \"/\" \"\"");
            return Answer::ok(done);
        }
        let patterns: Vec<String> = list.patterns.iter().map(|p| normal(&list.reference, p)).collect();
        let nodes = nodes(user, list);
        for (name, node) in &nodes {
            if !patterns.iter().any(|pattern| matches(pattern, name)) {
                continue;
            }
            let special = SPECIAL.iter().find(|(special, _)| special == name).filter(|_| node.exists).map(|(_, u)| *u);
            let child_subscribed = list.recursive && is_above_subscribed(&nodes, name);
            if list.special && special.is_none()
                || list.subscribed && !node.subscribed && !list.lsub && !child_subscribed
            {
                continue;
            }
            // A level above a subscription is told where `%` hides the subscription itself (RFC 3501, 6.3.9).
            let is_hidden =
                || patterns.iter().any(|pattern| pattern.ends_with('%')) && is_above_subscribed(&nodes, name);
            if list.lsub && !node.subscribed && !is_hidden() {
                continue;
            }
            let attributes = attributes(list, *node, special);
            let extended = if child_subscribed { " (CHILDINFO (\"SUBSCRIBED\"))" } else { "" };
            self.wire.line(&format!("* {verb} ({}) \"/\" {}{extended}", attributes.join(" "), text::mailbox(name)));
            for asked in &list.returns {
                if let (Return::Status(items), Some(mailbox)) = (asked, user.store.mailbox(name)) {
                    mailbox.refresh()?;
                    self.wire.line(&status_line(name, &mailbox, items));
                }
            }
        }
        Answer::ok(done)
    }
}

/// What is said about a mailbox: everything in the plain form, in the extended one what was asked for.
fn attributes(list: &List, node: Node, special: Option<&'static str>) -> Vec<&'static str> {
    let wants = |asked: &Return| list.returns.contains(asked);
    let mut words = Vec::new();
    if list.lsub {
        words.extend(if node.subscribed { special } else { Some("\\Noselect") });
        return words;
    }
    if !node.exists {
        // Who asks in the extended form knows the word that says more (RFC 5258, 3).
        words.push(if list.is_extended { "\\NonExistent" } else { "\\Noselect" });
    }
    if (list.subscribed || wants(&Return::Subscribed)) && node.subscribed {
        words.push("\\Subscribed");
    }
    if !list.is_extended || wants(&Return::Children) {
        words.push(if node.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    }
    if !list.is_extended || list.special || wants(&Return::SpecialUse) {
        words.extend(special);
    }
    words
}

/// Every name that could be listed.
fn nodes(user: &User, list: &List) -> BTreeMap<String, Node> {
    let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
    for name in user.store.names() {
        nodes.entry(name).or_default().exists = true;
    }
    for name in user.store.subscriptions() {
        if list.subscribed || nodes.contains_key(&name) {
            nodes.entry(name).or_default().subscribed = true;
        }
    }
    let names: Vec<(String, Node)> = nodes.iter().map(|(name, node)| (name.clone(), *node)).collect();
    for (name, node) in names {
        let mut above = name.as_str();
        while let Some((parent, _)) = above.rsplit_once(SEPARATOR) {
            // For LSUB only what is subscribed has levels above it.
            if !list.lsub || node.subscribed {
                let entry = nodes.entry(parent.to_owned()).or_default();
                entry.has_children |= node.exists;
            }
            above = parent;
        }
    }
    nodes
}

fn is_above_subscribed(nodes: &BTreeMap<String, Node>, name: &str) -> bool {
    let below = format!("{name}{SEPARATOR}");
    nodes.iter().any(|(other, node)| node.subscribed && other.starts_with(&below))
}

/// Reference and pattern joined, INBOX in upper case.
fn normal(reference: &str, pattern: &str) -> String {
    let whole = format!("{reference}{pattern}");
    match whole.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("INBOX")) {
        true if whole.len() == 5 || whole[5..].starts_with([SEPARATOR, '%', '*']) => format!("INBOX{}", &whole[5..]),
        _ => whole,
    }
}

/// `*` is anything, `%` anything within a level. Takes time in proportion to both lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Which lengths of the name the pattern so far can match.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for character in pattern.chars() {
        match character {
            '*' | '%' => {
                for at in 0..name.len() {
                    reached[at + 1] |= reached[at] && (character == '*' || name[at] != SEPARATOR);
                }
            }
            plain => {
                for at in (0..name.len()).rev() {
                    reached[at + 1] = reached[at] && name[at] == plain;
                }
                reached[0] = false;
            }
        }
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_levels() {
        assert!(matches("*", "a/b/c") && matches("%/%", "a/b") && matches("a*c", "a/b/c") && matches("%", "a"));
        assert!(!matches("%", "a/b") && !matches("a%c", "a/b/c") && !matches("a", "ab") && !matches("", "a"));
    }
}
