//! The load: connections that send pipelines and read replies, in one thread.
//!
//!     client: send a pipeline -> poll -> first bytes (the time of all its requests)
//!             -> replies counted -> the next pipeline, while requests are left
//!
//! Pipelines are whole, so up to one pipeline of each client is answered beyond `-n`; the excess is
//! not counted. Cost of a turn: one poll, a read and a write for each client that is ready.

use std::time::{Duration, Instant};

use russet_net::DialledStream;
use russet_resp::ReplyValue;

use super::options::BenchmarkOptions;
use super::requests::Test;
use super::{Figures, Latencies};
use crate::link::{FOREVER, Link, reason_of};

/// Between two reports of the progress.
const PROGRESS: Duration = Duration::from_millis(250);

struct Client {
    link: Link,
    /// Replies that have not come.
    awaited: usize,
    sent: Instant,
    /// No byte of an answer to the last pipeline has come.
    is_first: bool,
}

/// See the module.
pub(super) struct Load<'o> {
    options: &'o BenchmarkOptions,
    clients: Vec<Client>,
    bytes: Vec<u8>,
    randoms: Vec<usize>,
    random: u64,
    /// Requests that may still be sent.
    left: usize,
    figures: Figures,
}

impl<'o> Load<'o> {
    /// Opens the connections.
    pub(super) fn new(options: &'o BenchmarkOptions, test: &Test) -> Result<Load<'o>, String> {
        let client = |_| {
            let link = Link::open(&options.connection).map_err(|why| why.to_string())?;
            Ok(Client {
                link,
                awaited: 0,
                sent: Instant::now(),
                is_first: false,
            })
        };
        let clients: Result<Vec<Client>, String> = (0..options.clients).map(client).collect();
        let (bytes, randoms) = test.pipeline(options.pipeline, options.keys.is_some());
        Ok(Load {
            options,
            clients: clients?,
            bytes,
            randoms,
            random: options.seed.max(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            left: options.requests,
            figures: Figures {
                latencies: Latencies::default(),
                seconds: 0.0,
                first_error: None,
            },
        })
    }

    /// Sends all requests and reads their replies; `progress` sees the figures four times a second.
    pub(super) fn run(mut self, mut progress: impl FnMut(&Figures)) -> Result<Figures, String> {
        let failed = |why: std::io::Error| format!("Error: {}", reason_of(&why));
        let begun = Instant::now();
        let mut shown = begun;
        for at in 0..self.clients.len() {
            self.send(at).map_err(failed)?;
        }
        while self.figures.latencies.count() < self.options.requests {
            let mut streams: Vec<&mut DialledStream> = self
                .clients
                .iter_mut()
                .map(|client| client.link.raw().stream())
                .collect();
            let ready = DialledStream::await_readable(&mut streams, PROGRESS).map_err(failed)?;
            let now = Instant::now();
            for at in (0..ready.len()).filter(|at| ready[*at]) {
                self.receive(at, now).map_err(failed)?;
            }
            if now.duration_since(shown) >= PROGRESS {
                shown = now;
                self.figures.seconds = now.duration_since(begun).as_secs_f64();
                progress(&self.figures);
            }
        }
        self.figures.seconds = begun.elapsed().as_secs_f64();
        self.figures.latencies.sort();
        Ok(self.figures)
    }

    /// Sends the next pipeline of a client, if requests are left.
    fn send(&mut self, at: usize) -> std::io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(self.options.pipeline);
        if let Some(keys) = self.options.keys {
            for &place in &self.randoms {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let mut number = self.random % keys;
                for digit in self.bytes[place..place + 12].iter_mut().rev() {
                    *digit = b'0' + (number % 10) as u8;
                    number /= 10;
                }
            }
        }
        let client = &mut self.clients[at];
        client.awaited = self.options.pipeline;
        client.is_first = true;
        client.sent = Instant::now();
        client.link.raw().send(&self.bytes, FOREVER)
    }

    /// Reads what has come for a client; after the last reply it sends again.
    fn receive(&mut self, at: usize, now: Instant) -> std::io::Result<()> {
        let client = &mut self.clients[at];
        if std::mem::take(&mut client.is_first) {
            let wanted = self.options.requests - self.figures.latencies.count();
            let counted = self.options.pipeline.min(wanted);
            let time = now.saturating_duration_since(client.sent).as_micros();
            self.figures.latencies.add(time, counted);
        }
        let (awaited, first_error) = (&mut client.awaited, &mut self.figures.first_error);
        client.link.raw().read_replies(|reply| match reply {
            ReplyValue::Push(_) => {}
            ReplyValue::Error(why) => {
                *awaited = awaited.saturating_sub(1);
                first_error.get_or_insert(why);
            }
            _ => *awaited = awaited.saturating_sub(1),
        })?;
        if client.awaited == 0 {
            self.send(at)?;
        }
        Ok(())
    }
}
