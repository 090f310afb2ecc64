//! `--pipe`: requests of the standard input, sent as they are; replies are counted.
//!
//! The end is found by an ECHO with random text after the last byte: its reply comes after all
//! others. A second thread reads the input and sends, so that a server whose replies fill the
//! socket is never waited for without taking them. Under TLS, where one thread has to do both, each
//! part that was sent is followed by a look at what has arrived.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use russet_base::random::hex;
use russet_base::threads;
use russet_resp::{ReplyValue, write_request};

use super::{ErrorLine, ended, text_of};
use crate::link::{FOREVER, Link};
use crate::options::Options;

/// Bytes that are read and sent at a time.
const PART: usize = 16 * 1024;

/// Replies so far.
#[derive(Debug, Default)]
struct Counts {
    replies: u64,
    errors: u64,
}

impl Counts {
    /// Whether it was the last reply.
    fn take(&mut self, reply: &ReplyValue, mark: &[u8]) -> bool {
        if matches!(reply, ReplyValue::Bulk(text) if text == mark) {
            return true;
        }
        self.replies += 1;
        if let ReplyValue::Error(why) = reply {
            self.errors += 1;
            eprintln!("{}", text_of(why));
        }
        false
    }
}

/// Sends all of the input, then what ends it.
fn send_all(mut send: impl FnMut(&[u8]) -> io::Result<()>, mark: &str) -> io::Result<()> {
    let mut part = vec![0; PART];
    loop {
        match io::stdin().lock().read(&mut part)? {
            0 => break,
            n => send(&part[..n])?,
        }
    }
    let mut last = b"\r\n".to_vec();
    write_request(&mut last, [&b"ECHO"[..], mark.as_bytes()].into_iter());
    send(&last)
}

/// Runs the mode. The status is 1 if a reply was an error.
pub(crate) fn pipe(link: &mut Link, options: &Options) -> Result<u8, ErrorLine> {
    let mark = hex(40);
    let mut counts = Counts::default();
    let twin = link.twin().map_err(ended)?;
    let is_ended = match twin {
        Some(mut twin) => {
            let text = mark.clone();
            let sender = threads::start("sender", move || {
                let sent = send_all(|bytes| twin.send(bytes, FOREVER), &text);
                if sent.is_ok() {
                    println!("All data transferred. Waiting for the last reply...");
                }
                sent
            });
            let sender = sender.map_err(ended)?;
            let is_sent = || sender.is_finished();
            let is_ended = await_last(link, options, &mark, &mut counts, is_sent)?;
            if is_ended {
                // The sender has sent everything, and its line comes before the line of the end.
                let _ = sender.join();
            }
            is_ended
        }
        None => {
            let mut is_ended = false;
            let sent = send_all(
                |bytes| {
                    link.raw().send(bytes, FOREVER)?;
                    while let Some(reply) = arrived(link)? {
                        is_ended |= counts.take(&reply, mark.as_bytes());
                    }
                    Ok(())
                },
                &mark,
            );
            sent.map_err(ended)?;
            println!("All data transferred. Waiting for the last reply...");
            is_ended || await_last(link, options, &mark, &mut counts, || true)?
        }
    };
    if is_ended {
        println!("Last reply received from server.");
    }
    println!("errors: {}, replies: {}", counts.errors, counts.replies);
    Ok(u8::from(counts.errors > 0 || !is_ended))
}

/// A reply that is there already.
fn arrived(link: &mut Link) -> io::Result<Option<ReplyValue>> {
    match link.next_within(Duration::from_millis(1)) {
        Ok(reply) => Ok(Some(reply)),
        Err(why) if why.kind() == io::ErrorKind::TimedOut => Ok(None),
        Err(why) => Err(why),
    }
}

/// Takes replies up to the last; `false`: none has come for the time limit after all was sent.
fn await_last(
    link: &mut Link,
    options: &Options,
    mark: &str,
    counts: &mut Counts,
    is_sent: impl Fn() -> bool,
) -> Result<bool, ErrorLine> {
    let mut since = Instant::now();
    loop {
        match link.next_within(Duration::from_millis(100)) {
            Ok(reply) => {
                since = Instant::now();
                if counts.take(&reply, mark.as_bytes()) {
                    return Ok(true);
                }
            }
            Err(why) if why.kind() == io::ErrorKind::TimedOut => {
                if !is_sent() {
                    since = Instant::now();
                }
                let limit = options.pipe_timeout;
                if !limit.is_zero() && since.elapsed() > limit {
                    eprintln!("No replies for {} seconds: exiting.", limit.as_secs());
                    counts.errors += 1;
                    return Ok(false);
                }
            }
            Err(why) => return Err(ended(why)),
        }
    }
}
