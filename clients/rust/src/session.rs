//! A session makes trying again safe: a command takes effect once, however often it is sent and wherever.

use crate::{link, proposed, sleep, Client, Error, Proposed, Result};
use serde_json::json;
use std::time::{Duration, Instant};

/// One command after the other. `keep` it alive when it is idle.
pub struct Session {
    id: u64,
    /// The sequence of the next command.
    next: u64,
    /// What a caller has given up waiting for, and still occupies `next`.
    held: Option<Held>,
    gone: bool,
}

struct Held {
    command: String,
    /// An earlier try may have been taken.
    maybe: bool,
}

impl Session {
    pub(crate) fn new(id: u64) -> Self {
        Session {
            id,
            next: 1,
            held: None,
            gone: false,
        }
    }

    /// Sends the command until it is answered. When the time is up first and some try may have been taken, the error is not definite:
    /// the session keeps the command under its number, and settles it before whatever is proposed next.
    pub fn propose(
        &mut self,
        client: &mut Client,
        command: &[u8],
        timeout: Duration,
    ) -> Result<Proposed> {
        let deadline = Instant::now() + timeout;
        if self.gone {
            return Err(self.lost("it was lost before", true));
        }
        if let Some(held) = self.held.take() {
            match self.settle(client, held, deadline) {
                Err(error) if error.code != "SKIPPED" => return Err(self.instead(error)),
                _ => {}
            }
        }
        self.settle(
            client,
            Held {
                command: link::base64(command),
                maybe: false,
            },
            deadline,
        )
    }

    /// Says that it is still in use. Needed when it is idle for longer than a third of its time to live.
    pub fn keep(&mut self, client: &mut Client, timeout: Duration) -> Result<()> {
        let kept = client.call(
            "keepSession",
            json!({ "session": self.id }),
            Instant::now() + timeout,
        );
        match kept {
            Err(error) if error.code == "SESSION_UNKNOWN" => Err(self.lost(&error.message, true)),
            other => other.map(drop),
        }
    }

    /// Ends it. The outcome of what it holds stays unknown.
    pub fn close(self, client: &mut Client, timeout: Duration) -> Result<()> {
        match client.call(
            "closeSession",
            json!({ "session": self.id }),
            Instant::now() + timeout,
        ) {
            Err(error) if error.code != "SESSION_UNKNOWN" => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends it, always under the same sequence, until it is answered or surely refused.
    fn settle(
        &mut self,
        client: &mut Client,
        mut held: Held,
        deadline: Instant,
    ) -> Result<Proposed> {
        let fields = json!({
            "command": held.command, "session": self.id, "sequence": self.next, "ackBelow": self.next,
        });
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match client.once("propose", fields.clone(), deadline, true) {
                Ok((body, node)) => {
                    self.next += 1;
                    return Ok(proposed(&body, node));
                }
                Err(error) => error,
            };
            match error.code.as_str() {
                "SESSION_UNKNOWN" => return Err(self.lost(&error.message, !held.maybe)),
                // An operator's answer: the number is used, and no app was given the command.
                "SKIPPED" => {
                    self.next += 1;
                    return Err(error);
                }
                _ if !error.definite => held.maybe = true,
                // Every try was refused, for good: the number is free.
                code if !held.maybe && !error.passes() && code != "SEQUENCE_GAP" => {
                    return Err(error)
                }
                _ => {}
            }
            if !sleep(error.pause(tries), deadline) {
                if !held.maybe {
                    return Err(error);
                }
                self.held = Some(held);
                let text = format!(
                    "command {} of session {} was not answered in time; the session holds it",
                    self.next, self.id
                );
                return Err(Error::new("TIMEOUT", false, text));
            }
        }
    }

    /// An error of what was held before says nothing of the command that now could not be sent: that one surely did not happen.
    fn instead(&self, mut error: Error) -> Error {
        error.definite = true;
        if !error.session_lost {
            error.code = "NOT_SENT".into();
            error.message = format!(
                "an earlier command of the session is still unsettled: {}",
                error.message
            );
        }
        error
    }

    fn lost(&mut self, why: &str, sure: bool) -> Error {
        self.gone = true;
        let what = if sure {
            "this command was not taken"
        } else {
            "whether this command took effect is unknown"
        };
        let error = Error::new(
            "SESSION_UNKNOWN",
            sure,
            format!("session {}: {why}; {what}", self.id),
        );
        Error {
            session_lost: true,
            ..error
        }
    }
}
