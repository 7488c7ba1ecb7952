//! A replicated key-value server beside an Outrigger sidecar.
//!
//! A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
//! then `Machine::execute` changes the state. README.md has the requests.
//!
//! Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (default: any free port).

mod frames;
mod http;
mod machine;
mod replica;

use frames::Refusal;
use http::{Reply, Request};
use machine::quote;
use percent_encoding::percent_decode_str;
use replica::Replica;
use serde_json::json;
use std::env;
use std::net::TcpListener;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = env::var("OUTRIGGER_SOCKET")
        .map_err(|_| "set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- target/release/kv`")?;
    let port = env::var("KV_PORT").unwrap_or_else(|_| "0".into()).parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let replica = Replica::new(path);
    let follower = Arc::clone(&replica);
    std::thread::spawn(move || follower.follow());
    println!("listening on http://{}", listener.local_addr()?);
    http::serve(listener, move |request| {
        answer(&replica, request).unwrap_or_else(refuse)
    });
    Ok(())
}

fn answer(replica: &Replica, request: Request) -> Result<Reply, Refusal> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let key = percent_decode_str(path.strip_prefix('/').unwrap_or(path)).decode_utf8_lossy();
    match request.method.as_str() {
        "GET" if key == "_dump" => Ok(dump(replica)),
        "GET" => get(replica, &key, query),
        "PUT" => {
            let value =
                String::from_utf8(request.body).map_err(|_| bad("values are UTF-8 text"))?;
            put(replica, json!({ "op": "put", "key": key, "value": value }))
        }
        "DELETE" => put(replica, json!({ "op": "delete", "key": key })),
        _ => Err(bad("PUT, GET and DELETE")),
    }
}

fn as_json(status: u16, body: String) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type", "application/json".into())],
        body: body.into(),
    }
}

fn put(replica: &Replica, command: serde_json::Value) -> Result<Reply, Refusal> {
    let (index, result) = replica.propose(&command)?;
    // What execute answered, with the index before it.
    let body = format!("{{\"index\": {index}, {}", result.trim_start_matches('{'));
    let mut reply = as_json(200, body);
    reply.headers.push(("X-Index", index.to_string()));
    Ok(reply)
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
    let content_type = "text/plain; charset=utf-8".to_owned();
    Ok(Reply {
        status: if value.is_some() { 200 } else { 404 },
        headers: vec![
            ("X-Index", copy.applied.to_string()),
            ("Content-Type", content_type),
        ],
        body: value.cloned().unwrap_or_default().into(),
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
    as_json(200, String::from_utf8(body).expect("a snapshot is ASCII"))
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
    let mut reply = as_json(status, body);
    if status == 503 {
        reply.headers.push(("Retry-After", "1".into()));
    }
    reply
}

fn bad(message: &str) -> Refusal {
    Refusal::new("BAD_REQUEST", true, message)
}
