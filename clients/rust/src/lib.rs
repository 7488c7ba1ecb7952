//! A thin client of an Outrigger cluster: proposals, reads and sessions at any of its nodes, or at a gateway.
//!
//! Blocking, one request at a time, no threads: `link.rs` is one connection, this file decides what is tried again and where.
//! README.md has the rules; docs/protocol.md has the frames.

mod link;
mod session;

use link::Link;
use serde_json::{json, Value};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

pub use session::Session;

/// One try of what may be tried again. Then it is tried again.
const TRY: Duration = Duration::from_secs(3);
/// How much longer the node has to say TIMEOUT by itself. Silent, it is left.
const GRACE: Duration = Duration::from_millis(500);
/// From dialling to the welcome. Then the next node is dialled.
const DIAL: Duration = Duration::from_secs(2);
/// Pause after failures in a row, doubled from the first to the last, less up to half by chance.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A node may ask us to come back later than this. We come back after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// Failures in a row of a node that answers. Then it is left.
const FAILURES_TO_MOVE: u32 = 3;

/// Where a node's app socket is.
#[derive(Clone, Debug)]
pub enum Address {
    Unix(String),
    /// `HOST:PORT`, and the token of its `write` scope.
    Tcp(String, String),
}

/// A call failed. `definite`: it did not and will not happen. Otherwise it may have happened, or may still happen. Branch on that and
/// not on `code`: new codes may come. The client's own are NOT_SENT, CONNECTION_LOST and WRONG_CLUSTER.
#[derive(Clone, Debug)]
pub struct Error {
    pub code: String,
    pub definite: bool,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// The session is gone, and with it the knowledge of what it did not answer. What is done next needs another one.
    pub session_lost: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    fn new(code: &str, definite: bool, message: impl Into<String>) -> Self {
        Error {
            code: code.into(),
            definite,
            message: message.into(),
            retry_after: None,
            session_lost: false,
        }
    }

    /// Surely not done, and worth another try by itself.
    fn passes(&self) -> bool {
        self.definite
            && (self.retry_after.is_some()
                || matches!(
                    self.code.as_str(),
                    "OVERLOADED" | "APP_ABSENT" | "NO_SPACE" | "NOT_SENT"
                ))
    }

