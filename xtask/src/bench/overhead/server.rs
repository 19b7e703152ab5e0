//! The server under load: nginx, one worker, with a small and a large document.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::process;

/// Bytes of the small document, and of what `/answer` gives to any request.
pub(super) const SMALL: usize = 1024;
/// Bytes of the large document.
pub(super) const LARGE: usize = 64 * 1024;

/// An nginx of its own, that ends when this is dropped.
pub(super) struct Server {
    pub(super) port: u16,
    child: Child,
    dir: PathBuf,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let dir = process::target_dir().join("bench-nginx");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("small.json"), document(SMALL))?;
        fs::write(dir.join("large.json"), document(LARGE))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = dir.join("nginx.conf");
        fs::write(&file, configuration(&dir.display().to_string(), port))?;
        let mut command = process::command("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(dir.join("error")).stdin(Stdio::null());
        let mut server = Self { child: command.spawn().context("cannot start nginx")?, port, dir };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(server.child.try_wait()?.is_none(), "nginx ended: see {}/error", server.dir.display());
            std::thread::yield_now();
        }
        Ok(server)
    }

    /// The address of a document.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that nginx ends its worker too.
        let _ = process::output(process::command("kill").arg(self.child.id().to_string()));
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// `/answer` takes a body and gives the small document, whatever method and whatever follows in the path.
fn configuration(at: &str, port: u16) -> String {
    let answer = document(SMALL);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {at}/{name};\n"))
        .collect();
    format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 16384; user root; pid {at}/pid; error_log {at}/error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; {temporary}\n\
         types {{ application/json json; }} default_type application/json;\n\
         server {{ listen 127.0.0.1:{port} backlog=8192; root {at};\n\
         location /answer {{ return 200 '{answer}'; }} }} }}\n"
    )
}

/// An order of exactly so many bytes, about one leaf in 30 of them.
pub(super) fn document(bytes: usize) -> String {
    let line = |number: usize| {
        format!(
            "{{\"sku\":\"AX-{:05}\",\"name\":\"Hexagon bolt M8 x 40, box of 100\",\"quantity\":{},\
             \"unit_price\":{},\"tax_rate\":0.19}},",
            10_000 + number % 90_000,
            1 + number % 9,
            1_990 + number % 5_000,
        )
    };
    let mut text = String::from(
        "{\"id\":48151623,\"customer\":{\"number\":\"C-20417\",\"country\":\"DE\"},\"currency\":\"EUR\",\
         \"express\":false,\"coupon\":null,\"lines\":[",
    );
    let tail = "],\"note\":\"\"}";
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() + tail.len() > bytes {
            break;
        }
        text.push_str(&line);
    }
    text.truncate(text.trim_end_matches(',').len());
    let fill = bytes.saturating_sub(text.len() + tail.len());
    format!("{text}],\"note\":\"{}\"}}", "x".repeat(fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_json_of_their_size() {
        let check = |bytes| {
            let text = document(bytes);
            assert_eq!(text.len(), bytes);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        };
        check(256);
        check(SMALL);
        check(LARGE);
    }
}
