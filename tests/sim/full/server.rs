//! A server on its own thread, driven turn by turn. Its memory is the memory of its thread and of
//! its helper threads, without the memory of the clients.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use russet::testing::command_table;
use russet::testing::node::{MemoryFacts, ServerNode};

const BASE_US: i64 = 1_700_000_000_000_000;
/// The number of turns between two looks of the clients at most.
const TURNS: usize = 32;

enum Order {
    Accept(UnixStream, u16),
    /// Turns at a time, until a turn evicts or refuses.
    Turns(u64),
    /// Turns at a time, until neither the loop nor a helper thread has work left.
    Rest(u64),
}

/// The outcome of turns.
pub struct TurnOutcome {
    pub memory: MemoryFacts,
    /// The server had no work left at the end.
    pub is_idle: bool,
}

pub struct Server {
    orders: Option<SyncSender<Order>>,
    ends: Receiver<Result<TurnOutcome, String>>,
    thread: Option<JoinHandle<()>>,
    next_port: u16,
}

fn turns(node: &mut ServerNode) -> Result<TurnOutcome, String> {
    let before = node.memory();
    for _ in 0..TURNS {
        let had_work = node.turn()?;
        let memory = node.memory();
        let hit = (memory.evicted, memory.refused) != (before.evicted, before.refused);
        if hit || !had_work {
            let is_idle = !had_work;
            return Ok(TurnOutcome { memory, is_idle });
        }
    }
    let (memory, is_idle) = (node.memory(), false);
    Ok(TurnOutcome { memory, is_idle })
}

fn carry_out(node: &mut ServerNode, order: Order) -> Result<TurnOutcome, String> {
    let set_time = |node: &mut ServerNode, ms: u64| node.set_time(BASE_US + ms as i64 * 1000, ms);
    match order {
        Order::Accept(socket, port) => node.accept(socket, port).map_err(|e| e.to_string())?,
        Order::Turns(ms) => {
            set_time(node, ms);
            return turns(node);
        }
        Order::Rest(ms) => {
            set_time(node, ms);
            node.run()?;
        }
    }
    let (memory, is_idle) = (node.memory(), true);
    Ok(TurnOutcome { memory, is_idle })
}

impl Server {
    /// Starts a server in the working folder, and waits until it has loaded its data.
    pub fn start(options: Vec<String>) -> Result<Server, String> {
        let (orders, to_do) = sync_channel::<Order>(1);
        let (sender, ends) = sync_channel(1);
        let work = move || {
            let refuse = |_: &str, _: u16| Err(std::io::ErrorKind::ConnectionRefused.into());
            let started = ServerNode::start(command_table(), &options, BASE_US, refuse);
            drop(options);
            let mut node = match started {
                Ok(node) => node,
                Err(why) => return drop(sender.send(Err(why))),
            };
            while let Ok(order) = to_do.recv() {
                if sender.send(carry_out(&mut node, order)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().spawn(work);
        let mut server = Server {
            orders: Some(orders),
            ends,
            thread: Some(thread.map_err(|error| error.to_string())?),
            next_port: 10_000,
        };
        server.rest(0)?;
        Ok(server)
    }

    fn order(&mut self, order: Order) -> Result<TurnOutcome, String> {
        if let Some(orders) = &self.orders {
            // The server may have ended with an error, which the next line receives.
            let _ = orders.send(order);
        }
        let ended = self.ends.recv();
        ended.unwrap_or_else(|_| Err("the server's thread has panicked".to_owned()))
    }

    /// Connects, and returns the client's end.
    pub fn connect(&mut self) -> Result<UnixStream, String> {
        let pair = UnixStream::pair().map_err(|error| error.to_string());
        let (mine, its) = pair?;
        mine.set_nonblocking(true).map_err(|e| e.to_string())?;
        self.next_port += 1;
        self.order(Order::Accept(its, self.next_port))?;
        Ok(mine)
    }

    pub fn turns(&mut self, ms: u64) -> Result<TurnOutcome, String> {
        self.order(Order::Turns(ms))
    }

    pub fn rest(&mut self, ms: u64) -> Result<MemoryFacts, String> {
        Ok(self.order(Order::Rest(ms))?.memory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
