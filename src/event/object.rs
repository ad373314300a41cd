//! A JSON object kept as text: the protocols' own fields (`args`, `values`), built once and copied from then on.
//! Takes names and values in order, gives the text, or a parsed map to readers.
//! Does not know what the names mean.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::wire::escape_into;

/// Up to this length of text, in bytes, a name that was given before is looked for. Only a peer that wants to waste
/// time makes longer ones, and would with that.
const UNIQUE_WITHIN: usize = 8 * 1024;

/// An ordered JSON object. A name that is given again (a peer may repeat itself) becomes `name#2`, `name#3` …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(String);

impl Object {
    #[must_use]
    pub fn new() -> Object {
        Object(String::new())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Object {
        self.name(name);
        quote(&mut self.0, value);
        self
    }

    /// Bytes that ought to be text; what is not UTF-8 becomes U+FFFD. The exact bytes stand in `wire`.
    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Object {
        self.text(name, &String::from_utf8_lossy(value))
    }

    pub fn number(&mut self, name: &str, value: u64) -> &mut Object {
        self.name(name);
        let _ = write!(self.0, "{value}");
        self
    }

    pub fn flag(&mut self, name: &str, value: bool) -> &mut Object {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    pub fn null(&mut self, name: &str) -> &mut Object {
        self.name(name);
        self.0.push_str("null");
        self
    }

    pub fn list<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) -> &mut Object {
        self.name(name);
        self.0.push('[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            quote(&mut self.0, value.as_ref());
        }
        self.0.push(']');
        self
    }

    pub fn object(&mut self, name: &str, value: &Object) -> &mut Object {
        self.name(name);
        value.write(&mut self.0);
        self
    }

    pub fn objects<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a Object>) -> &mut Object {
        self.name(name);
        self.0.push('[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            value.write(&mut self.0);
        }
        self.0.push(']');
        self
    }

    /// Whether this name was given, at any depth; or stands in a value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        memchr::memmem::find(self.0.as_bytes(), name.as_bytes()).is_some()
    }

    /// The number of this name at the outermost level, without reading the rest.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u64> {
        let text = self.0.as_str();
        let found = memchr::memmem::find_iter(text.as_bytes(), name.as_bytes()).find_map(|at| {
            let value = text.get(at + name.len()..)?.strip_prefix("\":")?;
            let before = text.get(..at)?.strip_suffix('"')?;
            (before.is_empty() || before.ends_with(',')).then_some(value)
        })?;
        let digits = found.bytes().take_while(u8::is_ascii_digit).count();
        found.get(..digits)?.parse().ok()
    }

    /// The text, braces included.
    pub fn write(&self, out: &mut String) {
        out.push('{');
        out.push_str(&self.0);
        out.push('}');
    }

    pub(super) fn inner(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn map(&self) -> Map<String, Value> {
        let mut text = String::with_capacity(self.0.len() + 2);
        self.write(&mut text);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Changes every text in it, at any depth, names included.
    pub fn map_texts(&mut self, change: &mut dyn FnMut(&mut String)) {
        let mut value = Value::Object(self.map());
        map_texts(&mut value, change);
        if let Value::Object(map) = &value {
            *self = Object::from(map);
        }
    }

    fn name(&mut self, name: &str) {
        let mut quoted = String::with_capacity(name.len() + 2);
        quote(&mut quoted, name);
        if self.has(&quoted, name) {
            let free = (2..).map(|number| format!("{name}#{number}")).find(|other| !self.map().contains_key(other));
            quoted.clear();
            quote(&mut quoted, &free.unwrap_or_default());
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&quoted);
        self.0.push(':');
    }

    /// Looks for the text first: it is there only where the name is, or stands in a value.
    fn has(&self, quoted: &str, name: &str) -> bool {
        self.0.len() <= UNIQUE_WITHIN && self.0.contains(quoted) && self.map().contains_key(name)
    }
}

/// Written as this program writes, so that what was read back is the same text again.
impl From<&Map<String, Value>> for Object {
    fn from(map: &Map<String, Value>) -> Object {
        let mut object = Object::new();
        for (name, value) in map {
            object.name(name);
            write_value(&mut object.0, value);
        }
        object
    }
}

/// Depth is bounded by the reader of the JSON text, which gives up at 128.
fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => quote(out, text),
        Value::Object(map) => Object::from(map).write(out),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, value);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// Depth is bounded as above.
fn map_texts(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Object(map) => {
            let texts = std::mem::take(map).into_iter().map(|(mut name, mut value)| {
                change(&mut name);
                map_texts(&mut value, change);
                (name, value)
            });
            map.extend(texts.collect::<Vec<_>>());
        }
        Value::Array(values) => values.iter_mut().for_each(|value| map_texts(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn quote(out: &mut String, value: &str) {
    out.push('"');
    escape_into(out, value);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_reads_back() {
        let mut inner = Object::new();
        inner.number("n", 7).flag("yes", true);
        let mut object = Object::new();
        object.text("a\"b", "line\r\n\u{1}ü").list("l", ["x", "\\Seen"]).object("o", &inner).null("z");
        object.text("l", "again");
        let map = object.map();
        assert_eq!(map["l#2"], "again");
        assert_eq!(map["a\"b"], "line\r\n\u{1}ü");
        assert_eq!(map["l"][1], "\\Seen");
        assert_eq!(map["o"]["n"], 7);
        assert_eq!(Object::from(&map), object);
    }
}
