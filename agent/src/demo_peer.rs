//! The demonstration's integration: `shop` posts orders to `billing`, two ordinary processes that speak
//! HTTP/1.1 over one kept-alive connection and know nothing of Pitot.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

/// Name of the process that takes orders.
pub const SERVER: &str = "billing";
/// Name of the process that posts them.
pub const CLIENT: &str = "shop";
/// The line on the client's standard input from which on its orders call `amount` `amount_minor`.
pub const RENAME_AMOUNT: &str = "rename-amount";

/// From one order to the next.
const PACE: Duration = Duration::from_millis(4);
/// Longest body taken, bytes: its own client sends less than a hundredth.
const LONGEST_BODY: usize = 64 << 10;

/// Takes orders on a port the system chooses and prints, until it is killed.
///
/// # Errors
/// When it cannot listen.
pub fn server() -> anyhow::Result<()> {
    take_name(SERVER)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port on loopback")?;
    println!("{}", listener.local_addr()?.port());
    for connection in listener.incoming() {
        let connection = connection?;
        // A client that goes away in the middle is its own affair.
        thread::spawn(move || take_orders(&connection));
    }
    Ok(())
}

/// Posts orders to `port` on loopback until its standard input ends.
///
/// # Errors
/// When the server does not answer as agreed.
pub fn client(port: u16) -> anyhow::Result<()> {
    take_name(CLIENT)?;
    let (renamed, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let told = (Arc::clone(&renamed), Arc::clone(&over));
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if line == RENAME_AMOUNT {
                told.0.store(true, Ordering::Relaxed);
            }
        }
        told.1.store(true, Ordering::Relaxed);
    });
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("the server is not there")?;
    connection.set_nodelay(true)?;
    let mut answers = BufReader::new(&connection);
    for number in 1_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let body = order(number, renamed.load(Ordering::Relaxed));
        write!(
            &connection,
            "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        read_message(&mut answers)?.context("the server ended the connection")?;
        thread::sleep(PACE);
    }
    Ok(())
}

/// Makes `name` the command name that `ps` and Pitot show; both ends are the same executable.
fn take_name(name: &str) -> anyhow::Result<()> {
    std::fs::write("/proc/self/comm", name).context("/proc/self/comm cannot be written")
}

/// Order `number`: always the same one.
fn order(number: u64, renamed: bool) -> String {
    let quantity = 1 + number % 5;
    let price = 250 + 35 * (number % 17);
    let amount = if renamed { "amount_minor" } else { "amount" };
    let total = quantity * price;
    format!(
        r#"{{"order":"o-{number}","{amount}":{total},"currency":"EUR","customer":{{"id":{},"country":"FR"}},"lines":[{{"sku":"s-{}","quantity":{quantity},"price":{price}}}]}}"#,
        1000 + number % 90,
        number % 40,
    )
}

fn take_orders(connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = BufReader::new(connection);
    let mut number = 0_u64;
    while read_message(&mut requests)?.is_some() {
        number += 1;
        let body = format!(r#"{{"charge":"c-{number}","status":"accepted"}}"#);
        let mut connection = connection;
        write!(
            connection,
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

/// The body of the next message, which must give its length; `None` at the end of the connection.
fn read_message(connection: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        }
    }
    if length > LONGEST_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_json_and_only_the_name_changes() {
        let parse = |renamed| serde_json::from_str::<serde_json::Value>(&order(7, renamed)).expect("JSON");
        let (before, mut after) = (parse(false), parse(true));
        assert_eq!(before["amount"], serde_json::json!(3 * (250 + 35 * 7)));
        let fields = after.as_object_mut().expect("an object");
        let amount = fields.remove("amount_minor").expect("renamed");
        assert_eq!(fields.insert("amount".into(), amount), None);
        assert_eq!(before, after);
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let mut wire = io::Cursor::new(
            "HTTP/1.1 201 Created\r\nContent-length: 2\r\n\r\nabHTTP/1.1 204 No Content\r\n\r\n",
        );
        assert_eq!(read_message(&mut wire).expect("read"), Some(b"ab".to_vec()));
        assert_eq!(read_message(&mut wire).expect("read"), Some(vec![]));
        assert_eq!(read_message(&mut wire).expect("read"), None);
    }
}
