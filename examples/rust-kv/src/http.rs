//! As much HTTP/1.1 as the server needs: a thread per connection, which stays open for further requests.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// All headers of a request. Over it: the connection is closed.
const HEAD_BYTES: usize = 64 * 1024;
/// One body. Over it: 413, and the connection is closed.
const BODY_BYTES: usize = 8 * 1024 * 1024;

pub struct Request {
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    pub body: Vec<u8>,
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Serves for ever.
pub fn serve(listener: TcpListener, handle: impl Fn(Request) -> Reply + Send + Sync + 'static) {
    let handle = Arc::new(handle);
    for stream in listener.incoming().flatten() {
        let handle = Arc::clone(&handle);
        std::thread::spawn(move || {
            // An error says that whoever asked is gone, or did not speak HTTP.
            let _ = converse(&stream, &*handle);
        });
    }
}

fn converse(stream: &TcpStream, handle: &dyn Fn(Request) -> Reply) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    while let Some(head) = read_head(&mut input)? {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut slots);
        parsed
            .parse(&head)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let header = |name: &str| {
            let found = parsed
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| {
                String::from_utf8_lossy(header.value)
                    .trim()
                    .to_ascii_lowercase()
            })
        };
        let length = header("content-length").map_or(Ok(0), |text| text.parse::<usize>());
        let (Ok(length), None) = (length, header("transfer-encoding")) else {
            return respond(
                stream,
                &refusal(411, "a body comes with its Content-Length"),
            );
        };
        if length > BODY_BYTES {
            return respond(stream, &refusal(413, "the body is too long"));
        }
        if header("expect").is_some_and(|value| value == "100-continue") {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let ends = header("connection").is_some_and(|value| value == "close");
        let method = parsed.method.unwrap_or_default().to_owned();
        let target = parsed.path.unwrap_or_default().to_owned();
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        respond(
            stream,
            &handle(Request {
                method,
                target,
                body,
            }),
        )?;
        if ends {
            break;
        }
    }
    Ok(())
}

/// Everything up to the empty line; none when the connection was closed between two requests.
fn read_head(input: &mut BufReader<&TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let left = (HEAD_BYTES - head.len()) as u64;
        if input.by_ref().take(left).read_until(b'\n', &mut head)? == 0 {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        }
    }
    Ok(Some(head))
}

fn refusal(status: u16, message: &str) -> Reply {
    let headers = vec![("Connection", "close".to_owned())];
    Reply {
        status,
        headers,
        body: message.as_bytes().to_vec(),
    }
}

fn respond(mut stream: &TcpStream, reply: &Reply) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} -\r\nContent-Length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), &reply.body].concat())
}
