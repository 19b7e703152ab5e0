//! A small exchange of seeded bodies, and whether the agent saw every byte of it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::programs;
use crate::recording::Recording;
use crate::report::Report;

const SIZES: [usize; 4] = [1, 1 << 10, 64 << 10, 1 << 20];

pub(crate) fn run(report: &mut Report) -> Result<(), String> {
    let recording = Recording::start()?;
    report.line(&json!({"loading_ms": recording.loading.as_millis() as u64}));
    for program in programs::of_the_agent()? {
        report.line(&json!({"program": program}));
    }
    let mut expected = Vec::new();
    for (family, address) in
        [("ipv4", IpAddr::from(Ipv4Addr::LOCALHOST)), ("ipv6", IpAddr::from(Ipv6Addr::LOCALHOST))]
    {
        let server = TcpListener::bind(SocketAddr::new(address, 0)).map_err(|e| e.to_string())?;
        let to = server.local_addr().map_err(|e| e.to_string())?;
        for size in SIZES {
            let name = format!("/{family}/{size}");
            thread::scope(|scope| {
                let answer = scope.spawn(|| serve(&server));
                let asked = ask(to, &name, size);
                asked.and(answer.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
            })
            .map_err(|e| format!("{name}: {e}"))?;
            expected.push((name, size));
        }
    }
    let (messages, said) = recording.stop()?;
    for (name, size) in expected {
        for side in ["request", "response"] {
            let outcome = judge(&messages, &name, side, size);
            report.line(&case(&format!("{}/{side}", &name[1..]), outcome));
        }
    }
    report.line(&json!({"said": said}));
    Ok(())
}

/// A line of the capture suite's shape, for one message.
fn case(name: &str, outcome: &str) -> Value {
    let count = |of: &str| u64::from(of == outcome);
    json!({"case": name, "sent": 1, "exact": count("exact"), "declared": count("declared"), "lost": 0,
        "missing": count("missing"), "wrong": count("wrong")})
}

fn judge(messages: &[Value], name: &str, side: &str, size: usize) -> &'static str {
    let exchange = messages.iter().find(|m| m["target"] == name).map(|m| &m["exchange"]);
    let Some(message) =
        exchange.and_then(|id| messages.iter().find(|m| m["side"] == side && &m["exchange"] == id))
    else {
        return "missing";
    };
    if message["complete"] == false {
        return "declared";
    }
    if message["body_sha256"] == hash(&body(size, side)) { "exact" } else { "wrong" }
}

fn ask(to: SocketAddr, name: &str, size: usize) -> io::Result<()> {
    let mut socket = TcpStream::connect(to)?;
    write!(socket, "POST {name} HTTP/1.1\r\nHost: guest\r\nContent-Length: {size}\r\n\r\n")?;
    socket.write_all(&body(size, "request"))?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    if answer.ends_with(&body(size, "response")) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn serve(server: &TcpListener) -> io::Result<()> {
    let (socket, _) = server.accept()?;
    let mut from = BufReader::new(socket);
    let mut size = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            size = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    io::copy(&mut (&mut from).take(size as u64), &mut io::sink())?;
    let mut socket = from.into_inner();
    write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n")?;
    socket.write_all(&body(size, "response"))
}

/// Bytes that depend on size and side alone (xorshift64*, Vigna 2016).
fn body(size: usize, side: &str) -> Vec<u8> {
    let mut state = (size + side.len()) as u64 ^ 0x9e37_79b9_7f4a_7c15;
    (0..size)
        .map(|_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
        .collect()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
