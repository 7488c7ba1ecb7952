//! One connection to one node: hello, then one request at a time, until it is lost or left.

use crate::{number, Address, Error, Result};
use base64::{engine::general_purpose::STANDARD, Engine};
use serde_json::{json, Value};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// One line from a node. Over it: the connection is given up.
const LINE_BYTES: usize = 8 << 20;

trait Stream: Read + Write {
    fn patience(&self, time: Duration) -> std::io::Result<()>;
    fn nonblocking(&self, yes: bool) -> std::io::Result<()>;
}

impl Stream for UnixStream {
    fn patience(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn nonblocking(&self, yes: bool) -> std::io::Result<()> {
        self.set_nonblocking(yes)
    }
}

impl Stream for TcpStream {
    fn patience(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn nonblocking(&self, yes: bool) -> std::io::Result<()> {
        self.set_nonblocking(yes)
    }
}

pub struct Link {
    stream: Box<dyn Stream + Send>,
    input: Vec<u8>,
    last: u64,
    /// Bytes that a command may have; 0 where the node has not said so.
    largest: usize,
    pub node: String,
    pub cluster: String,
    /// No proposals now.
    pub says_stop: bool,
    /// False when it is lost, or the node has said goodbye.
    pub usable: bool,
}

impl Link {
    /// Dials, says hello, and waits for the welcome.
    pub fn open(address: &Address, deadline: Instant) -> Result<Link> {
        let mut hello = json!({ "protocol": 1, "app": "outrigger-rust" });
        let stream: std::io::Result<Box<dyn Stream + Send>> = match address {
            Address::Unix(path) => UnixStream::connect(path).map(|stream| Box::new(stream) as _),
            Address::Tcp(at, token) => {
                hello["token"] = json!(token);
                TcpStream::connect(at).and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as _)
                })
            }
        };
        let stream = stream.map_err(|error| {
            Error::new("CONNECTION_LOST", false, format!("{address:?}: {error}"))
        })?;
        let (input, last) = (Vec::new(), 0);
        let (node, cluster) = (String::new(), String::new());
        let mut link = Link {
            stream,
            input,
            last,
            largest: 0,
            node,
            cluster,
            says_stop: false,
            usable: true,
        };
        link.send(&json!({ "hello": hello }), deadline)?;
        loop {
            let frame = link.next(deadline)?;
            if let Some(welcome) = frame.get("welcome") {
                link.node = text(welcome, "node");
                link.cluster = text(welcome, "cluster");
                link.largest = number(&welcome["limits"], "commandBytes") as usize;
                return Ok(link);
            } else if let Some(error) = frame.get("error") {
                return Err(refusal(error));
            }
        }
    }

    /// Sends a request and waits for its answer. An error is definite only where the node said so.
    pub fn ask(&mut self, name: &str, mut fields: Value, deadline: Instant) -> Result<Value> {
        self.admit(&fields)?;
        self.last += 1;
        fields["id"] = json!(self.last);
        self.send(&json!({ name: fields }), deadline)?;
        loop {
            let frame = self.next(deadline)?;
            if let Some(answer) = self.heed(&frame) {
                return answer;
            }
        }
    }

    /// Refuses a request whose command the node would not take. It would say so itself; but one too large for a frame would cost the
    /// connection.
    fn admit(&self, fields: &Value) -> Result<()> {
        let text = fields["command"].as_str().unwrap_or_default();
        let padding = text.bytes().rev().take_while(|&byte| byte == b'=').count();
        let bytes = text.len() / 4 * 3 - padding;
        if self.largest == 0 || bytes <= self.largest {
            return Ok(());
        }
        let most = self.largest;
        let why = format!("the command has {bytes} bytes, over the node's limit of {most}");
        Err(Error::new("TOO_LARGE", true, why))
    }

    /// Takes what the node has said since, so that a goodbye is heard before the next request is sent. Says whether it is still there.
    pub fn catch_up(&mut self) -> bool {
        let mut chunk = [0; 65_536];
        let read = self
            .stream
            .nonblocking(true)
            .and_then(|()| self.stream.read(&mut chunk));
        match read {
            Ok(0) => self.usable = false,
            Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            Err(error) => self.usable &= error.kind() == ErrorKind::WouldBlock,
        }
        self.usable &= self.stream.nonblocking(false).is_ok();
        while let Some(Ok(frame)) = self.line(0) {
            self.heed(&frame);
        }
        self.usable
    }

    /// The answer to the newest request, if this is it.
    fn heed(&mut self, frame: &Value) -> Option<Result<Value>> {
        let Some((name, body)) = frame.as_object().and_then(|members| members.iter().next()) else {
            return Some(Err(self.broken("the node sent a line that is not a frame")));
        };
        match name.as_str() {
            "pressure" => self.says_stop = body["level"] == "STOP",
            "goodbye" => self.usable = false, // it may answer yet what it was asked before
            _ if number(body, "id") != self.last => {}
            "error" => return Some(Err(refusal(body))),
            _ => return Some(Ok(body.clone())),
        }
        None
    }

    fn send(&mut self, frame: &Value, deadline: Instant) -> Result<()> {
        self.wait_until(deadline)?;
        self.stream
            .write_all(format!("{frame}\n").as_bytes())
            .map_err(|error| self.lost(&error))
    }

    fn next(&mut self, deadline: Instant) -> Result<Value> {
        let mut scanned = 0;
        loop {
            if let Some(frame) = self.line(scanned) {
                return frame;
            }
            scanned = self.input.len();
            if scanned > LINE_BYTES {
                return Err(self.broken("the node sent a line that does not end"));
            }
            self.wait_until(deadline)?;
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.broken("the node closed the connection")),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// The next whole line; none ends before `scanned`.
    fn line(&mut self, scanned: usize) -> Option<Result<Value>> {
        let end = scanned
            + self.input[scanned..]
                .iter()
                .position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        Some(serde_json::from_slice(&line).map_err(|error| self.broken(&error.to_string())))
    }

    fn wait_until(&mut self, deadline: Instant) -> Result<()> {
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => self
                .stream
                .patience(left)
                .map_err(|error| self.lost(&error)),
            _ => Err(self.lost(&ErrorKind::TimedOut.into())),
        }
    }

    fn lost(&mut self, error: &std::io::Error) -> Error {
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            self.usable = false; // silent; and an answer that comes later must not be taken for another's
            return Error::new("TIMEOUT", false, "the node did not answer in time");
        }
        self.broken(&error.to_string())
    }

    fn broken(&mut self, why: &str) -> Error {
        self.usable = false;
        Error::new("CONNECTION_LOST", false, why)
    }
}

fn refusal(body: &Value) -> Error {
    Error {
        code: text(body, "code"),
        definite: body["definite"] == true, // who does not say that nothing happened has not said it
        message: text(body, "message"),
        retry_after: body
            .get("retryAfterMs")
            .map(|_| Duration::from_millis(number(body, "retryAfterMs"))),
        session_lost: false,
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

pub fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