    fn pause(&self, tries: u32) -> Duration {
        match (self.retry_after, self.code.as_str()) {
            (Some(after), _) => after.min(RETRY_AFTER_MAX),
            (None, "CONNECTION_LOST" | "SHUTTING_DOWN") => Duration::ZERO, // at another node, which has its own pause
            _ => backoff(tries),
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// What a command did.
#[derive(Debug)]
pub struct Proposed {
    pub index: u64,
    pub term: u64,
    /// What the app answered.
    pub result: Option<Vec<u8>>,
    /// An earlier try took effect: this is its answer.
    pub duplicate: bool,
    /// It took effect, and the node no longer has its result.
    pub result_lost: bool,
    pub node: String,
}

/// The app beside `node` has applied at least `index`, and may be read now.
#[derive(Debug)]
pub struct ReadIndex {
    pub index: u64,
    pub node: String,
}

/// Stays with one node for as long as that answers, then goes to the next one.
pub struct Client {
    addresses: Vec<Address>,
    link: Option<Link>,
    /// Of the first welcome; no other one is accepted.
    cluster: Option<String>,
    /// The next address to dial.
    at: usize,
    /// To reach a node, in a row.
    fails: u32,
    /// Of a node that answers, in a row.
    setbacks: u32,
    highest_index: u64,
}

impl Client {
    /// Returns when one of these nodes has welcomed us. They are dialled in this order.
    pub fn connect(addresses: Vec<Address>, timeout: Duration) -> Result<Client> {
        if addresses.is_empty() {
            return Err(Error::new(
                "BAD_REQUEST",
                true,
                "a client needs the address of a node",
            ));
        }
        let (link, cluster, at, fails, setbacks, highest_index) = (None, None, 0, 0, 0, 0);
        let mut client = Client {
            addresses,
            link,
            cluster,
            at,
            fails,
            setbacks,
            highest_index,
        };
        client.reach(Instant::now() + timeout)?;
        Ok(client)
    }

    /// The highest index of all answers so far: hand it to whoever must see what this client has seen.
    pub fn highest_index(&self) -> u64 {
        self.highest_index
    }

    /// Proposes a command once. When the outcome is unknown it is not tried again, since it could happen twice: a session can.
    pub fn propose(&mut self, command: &[u8], timeout: Duration) -> Result<Proposed> {
        let fields = json!({ "command": link::base64(command) });
        self.call("propose", fields, Instant::now() + timeout)
            .map(|(body, node)| proposed(&body, node))
    }

    /// Waits until the app beside the node that answers may be read, linearizably: it has every write acknowledged before.
    pub fn read(&mut self, timeout: Duration) -> Result<ReadIndex> {
        self.read_with(json!({ "consistency": "LINEARIZABLE" }), timeout)
    }

    /// Sees everything up to that index, and asks no leader. With `highest_index` no read of this client goes back.
    pub fn read_at_least(&mut self, index: u64, timeout: Duration) -> Result<ReadIndex> {
        self.read_with(
            json!({ "consistency": "AT_LEAST", "index": index }),
            timeout,
        )
    }

    fn read_with(&mut self, fields: Value, timeout: Duration) -> Result<ReadIndex> {
        let (body, node) = self.call("read", fields, Instant::now() + timeout)?;
        Ok(ReadIndex {
            index: number(&body, "index"),
            node,
        })
    }

    /// Opens a session that ends by itself when nothing was heard of it for `ttl`.
    pub fn open_session(&mut self, ttl: Duration, timeout: Duration) -> Result<Session> {
        let fields = json!({ "ttlMs": ttl.as_millis() as u64 });
        let (body, _) = self.call("openSession", fields, Instant::now() + timeout)?;
        Ok(Session::new(number(&body, "session")))
    }

    /// Tries until it is answered, for as long as that is safe: after a definite refusal that passes, and, unless it is a proposal,
    /// after any unknown outcome.
    fn call(&mut self, name: &str, fields: Value, deadline: Instant) -> Result<(Value, String)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.once(name, fields.clone(), deadline, name != "propose") {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = error.passes() || (!error.definite && name != "propose");
            if !again || !sleep(error.pause(tries), deadline) {
                return Err(error);
            }
        }
    }

    /// Sends a request to the node that we are with, and learns from the answer whether to stay there.
    fn once(
        &mut self,
        name: &str,
        mut fields: Value,
        deadline: Instant,
        short: bool,
    ) -> Result<(Value, String)> {
        let link = self.reach(deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let time = if short { left.min(TRY) } else { left };
        fields["timeoutMs"] = json!((time.as_millis() as u64).clamp(1, 86_400_000));
        let outcome = if name == "propose" && link.says_stop {
            Err(Error::new("OVERLOADED", true, "the node says STOP"))
        } else {
            link.ask(name, fields, Instant::now() + time + GRACE)
        };
        let (node, usable) = (link.node.clone(), link.usable);
        match &outcome {
            Ok(body) => {
                (self.fails, self.setbacks) = (0, 0);
                let seen = number(body, "index").max(number(body, "session"));
                self.highest_index = self.highest_index.max(seen);
            }
            Err(error) => self.judge(error),
        }
        if !usable {
            self.leave();
        }
        outcome.map(|body| (body, node))
    }

    /// Leaves the node when its error says that it cannot, and another one may.
    fn judge(&mut self, error: &Error) {
        let others = self.addresses.len() > 1;
        match error.code.as_str() {
            "SHUTTING_DOWN" => return self.leave(),
            "APP_ABSENT" | "NO_SPACE" if others => return self.leave(),
            "OVERLOADED" | "TIMEOUT" | "LEADER_LOST" | "INTERNAL" => self.setbacks += 1,
            _ => {}
        }
        if self.setbacks >= FAILURES_TO_MOVE && others {
            self.leave();
        }
    }

    fn leave(&mut self) {
        if self.link.take().is_some() {
            self.at += 1;
            self.fails += 1;
            self.setbacks = 0;
        }
    }

    /// The connection that there is; else node after node is dialled until one welcomes us.
    fn reach(&mut self, deadline: Instant) -> Result<&mut Link> {
        if !self.link.as_mut().is_none_or(Link::catch_up) {
            self.leave();
        }
        let mut refusals = 0;
        while self.link.is_none() {
            // The first failure costs nothing: the next node is dialled at once.
            if self.fails > 1 && !sleep(backoff(self.fails - 1), deadline) {
                return Err(Error::new("NOT_SENT", true, "no node was reached in time"));
            }
            let address = &self.addresses[self.at % self.addresses.len()];
            match Link::open(address, deadline.min(Instant::now() + DIAL))
                .and_then(|link| self.belongs(link))
            {
                Ok(link) => {
                    self.link = Some(link);
                    self.setbacks = 0;
                }
                Err(error) => {
                    self.at += 1;
                    self.fails += 1;
                    // May it welcome us a moment later? When no node may, waiting is in vain.
                    refusals = if error.definite && error.code != "OVERLOADED" {
                        refusals + 1
                    } else {
                        0
                    };
                    if refusals >= self.addresses.len() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(self.link.as_mut().expect("the loop ends with one"))
    }

    fn belongs(&mut self, link: Link) -> Result<Link> {
        let cluster = self.cluster.get_or_insert_with(|| link.cluster.clone());
        if link.cluster == *cluster {
            return Ok(link);
        }
        let text = format!(
            "{} is a node of {}, not of {cluster}",
            link.node, link.cluster
        );
        Err(Error::new("WRONG_CLUSTER", true, text))
    }
}

fn proposed(body: &Value, node: String) -> Proposed {
    Proposed {
        index: number(body, "index"),
        term: number(body, "term"),
        result: body["result"].as_str().and_then(link::unbase64),
        duplicate: body["duplicate"] == true,
        result_lost: body["resultLost"] == true,
        node,
    }
}

/// 64-bit integers are numbers, or decimal strings.
fn number(body: &Value, name: &str) -> u64 {
    let value = &body[name];
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or(0)
}

/// From half of the doubled pause to all of it, so that clients that failed together do not come back together.
fn backoff(failures: u32) -> Duration {
    let full = BACKOFF_MAX.min(BACKOFF_MIN * 2u32.pow(failures.saturating_sub(1).min(10)));
    let chance = RandomState::new().hash_one(0) % 1024;
    full / 2 + full / 2 * chance as u32 / 1024
}

/// Says whether there is time left afterwards.
fn sleep(pause: Duration, deadline: Instant) -> bool {
    let in_time = Instant::now() + pause < deadline;
    if in_time {
        std::thread::sleep(pause);
    }
    in_time
}
