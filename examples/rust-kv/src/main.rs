//! A replicated key-value server beside an Outrigger sidecar.
//!
//! A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
//! then `Machine::execute` changes the state. README.md has the requests.
//!
//! Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (default: any free port).

mod frames;
mod machine;
mod replica;

use frames::Refusal;
use machine::quote;
use percent_encoding::percent_decode_str;
use replica::Replica;
use serde_json::json;
use std::env;
use std::sync::Arc;
use tiny_http::{Header, Method, Request, Response, Server};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let path = env::var("OUTRIGGER_SOCKET")
        .map_err(|_| "set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- target/release/kv`")?;
    let port = env::var("KV_PORT").unwrap_or_else(|_| "0".into());
    let server = Server::http(format!("127.0.0.1:{port}"))?;
    let replica = Replica::new(path);
    let follower = Arc::clone(&replica);
    std::thread::spawn(move || follower.follow());
    println!("listening on http://{}", server.server_addr());
    for request in server.incoming_requests() {
        let replica = Arc::clone(&replica);
        std::thread::spawn(move || handle(&replica, request));
    }
    Ok(())
}

struct Reply {
    status: u16,
    index: Option<u64>,
    content_type: &'static str,
    body: String,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

fn handle(replica: &Replica, mut request: Request) {
    let reply = answer(replica, &mut request).unwrap_or_else(refuse);
    let mut response = Response::from_data(reply.body).with_status_code(reply.status);
    let mut header = |name: &str, value: &str| {
        response.add_header(Header::from_bytes(name, value).expect("our headers are ASCII"));
    };
    header("Content-Type", reply.content_type);
    if let Some(index) = reply.index {
        header("X-Index", &index.to_string());
    }
    if reply.status == 503 {
        header("Retry-After", "1");
    }
    let _ = request.respond(response); // or whoever asked is gone
}

fn answer(replica: &Replica, request: &mut Request) -> Result<Reply, Refusal> {
    let url = request.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let key = percent_decode_str(path.strip_prefix('/').unwrap_or(path)).decode_utf8_lossy();
    match request.method() {
        Method::Get if key == "_dump" => Ok(dump(replica)),
        Method::Get => get(replica, &key, query),
        Method::Put => {
            let mut value = String::new();
            request
                .as_reader()
                .read_to_string(&mut value)
                .map_err(|_| bad("values are UTF-8 text"))?;
            put(replica, json!({ "op": "put", "key": key, "value": value }))
        }
        Method::Delete => put(replica, json!({ "op": "delete", "key": key })),
        _ => Err(bad("PUT, GET and DELETE")),
    }
}

fn put(replica: &Replica, command: serde_json::Value) -> Result<Reply, Refusal> {
    let (index, result) = replica.propose(&command)?;
    // What execute answered, with the index before it.
    let body = format!("{{\"index\": {index}, {}", result.trim_start_matches('{'));
    Ok(Reply {
        status: 200,
        index: Some(index),
        content_type: JSON,
        body,
    })
}

fn get(replica: &Replica, key: &str, query: &str) -> Result<Reply, Refusal> {
    let mut fields = json!({});
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "consistency" => fields[name] = json!(value),
            "index" => {
                fields[name] = json!(value.parse::<u64>().map_err(|_| bad("index is a number"))?)
            }
            _ => {}
        }
    }
    replica.ask("read", fields)?; // back when our state is as fresh as was asked for
    let copy = replica.copy();
    let value = copy.machine.state().get(key);
    Ok(Reply {
        status: if value.is_some() { 200 } else { 404 },
        index: Some(copy.applied),
        content_type: TEXT,
        body: value.cloned().unwrap_or_default(),
    })
}

/// For tests: equal bytes on nodes that are equal.
fn dump(replica: &Replica) -> Reply {
    let copy = replica.copy();
    let mut body = format!("{{\"appliedIndex\": {}, \"state\": ", copy.applied).into_bytes();
    machine::write_chunks(
        copy.machine.state(),
        |data| -> Result<(), std::convert::Infallible> {
            body.extend(data);
            Ok(())
        },
    )
    .expect("it cannot fail");
    body.push(b'}');
    let body = String::from_utf8(body).expect("a snapshot is ASCII");
    Reply {
        status: 200,
        index: None,
        content_type: JSON,
        body,
    }
}

/// A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened.
fn refuse(no: Refusal) -> Reply {
    let status = match (no.definite, no.code.as_str()) {
        (false, _) => 504,
        (true, "BAD_REQUEST") => 400,
        (true, "TOO_LARGE") => 413,
        (true, _) => 503,
    };
    let (code, message) = (quote(&no.code), quote(&no.message));
    let body = format!(
        "{{\"code\": {code}, \"definite\": {}, \"message\": {message}}}",
        no.definite
    );
    Reply {
        status,
        index: None,
        content_type: JSON,
        body,
    }
}

fn bad(message: &str) -> Refusal {
    Refusal::new("BAD_REQUEST", true, message)
}
