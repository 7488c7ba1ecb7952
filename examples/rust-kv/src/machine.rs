//! The state machine. It knows nothing of sidecars.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Of snapshots: one JSON object, the same bytes in every language.
pub const FORMAT: &str = "kv-json-1";
/// Of a snapshot in one frame, the most that a sidecar takes.
const CHUNK: usize = 256 * 1024;

/// Sorted by the bytes of UTF-8, which is the order of code points.
pub type State = BTreeMap<String, String>;

#[derive(Default)]
pub struct Machine {
    state: State,
    /// Over the marks of all keys: what the state is like, at a cost that does not grow with it.
    sum: u128,
}

impl Machine {
    pub fn new(state: State) -> Self {
        let sum = state.iter().fold(0, |sum: u128, (key, value)| {
            sum.wrapping_add(mark(key, value))
        });
        Machine { state, sum }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Changes the state. The same command in the same state MUST do the same on every node: so no clock, no randomness, no files;
    /// and a command that makes no sense is answered, never a panic: it is in the log for good.
    pub fn execute(&mut self, command: &[u8]) -> &'static str {
        match read_command(command) {
            Some(Command::Put(key, value)) => {
                self.sum = self.sum.wrapping_add(mark(&key, &value));
                let old = self.state.insert(key.clone(), value);
                self.forget(&key, old)
            }
            Some(Command::Delete(key)) => {
                let old = self.state.remove(&key);
                self.forget(&key, old)
            }
            None => r#"{"error": "not a command of this app"}"#,
        }
    }

    fn forget(&mut self, key: &str, old: Option<String>) -> &'static str {
        match old {
            Some(value) => {
                self.sum = self.sum.wrapping_sub(mark(key, &value));
                r#"{"existed": true}"#
            }
            None => r#"{"existed": false}"#,
        }
    }

    /// What the state is like. The sidecars compare: a copy that differs is found out.
    pub fn digest(&self) -> [u8; 16] {
        self.sum.to_be_bytes()
    }
}

enum Command {
    Put(String, String),
    Delete(String),
}

fn read_command(data: &[u8]) -> Option<Command> {
    let mut members = parse(data).ok()?;
    let key = members.remove("key")?;
    match members.get("op")?.as_str() {
        "put" => Some(Command::Put(
            key,
            members.remove("value").unwrap_or_default(),
        )),
        "delete" => Some(Command::Delete(key)),
        _ => None,
    }
}

/// Reads a JSON object whose members are all strings. So strict because copies in other languages must refuse the same: parsers
/// differ in what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8.
pub fn parse(data: &[u8]) -> serde_json::Result<State> {
    serde_json::from_slice(data)
}

fn mark(key: &str, value: &str) -> u128 {
    let hash = Sha256::digest(format!("[{}, {}]", quote(key), quote(value)));
    u128::from_be_bytes(hash[..16].try_into().expect("SHA-256 has 32 bytes"))
}

/// A JSON string in ASCII, as every copy writes it.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a String takes everything");
                }
            }
        }
    }
    out.push('"');
    out
}

/// Writes the state as `{"key": "value", …}`, a piece at a time; ends early where the receiver has an error.
pub fn write_chunks<E>(
    state: &State,
    mut send: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut data = vec![b'{'];
    for (at, (key, value)) in state.iter().enumerate() {
        let between = if at > 0 { ", " } else { "" };
        data.extend(format!("{between}{}: {}", quote(key), quote(value)).into_bytes());
        while data.len() >= CHUNK {
            send(&data[..CHUNK])?;
            data.drain(..CHUNK);
        }
    }
    data.push(b'}');
    send(&data)
}
