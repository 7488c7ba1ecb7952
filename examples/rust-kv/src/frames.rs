//! What the sidecar says: `{"name": {…}}`, one frame per line (docs/protocol.md has all of them).

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A frame from the sidecar: one of the members is there. Those that we do not know are passed over.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Frame {
    pub welcome: Option<Welcome>,
    pub entries: Option<Entries>,
    pub proposed: Option<Answer>,
    pub read_ready: Option<Answer>,
    pub error: Option<Refusal>,
    pub take_snapshot: Option<TakeSnapshot>,
    pub restore_begin: Option<RestoreBegin>,
    pub restore_chunk: Option<RestoreChunk>,
    pub restore_end: Option<RestoreEnd>,
    pub goodbye: Option<Goodbye>,
}

#[derive(Deserialize)]
pub struct Welcome {
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes that a command may have; 0 where it does not say so.
    #[serde(default, deserialize_with = "integer")]
    pub command_bytes: u64,
}

#[derive(Deserialize)]
pub struct Entries {
    #[serde(deserialize_with = "integer")]
    pub through: u64,
    pub hash: String,
    #[serde(default)]
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
pub struct Entry {
    #[serde(deserialize_with = "integer")]
    pub index: u64,
    #[serde(default)]
    pub command: String,
}

#[derive(Deserialize)]
pub struct Answer {
    #[serde(deserialize_with = "integer")]
    pub id: u64,
    #[serde(deserialize_with = "integer")]
    pub index: u64,
    pub result: Option<String>,
}

/// The sidecar said no. `definite`: it did not and will not happen. Otherwise it may still happen, or has.
#[derive(Deserialize)]
pub struct Refusal {
    #[serde(default, deserialize_with = "integer")]
    pub id: u64,
    pub code: String,
    #[serde(default)]
    pub definite: bool,
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize)]
pub struct TakeSnapshot {
    #[serde(deserialize_with = "integer")]
    pub index: u64,
}

#[derive(Deserialize)]
pub struct RestoreBegin {
    #[serde(deserialize_with = "integer")]
    pub index: u64,
    pub format: String,
}

#[derive(Deserialize)]
pub struct RestoreChunk {
    pub data: String,
}

#[derive(Deserialize)]
pub struct RestoreEnd {
    pub sha256: String,
}

#[derive(Deserialize)]
pub struct Goodbye {
    pub reason: Option<String>,
}

impl Refusal {
    pub fn new(code: &str, definite: bool, message: &str) -> Self {
        Refusal {
            id: 0,
            code: code.into(),
            definite,
            message: message.into(),
        }
    }
}

/// 64-bit integers are numbers, or decimal strings.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}
