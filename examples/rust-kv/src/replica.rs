//! Keeps the machine in step with the log, over the one connection to the sidecar that all requests share.
//!
//! The sidecar speaks JSON lines (docs/protocol.md): one frame per line, `{"name": {…}}`, bytes in base64.

use crate::frames::{Answer, Entries, Frame, Refusal, RestoreBegin, RestoreEnd};
use crate::machine::{parse, write_chunks, Machine, State, FORMAT};
use base64::{engine::general_purpose::STANDARD as BASE64, Engine};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::os::unix::net::UnixStream;
use std::sync::{mpsc, Arc, Mutex, MutexGuard};
use std::time::Duration;

/// At indexes that are multiples of this, every copy says what its state is like.
const CHECK_EVERY: u64 = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

type Outcome = std::result::Result<Answer, Refusal>;

/// What is applied.
#[derive(Default)]
pub struct Copy {
    pub machine: Machine,
    pub applied: u64,
    /// Of the log at `applied`; none after a restore, until the next entries come.
    hash: Option<String>,
    /// The last index at which we looked at our state.
    checked: u64,
}

/// The way to the sidecar, and whoever waits for an answer from there.
#[derive(Default)]
struct Line {
    connection: Option<UnixStream>,
    waiting: HashMap<u64, mpsc::Sender<Outcome>>,
    last: u64,
    /// Bytes that a command may have; 0 where the sidecar has not said so.
    largest: u64,
}

pub struct Replica {
    path: String,
    copy: Mutex<Copy>,
    line: Mutex<Line>,
    /// Held by the one snapshot that is being sent.
    shipping: Mutex<()>,
}

impl Replica {
    pub fn new(path: String) -> Arc<Self> {
        Arc::new(Replica {
            path,
            copy: Mutex::default(),
            line: Mutex::default(),
            shipping: Mutex::default(),
        })
    }

