//! Proposes each line of standard input, in one session: each takes effect once, whatever dies meanwhile.
//!
//!     cargo run --example lines -- [--once] /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN
//!
//! Prints `INDEX RESULT` for each, or `! KIND CODE: message`. With `--once`, without a session: nothing is tried again whose outcome is
//! unknown.

use outrigger_client::{Address, Client, Error};
use std::io::{stdin, BufRead};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let once = args.first().is_some_and(|arg| arg == "--once");
    let addresses = args.drain(usize::from(once)..).map(address).collect();
    let mut client = Client::connect(addresses, TIMEOUT)?;
    let mut session = match once {
        true => None,
        false => Some(client.open_session(Duration::from_secs(60), TIMEOUT)?),
    };
    for line in stdin().lock().lines() {
        let command = line?.into_bytes();
        let done = match &mut session {
            Some(session) => session.propose(&mut client, &command, TIMEOUT),
            None => client.propose(&command, TIMEOUT),
        };
        match done {
            Ok(done) => {
                let result = done.result.unwrap_or_default();
                println!("{} {}", done.index, String::from_utf8_lossy(&result));
            }
            Err(error) => println!("! {} {error}", kind(&error)),
        }
    }
    if let Some(session) = session {
        session.close(&mut client, TIMEOUT)?;
    }
    let index = client.highest_index();
    let read = client.read_at_least(index, TIMEOUT)?;
    eprintln!(
        "the app beside {} holds all of them: it has applied {}",
        read.node, read.index
    );
    Ok(())
}

fn kind(error: &Error) -> &'static str {
    match (error.session_lost, error.definite) {
        (true, _) => "session-lost",
        (false, true) => "definite",
        (false, false) => "unknown",
    }
}

fn address(text: String) -> Address {
    match text
        .strip_prefix("tcp://")
        .and_then(|rest| rest.split_once(','))
    {
        Some((at, token)) => Address::Tcp(at.into(), token.into()),
        None => Address::Unix(text),
    }
}
