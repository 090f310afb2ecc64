//! Messages of strangers: anyone who can publish a hello or reach our port; and their bounded cost.
//!
//! - A Sentinel that a hello names is a candidate until it has answered with its run id on a link
//!   of ours. Until then it counts for no majority and is not saved.
//! - Candidates are bounded in number, rate and time; the Sentinels of a primary in number.
//! - Epochs so high that no failover would be left after them are refused. Changes by hellos and by
//!   requests for votes have a rate.

use std::collections::BTreeMap;

use super::super::address::Address;
use super::super::instances::Hello;
use super::super::links::{ConnKind, ExpectedReply, LinkId};
use super::super::monitor;
use super::super::shared::Shared;
use super::super::time::Ms;
use russet_base::text::Printable;
use russet_host::Level;
use russet_resp::ReplyValue;

/// Sentinels of a primary that are taken from hellos.
pub(crate) const PEERS_MAX: usize = 128;
/// Candidates at a time.
const CANDIDATES_MAX: usize = 32;
/// A candidate that has not answered after this time is forgotten. Its next hello makes it a
/// candidate again.
const PATIENCE_MS: Ms = 5000;
/// Epochs up to here are believed: as many failovers are left after them.
pub const EPOCH_MAX: u64 = 1 << 62;
/// Higher epochs are believed if they are ahead of ours by no more than this.
const EPOCH_STEP_MAX: u64 = 1 << 20;
/// Bytes of a run id. Redis's and Valkey's have exactly as many.
const RUN_ID_BYTES_MAX: usize = 40;

/// How often something may happen: so many times at once, then once per period.
#[derive(Debug)]
pub struct Rate {
    at_once: Ms,
    period_ms: Ms,
    used_until: Ms,
}

impl Rate {
    pub const fn new(at_once: Ms, period_ms: Ms) -> Rate {
        Rate {
            at_once,
            period_ms,
            used_until: 0,
        }
    }

    /// Whether it may happen now, once.
    pub fn take(&mut self, now: Ms) -> bool {
        let until = self.used_until.max(now) + self.period_ms;
        let may = until - now <= self.at_once * self.period_ms;
        if may {
            self.used_until = until;
        }
        may
    }
}

/// A Sentinel that has not answered yet.
#[derive(Debug)]
pub struct Candidate {
    pub address: Address,
    pub link: LinkId,
    since: Ms,
    /// The last hello about each primary.
    pub hellos: BTreeMap<Vec<u8>, Hello>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Strangers {
    /// By their run ids.
    candidates: BTreeMap<Vec<u8>, Candidate>,
    named: Rate,
    /// Epochs, configurations and addresses that hellos change.
    pub changes: Rate,
    lines: Rate,
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers {
            candidates: BTreeMap::new(),
            named: Rate::new(CANDIDATES_MAX as Ms, 100),
            changes: Rate::new(10, 100),
            lines: Rate::new(5, 60_000),
        }
    }
}

impl Strangers {
    fn run_id_of(&self, link: LinkId) -> Option<Vec<u8>> {
        let mut candidates = self.candidates.iter();
        let (run_id, _) = candidates.find(|(_, candidate)| candidate.link == link)?;
        Some(run_id.clone())
    }

    fn take(&mut self, link: LinkId) -> Option<(Vec<u8>, Candidate)> {
        self.candidates.remove_entry(&self.run_id_of(link)?)
    }

    /// A name was resolved.
    pub(crate) fn learn(&mut self, host: &[u8], ip: &[u8]) {
        for candidate in self.candidates.values_mut() {
            if candidate.address.host.eq_ignore_ascii_case(host) {
                candidate.address.ip = ip.to_vec();
            }
        }
    }
}

/// Whether a text may be a run id.
pub(crate) fn is_run_id(text: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\,".contains(b);
    (1..=RUN_ID_BYTES_MAX).contains(&text.len()) && text.iter().all(is_plain)
}

/// Whether an epoch may be that of a Sentinel.
pub(crate) fn is_plausible(shared: &Shared, epoch: u64) -> bool {
    epoch <= EPOCH_MAX.max(shared.current_epoch.saturating_add(EPOCH_STEP_MAX))
}

/// Logs a stranger's attempt, at most a few times a minute.
pub fn note(shared: &mut Shared, text: impl FnOnce() -> String) {
    let now = shared.now;
    if shared.strangers.lines.take(now) {
        shared.log(Level::Warning, text());
    }
}

