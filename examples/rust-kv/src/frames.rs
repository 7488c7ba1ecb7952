//! What the sidecar says: `{"name": {…}}`, one frame per line (docs/protocol.md has all of them).

use serde::Deserialize;
use serde_json::Value;

/// A frame from the sidecar: one of the members is there. Those that we do not know are passed over.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Frame {
    pub welcome: Option<Value>,
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
pub struct Entries {
    pub through: u64,
    pub hash: String,
    #[serde(default)]
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
pub struct Entry {
    pub index: u64,
    #[serde(default)]
    pub command: String,
}

#[derive(Deserialize)]
pub struct Answer {
    pub id: u64,
    pub index: u64,
    pub result: Option<String>,
}

/// The sidecar said no. `definite`: it did not and will not happen. Otherwise it may still happen, or has.
#[derive(Deserialize)]
pub struct Refusal {
    pub id: Option<u64>,
    pub code: String,
    #[serde(default)]
    pub definite: bool,
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize)]
pub struct TakeSnapshot {
    pub index: u64,
}

#[derive(Deserialize)]
pub struct RestoreBegin {
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
            id: None,
            code: code.into(),
            definite,
            message: message.into(),
        }
    }
}
