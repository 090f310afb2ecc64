//! A Sentinel's connection to a server with data: requests and replies in bytes.
//!
//! A transaction runs at EXEC. A command that Sentinels never send is a failure.

use super::server::Server;
use russet_replication::first_request;

/// A request's words.
pub type Words = Vec<Vec<u8>>;

/// See the module.
#[derive(Default)]
pub struct Connection {
    input: Vec<u8>,
    queued: Option<Vec<Words>>,
    /// Whether the connection gets the messages of the channel.
    pub is_subscribed: bool,
}

/// A command whose effect goes beyond this connection.
pub enum Order {
    Follow(usize),
    Lead,
    /// A message for all subscribers.
    Publish(Words),
}

/// The words of the complete requests.
pub fn requests(input: &mut Vec<u8>) -> Vec<Words> {
    let mut all = Vec::new();
    while let Ok(request) = first_request(input) {
        let words = request.words.iter().map(|word| word.to_vec()).collect();
        let len = request.len;
        all.push(words);
        input.drain(..len);
    }
    all
}

/// The host of an address: see `World::ip`.
pub fn host_of(ip: &[u8]) -> Option<usize> {
    let last = ip.rsplit(|&b| b == b'.').next()?;
    let number: usize = std::str::from_utf8(last).ok()?.parse().ok()?;
    number.checked_sub(1)
}

/// A host's address.
pub fn ip_of(host: usize) -> String {
    format!("10.0.0.{}", host + 1)
}

/// A bulk string, or an array of bulk strings.
pub fn bulks(words: &[&[u8]], is_array: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if is_array {
        out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    }
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

impl Connection {
    /// Takes bytes; returns the replies, and the commands with further effects.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        server: &mut Server,
        now_ms: u64,
    ) -> Result<(Vec<u8>, Vec<Order>), String> {
        self.input.extend_from_slice(bytes);
        let (mut out, mut orders) = (Vec::new(), Vec::new());
        for words in requests(&mut self.input) {
            match &words[0].to_ascii_uppercase()[..] {
                b"MULTI" => {
                    self.queued = Some(Vec::new());
                    out.extend_from_slice(b"+OK\r\n");
                }
                b"EXEC" => {
                    let queued = self.queued.take().unwrap_or_default();
                    out.extend_from_slice(format!("*{}\r\n", queued.len()).as_bytes());
                    for words in queued {
                        self.run(&words, server, now_ms, &mut out, &mut orders)?;
                    }
                }
                _ => match &mut self.queued {
                    Some(queued) => {
                        queued.push(words);
                        out.extend_from_slice(b"+QUEUED\r\n");
                    }
                    None => self.run(&words, server, now_ms, &mut out, &mut orders)?,
                },
            }
        }
        Ok((out, orders))
    }

    fn run(
        &mut self,
        words: &Words,
        server: &mut Server,
        now_ms: u64,
        out: &mut Vec<u8>,
        orders: &mut Vec<Order>,
    ) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match words[..] {
            [b"PING"] => out.extend_from_slice(b"+PONG\r\n"),
            [b"INFO"] => out.extend_from_slice(&bulks(&[info(server, now_ms).as_bytes()], false)),
            [b"SLAVEOF", b"NO", b"ONE"] => {
                orders.push(Order::Lead);
                out.extend_from_slice(b"+OK\r\n");
            }
            [b"SLAVEOF", host, _] => {
                orders.push(Order::Follow(host_of(host).ok_or("SLAVEOF whom?")?));
                out.extend_from_slice(b"+OK\r\n");
            }
            [b"CONFIG", b"REWRITE"] => {
                // The world runs the earlier commands of the transaction after this command.
                let last = orders.iter().rev().find_map(|order| match order {
                    Order::Follow(to) => Some(Some(*to)),
                    Order::Lead => Some(None),
                    Order::Publish(_) => None,
                });
                server.saved_primary = last.unwrap_or(server.node.follows);
                out.extend_from_slice(b"+OK\r\n");
            }
            [b"SUBSCRIBE", channel] => {
                self.is_subscribed = true;
                out.extend_from_slice(b"*3\r\n");
                out.extend_from_slice(&bulks(&[b"subscribe", channel], false));
                out.extend_from_slice(b":1\r\n");
            }
            [b"PUBLISH", channel, message] => {
                orders.push(Order::Publish(vec![channel.to_vec(), message.to_vec()]));
                out.extend_from_slice(b":1\r\n");
            }
            [b"CLIENT", ..] => out.extend_from_slice(b"+OK\r\n"),
            // The Sentinel may take this server for a Sentinel.
            [b"SENTINEL", ..] => out.extend_from_slice(b"-ERR unknown command 'SENTINEL'\r\n"),
            _ => return Err(format!("a Sentinel sends {words:?}")),
        }
        Ok(())
    }
}

/// The fields of INFO that a Sentinel reads.
fn info(server: &Server, now_ms: u64) -> String {
    let node = &server.node;
    let mut text = format!(
        "# Server\r\nrun_id:{:040x}\r\n# Replication\r\n",
        server.run
    );
    let Some(upstream) = &node.upstream else {
        text += "role:master\r\n";
        for (n, (host, session)) in server.replicas().enumerate() {
            let (ip, offset) = (ip_of(host), session.acked.unwrap_or(0));
            text += &format!("slave{n}:ip={ip},port=6379,state=online,offset={offset},lag=0\r\n");
        }
        return text + "master_failover_state:no-failover\r\n";
    };
    let primary = ip_of(node.follows.unwrap_or(0));
    text += &format!("role:slave\r\nmaster_host:{primary}\r\nmaster_port:6379\r\n");
    if upstream.is_online() {
        text += "master_link_status:up\r\n";
    } else {
        // -1, because the link has never been up.
        let since_ms = upstream.down_since_ms;
        let seconds = since_ms.map_or(-1, |since_ms| (now_ms - since_ms) as i64 / 1000);
        text += &format!("master_link_status:down\r\nmaster_link_down_since_seconds:{seconds}\r\n");
    }
    let offset = node.stream.offset();
    text += &format!("slave_repl_offset:{offset}\r\nslave_priority:100\r\nreplica_announced:1\r\n");
    text + "master_failover_state:no-failover\r\n"
}
