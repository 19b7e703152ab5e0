//! The demonstration's integration: `shop` posts orders to `billing`, two ordinary processes that speak
//! HTTP/1.1 over one kept-alive connection and know nothing of Pitot.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use pitot_observe::hash::mix;

/// Name of the process that takes orders.
pub const SERVER: &str = "billing";
/// Name of the process that posts them.
pub const CLIENT: &str = "shop";

/// What goes wrong in the client's orders, from the line with its name on the client's standard input on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// `amount` is called `amount_minor`.
    AmountRenamed,
    /// Weights are in grams instead of kilograms.
    WeightInGrams,
    /// Deliveries take four days longer.
    DeliveryLate,
}

impl Mishap {
    /// Every mishap.
    pub const ALL: [Self; 3] = [Self::AmountRenamed, Self::WeightInGrams, Self::DeliveryLate];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AmountRenamed => "amount-renamed",
            Self::WeightInGrams => "weight-in-grams",
            Self::DeliveryLate => "delivery-late",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// From one order to the next.
const PACE: Duration = Duration::from_millis(2);
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
    let (mishaps, over) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicBool::new(false)));
    let told = (Arc::clone(&mishaps), Arc::clone(&over));
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if let Some(mishap) = Mishap::ALL.iter().find(|mishap| mishap.name() == line) {
                told.0.fetch_or(mishap.bit(), Ordering::Relaxed);
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
        let body = order(number, mishaps.load(Ordering::Relaxed));
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

/// Order `number` with these mishaps: always the same one.
fn order(number: u64, mishaps: u8) -> String {
    let has = |mishap: Mishap| mishaps & mishap.bit() != 0;
    let random = mix(number);
    let draw = |shift: u32, end: u64| (random >> shift) % end;
    let quantity = 1 + draw(0, 5);
    let price = 250 + 35 * draw(8, 17);
    let amount = if has(Mishap::AmountRenamed) { "amount_minor" } else { "amount" };
    let total = quantity * price;
    let grams = quantity * (120 + draw(16, 900));
    let weight = if has(Mishap::WeightInGrams) {
        grams.to_string()
    } else {
        format!("{}.{:03}", grams / 1_000, grams % 1_000)
    };
    let days = 2 + draw(32, 3) + draw(40, 3) + if has(Mishap::DeliveryLate) { 4 } else { 0 };
    format!(
        r#"{{"order":"o-{number}","{amount}":{total},"currency":"EUR","customer":{{"id":{},"country":"FR"}},"parcel":{{"weight":{weight},"days":{days}}},"lines":[{{"sku":"s-{}","quantity":{quantity},"price":{price}}}]}}"#,
        1000 + draw(48, 90),
        draw(56, 40),
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
    fn an_order_is_json_and_only_what_went_wrong_changes() {
        let parse = |mishaps: &[Mishap]| {
            let bits = mishaps.iter().fold(0, |bits, mishap| bits | mishap.bit());
            serde_json::from_str::<serde_json::Value>(&order(7, bits)).expect("JSON")
        };
        let right = parse(&[]);
        let check = |mishap: Mishap, change: fn(&mut serde_json::Value)| {
            let mut expected = right.clone();
            change(&mut expected);
            assert_eq!(parse(&[mishap]), expected, "{mishap:?}");
        };
        check(Mishap::AmountRenamed, |order| {
            let fields = order.as_object_mut().expect("an object");
            let amount = fields.remove("amount").expect("there");
            fields.insert("amount_minor".into(), amount);
        });
        check(Mishap::WeightInGrams, |order| {
            let kilograms = order["parcel"]["weight"].as_f64().expect("a number");
            order["parcel"]["weight"] = ((kilograms * 1e3).round() as u64).into();
        });
        check(Mishap::DeliveryLate, |order| {
            let days = order["parcel"]["days"].as_u64().expect("a number");
            order["parcel"]["days"] = (days + 4).into();
        });
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