    pub fn copy(&self) -> MutexGuard<'_, Copy> {
        self.copy
            .lock()
            .expect("nothing panics while it holds the state")
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line
            .lock()
            .expect("nothing panics while it holds the connection")
    }

    /// Stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what came since. (Had the
    /// app restarted, `applied` would be 0, and the sidecar would send a snapshot or the whole log.)
    pub fn follow(self: Arc<Self>) {
        loop {
            // An error says that the sidecar is not there (yet, or any more): try again.
            let _ = self.serve();
            // Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
            let line = std::mem::take(&mut *self.line());
            for answer in line.waiting.into_values() {
                let _ = answer.send(Err(Refusal::new(
                    "SIDECAR_LOST",
                    false,
                    "the connection to the sidecar broke",
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn serve(self: &Arc<Self>) -> Result<()> {
        let connection = UnixStream::connect(&self.path)?;
        let mut machine = json!({ "appliedIndex": self.copy().applied, "snapshots": "BLOB" });
        if let Some(hash) = &self.copy().hash {
            machine["appliedHash"] = json!(hash);
        }
        write(
            &connection,
            &json!({ "hello": { "protocol": 1, "app": "rust-kv", "stateMachine": machine } }),
        )?;
        let mut wanted = None;
        let mut coming: Option<(RestoreBegin, Vec<u8>)> = None;
        for text in BufReader::new(connection.try_clone()?).split(b'\n') {
            let frame: Frame = serde_json::from_slice(&text?)?;
            if let Some(batch) = frame.entries {
                self.apply(&batch)?;
                self.freeze(&mut wanted)?;
            } else if let Some(answer) = frame.proposed.or(frame.read_ready) {
                self.answer(answer.id, Ok(answer));
            } else if let Some(error) = frame.error {
                self.refused(error);
            } else if let Some(welcome) = frame.welcome {
                let mut line = self.line();
                line.largest = welcome.limits.command_bytes;
                line.connection = Some(connection.try_clone()?); // from here on requests may use it
            } else if let Some(take) = frame.take_snapshot {
                wanted = Some(take.index);
                self.freeze(&mut wanted)?;
            } else if let Some(begin) = frame.restore_begin {
                coming = Some((begin, Vec::new()));
            } else if let (Some(chunk), Some((_, data))) = (frame.restore_chunk, &mut coming) {
                data.extend(decode(&chunk.data)?);
            } else if let Some(end) = frame.restore_end {
                let (begin, data) = coming.take().ok_or(ErrorKind::InvalidData)?;
                self.restore(&begin, &data, &end)?;
            } else if let Some(goodbye) = frame.goodbye {
                if goodbye.reason.as_deref() == Some("SUPERSEDED") {
                    eprintln!("another copy of this app took over");
                    std::process::exit(1); // two copies that push each other out would never end
                }
                return Ok(()); // and say hello again; so do we after RESTORE, to be given a snapshot
            }
        }
        Ok(())
    }

    /// A stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers entries that are not
    /// ours to see.
    fn apply(&self, batch: &Entries) -> Result<()> {
        let mut results = Vec::with_capacity(batch.entries.len());
        let mut check = None;
        {
            let mut copy = self.copy();
            for entry in &batch.entries {
                check = copy.look(entry.index - 1).or(check);
                let answer = copy.machine.execute(&decode(&entry.command)?);
                results.push(json!({ "index": entry.index, "result": BASE64.encode(answer) }));
            }
            copy.applied = batch.through;
            copy.hash = Some(batch.hash.clone());
            check = copy.look(batch.through).or(check);
        }
        let mut applied = json!({ "through": batch.through, "results": results });
        if let Some(check) = check {
            applied["stateHash"] = check;
        }
        self.send(&json!({ "applied": applied }))
    }

    /// Copies the state for a snapshot, once it is as new as was asked for. Only what was acknowledged may be in it, so this comes after
    /// `applied`; and it is sent by a thread of its own, so entries go on meanwhile.
    fn freeze(self: &Arc<Self>, wanted: &mut Option<u64>) -> Result<()> {
        let (index, state) = {
            let copy = self.copy();
            if wanted.is_none_or(|least| copy.applied < least) {
                return Ok(());
            }
            (copy.applied, copy.machine.state().clone())
        };
        *wanted = None;
        let Some(connection) = self
            .line()
            .connection
            .as_ref()
            .map(UnixStream::try_clone)
            .transpose()?
        else {
            return Ok(());
        };
        let replica = Arc::clone(self);
        std::thread::spawn(move || {
            // An error says that the connection is gone, and with it whoever asked.
            let _ = replica.ship(&connection, index, &state);
        });
        Ok(())
    }

    fn ship(&self, connection: &UnixStream, index: u64, state: &State) -> Result<()> {
        let _turn = self.shipping.lock();
        // Frame by frame, so that others get their turn; `line` keeps each of them whole on the socket.
        let send = |frame: Value| {
            let _line = self.line();
            write(connection, &frame)
        };
        send(json!({ "snapshotBegin": { "index": index, "format": FORMAT } }))?;
        let mut whole = Sha256::new();
        write_chunks(state, |data| {
            whole.update(data);
            send(json!({ "snapshotChunk": { "data": BASE64.encode(data) } }))
        })?;
        send(json!({ "snapshotEnd": { "sha256": BASE64.encode(whole.finalize()) } }))
    }

    /// Takes over a state that another copy has sent, all of it or nothing: until here ours was untouched.
    fn restore(&self, begin: &RestoreBegin, data: &[u8], end: &RestoreEnd) -> Result<()> {
        match received(begin, data, end) {
            Ok(state) => {
                let machine = Machine::new(state);
                *self.copy() = Copy {
                    machine,
                    applied: begin.index,
                    hash: None,
                    checked: begin.index,
                };
                self.send(&json!({ "restored": { "index": begin.index } }))
            }
            Err(reason) => self.send(&json!({ "restoreRefused": { "reason": reason } })),
        }
    }

    fn refused(&self, error: Refusal) {
        if error.id != 0 {
            return self.answer(error.id, Err(error));
        }
        eprintln!("sidecar: {}: {}", error.code, error.message);
        if error.code == "APP_AHEAD" || error.code == "APP_DIVERGED" {
            *self.copy() = Copy::default(); // our state is not this log's; it is only in memory, so starting over costs nothing
        }
    }

    fn answer(&self, id: u64, outcome: Outcome) {
        if let Some(answer) = self.line().waiting.remove(&id) {
            let _ = answer.send(outcome); // or it has given up
        }
    }

    fn send(&self, frame: &Value) -> Result<()> {
        match &self.line().connection {
            Some(connection) => write(connection, frame),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Sends one request and waits for its answer; other threads do the same at the same time on the same socket.
    pub fn ask(&self, name: &str, mut fields: Value) -> Outcome {
        let (answer, answered) = mpsc::channel();
        let id = {
            let mut line = self.line();
            line.last += 1;
            let id = line.last;
            fields["id"] = json!(id);
            let Some(connection) = &line.connection else {
                return Err(Refusal::new(
                    "SIDECAR_ABSENT",
                    true,
                    "not connected to the sidecar",
                ));
            };
            let _ = write(connection, &json!({ name: fields })); // follow() notices it as well, and answers everybody who waits
            line.waiting.insert(id, answer);
            id
        };
        answered.recv_timeout(ANSWER_WITHIN).unwrap_or_else(|_| {
            self.line().waiting.remove(&id);
            Err(Refusal::new(
                "TIMEOUT",
                false,
                "no answer from the sidecar for 20 s",
            ))
        })
    }

    /// Returns when it is on a majority of disks and applied here: the index, and what `execute` answered.
    pub fn propose(&self, command: &Value) -> std::result::Result<(u64, String), Refusal> {
        let command = command.to_string();
        let (bytes, most) = (command.len() as u64, self.line().largest);
        if most > 0 && bytes > most {
            // One too large for a frame would cost the connection, with all that is open.
            let why = format!("the command has {bytes} bytes, over the limit of {most}");
            return Err(Refusal::new("TOO_LARGE", true, &why));
        }
        let done = self.ask("propose", json!({ "command": BASE64.encode(command) }))?;
        let result = decode(&done.result.unwrap_or_default()).unwrap_or_default();
        Ok((done.index, String::from_utf8_lossy(&result).into_owned()))
    }
}

impl Copy {
    /// Everything up to `index` is applied, and nothing later.
    fn look(&mut self, index: u64) -> Option<Value> {
        let at = index - index % CHECK_EVERY;
        if at <= self.checked {
            return None;
        }
        self.checked = at;
        Some(json!({ "index": at, "hash": BASE64.encode(self.machine.digest()) }))
    }
}

fn received(
    begin: &RestoreBegin,
    data: &[u8],
    end: &RestoreEnd,
) -> std::result::Result<State, String> {
    if begin.format != FORMAT {
        return Err(format!("unknown format {:?}", begin.format));
    }
    if BASE64.encode(Sha256::digest(data)) != end.sha256 {
        return Err("the bytes do not have their sha256".into());
    }
    parse(data).map_err(|error| error.to_string())
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64
        .decode(text)
        .map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

fn write(mut connection: &UnixStream, frame: &Value) -> Result<()> {
    connection.write_all(format!("{frame}\n").as_bytes())
}