/// Takes a hello of a Sentinel that is not known at this address: it is asked for its run id.
pub fn name(shared: &mut Shared, hello: &Hello) {
    let now = shared.now;
    let strangers = &mut shared.strangers;
    if let Some(candidate) = strangers.candidates.get_mut(&hello.run_id) {
        if candidate.address.port == hello.port && candidate.address.host == hello.host {
            candidate.hellos.insert(hello.name.clone(), hello.clone());
        }
        return;
    }
    if strangers.candidates.len() >= CANDIDATES_MAX || !strangers.named.take(now) {
        const TEXT: &str =
            "Hellos name more new Sentinels than can be asked who they are: some are ignored";
        return note(shared, || TEXT.to_owned());
    }
    let Some(address) = shared.address(&hello.host, hello.port) else {
        return;
    };
    let link = shared.links.add(false, now);
    let candidate = Candidate {
        address,
        link,
        since: now,
        hellos: BTreeMap::from([(hello.name.clone(), hello.clone())]),
    };
    let candidates = &mut shared.strangers.candidates;
    candidates.insert(hello.run_id.clone(), candidate);
    tend(shared);
}

/// Connects to candidates whose addresses are known, and forgets candidates that do not answer.
pub fn tend(shared: &mut Shared) {
    let Shared {
        strangers,
        links,
        out,
        now,
        ..
    } = shared;
    strangers.candidates.retain(|_, candidate| {
        let is_waited_for = *now - candidate.since < PATIENCE_MS;
        if !is_waited_for {
            links.release(candidate.link, out);
        }
        is_waited_for
    });
    for Candidate { address, link, .. } in strangers.candidates.values() {
        let its = links.get_mut(*link);
        if its.commands.is_none() && !address.ip.is_empty() && address.port != 0 {
            its.tried_at = Some(*now);
            let place = (address.ip.as_slice(), address.port);
            links.connect(*link, ConnKind::Commands, place, *now, out);
        }
    }
}

/// Asks a candidate for its run id, as its connection is established. False: the link is no
/// candidate's.
pub fn greet(shared: &mut Shared, link: LinkId) -> bool {
    if shared.strangers.run_id_of(link).is_none() {
        return false;
    }
    monitor::log_in_to_peer(shared, link);
    shared.send(link, &[b"SENTINEL", b"MYID"], ExpectedReply::RunId);
    true
}

/// The connection to a candidate is lost, or could not be made.
pub fn lost(shared: &mut Shared, link: LinkId) {
    if shared.strangers.take(link).is_some() {
        shared.links.release(link, &mut shared.out);
    }
}

/// Handles a candidate's answer. Returns the candidate if it is the Sentinel that the hello named.
pub fn answered(
    shared: &mut Shared,
    link: LinkId,
    reply: &ReplyValue,
) -> Option<(Vec<u8>, Candidate)> {
    let (run_id, candidate) = shared.strangers.take(link)?;
    if is_its(reply, &run_id) {
        return Some((run_id, candidate));
    }
    shared.links.release(link, &mut shared.out);
    note(shared, || {
        let (run_id, host) = (Printable(&run_id), Printable(&candidate.address.host));
        let port = candidate.address.port;
        format!(
            "A hello names the Sentinel {run_id} at {host} port {port}, which is another: ignored"
        )
    });
    None
}

/// Whether this is the reply of the Sentinel with this run id. A Sentinel older than Redis 6.2 does
/// not know the question, and a Sentinel that refuses us access answers nothing else: both are
/// believed.
fn is_its(reply: &ReplyValue, run_id: &[u8]) -> bool {
    match reply {
        ReplyValue::Bulk(text) | ReplyValue::Simple(text) => text.eq_ignore_ascii_case(run_id),
        ReplyValue::Error(text) => {
            let is_closed = [&b"NOAUTH"[..], b"NOPERM", b"WRONGPASS", b"DENIED"]
                .iter()
                .any(|code| text.starts_with(code));
            is_closed || memchr::memmem::find(text, b"subcommand").is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_some_pass_at_once_and_then_one_a_period() {
        let mut rate = Rate::new(3, 100);
        let passed = |rate: &mut Rate, now| (0..10).filter(|_| rate.take(now)).count();
        assert_eq!(passed(&mut rate, 5000), 3);
        assert_eq!(passed(&mut rate, 5099), 0);
        assert_eq!(passed(&mut rate, 5200), 2);
        assert_eq!(passed(&mut rate, 9000), 3, "no more are saved up");
    }

    #[test]
    fn run_ids_are_short_and_plain() {
        for good in ["abc", &"f".repeat(40)] {
            assert!(is_run_id(good.as_bytes()), "{good}");
        }
        for bad in ["", &"f".repeat(41), "a b", "a\n", "a\"", "\u{e9}"] {
            assert!(!is_run_id(bad.as_bytes()), "{bad:?}");
        }
    }
}
