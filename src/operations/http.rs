//! The little of HTTP/1.1 that a scrape needs: one GET or HEAD for each connection, no body, no
//! encoding.
//!
//! - `/metrics`: the metrics, in Prometheus's text format.
//! - `/healthz`: 200 as long as the process can go on, 503 while it starts and once something was given
//!   up for good, with the reason.

use std::io::{self, Read, Write};

use httparse::{EMPTY_HEADER, Request, Status};

use super::Operations;
use super::exposition::CONTENT_TYPE;

/// Longest head of a request, in bytes.
const LONGEST_HEAD: usize = 8 << 10;

/// Most headers of a request.
const MOST_HEADERS: usize = 64;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers the request of a connection.
pub(super) fn answer(mut connection: impl Read + Write, operations: &Operations) -> io::Result<()> {
    let (asked, answer) = match read_request(&mut connection)? {
        Some(Asked { method: Method::Other, .. }) => (Method::Get, Answer::method_not_allowed()),
        Some(Asked { method, path }) => (method, answer_to(&path, operations)),
        None => (Method::Get, Answer::plain("400 Bad Request", "this is no HTTP request\n")),
    };
    connection.write_all(answer.head().as_bytes())?;
    match asked {
        Method::Get | Method::Other => connection.write_all(answer.body.as_bytes())?,
        Method::Head => {}
    }
    connection.flush()
}

fn answer_to(path: &str, operations: &Operations) -> Answer {
    match path {
        "/metrics" => {
            let (status, body) = ("200 OK", operations.exposition());
            Answer { status, kind: CONTENT_TYPE, body, more: "" }
        }
        "/healthz" => health(operations.faults()),
        _ => Answer::plain("404 Not Found", "there are /metrics and /healthz\n"),
    }
}

fn health(faults: Option<Vec<String>>) -> Answer {
    const UNAVAILABLE: &str = "503 Service Unavailable";
    match faults {
        None => Answer::plain(UNAVAILABLE, "starting\n"),
        Some(faults) if faults.is_empty() => Answer::plain("200 OK", "ok\n"),
        Some(faults) => Answer::plain(UNAVAILABLE, &(faults.join("\n") + "\n")),
    }
}

/// What a client asks for.
struct Asked {
    method: Method,
    /// Without the query.
    path: String,
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
    Other,
}

/// Reads the head of a request; `None` if it is none.
fn read_request(connection: &mut impl Read) -> io::Result<Option<Asked>> {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let read = connection.read(&mut piece)?;
        head.extend_from_slice(&piece[..read]);
        let mut headers = [EMPTY_HEADER; MOST_HEADERS];
        let mut request = Request::new(&mut headers);
        match request.parse(&head) {
            Ok(Status::Complete(_)) => return Ok(Some(asked(&request))),
            Ok(Status::Partial) if read > 0 && head.len() < LONGEST_HEAD => {}
            Ok(Status::Partial) | Err(_) => return Ok(None),
        }
    }
}

fn asked(request: &Request<'_, '_>) -> Asked {
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some(_) | None => Method::Other,
    };
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    Asked { method, path: path.to_owned() }
}

/// What is answered.
struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
    /// A further header, with its line end.
    more: &'static str,
}

impl Answer {
    fn plain(status: &'static str, body: &str) -> Self {
        Self { status, kind: PLAIN, body: body.to_owned(), more: "" }
    }

    fn method_not_allowed() -> Self {
        let body = "only GET and HEAD\n";
        Self { more: "Allow: GET, HEAD\r\n", ..Self::plain("405 Method Not Allowed", body) }
    }

    fn head(&self) -> String {
        let Self { status, kind, body, more } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\
             Connection: close\r\n\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that sends this, a few bytes at a time, and keeps what it gets.
    struct Client<'a> {
        sends: &'a [u8],
        got: Vec<u8>,
    }

    impl Read for Client<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let few = self.sends.len().min(7).min(buffer.len());
            let (now, later) = self.sends.split_at(few);
            buffer[..few].copy_from_slice(now);
            self.sends = later;
            Ok(few)
        }
    }

    impl Write for Client<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.got.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(request: &str) -> String {
        let mut client = Client { sends: request.as_bytes(), got: Vec::new() };
        answer(&mut client, &Operations::default()).unwrap();
        String::from_utf8(client.got).unwrap()
    }

    #[test]
    fn metrics_and_health_are_found_and_nothing_else() {
        let metrics = ask("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
        assert!(metrics.contains("\nclassifyd_build_info{version="), "{metrics}");
        let health = ask("GET /healthz HTTP/1.1\r\n\r\n");
        assert!(health.starts_with("HTTP/1.1 503 ") && health.ends_with("\r\n\r\nstarting\n"));
        assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn a_head_has_no_body_and_other_methods_are_refused() {
        let head = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        let refused = ask("POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD"));
    }

    #[test]
    fn what_is_no_request_or_never_ends_is_refused() {
        for request in ["", "GET", "nonsense\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: a\r\n"] {
            assert!(ask(request).starts_with("HTTP/1.1 400 "), "{request}");
        }
        let endless = "GET / HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(2 * LONGEST_HEAD);
        assert!(ask(&endless).starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn health_names_what_was_given_up() {
        let sound = health(Some(Vec::new()));
        assert_eq!((sound.status, &*sound.body), ("200 OK", "ok\n"));
        let unsound = health(Some(vec!["model a is lost".to_owned()]));
        assert_eq!(unsound.status, "503 Service Unavailable");
        assert_eq!(unsound.body, "model a is lost\n");
    }
}
