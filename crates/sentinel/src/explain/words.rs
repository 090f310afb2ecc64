//! Moments, lengths of time, addresses and Sentinels in words.

use jiff::Timestamp;

use crate::address::Address;
use crate::instances::Primary;
use crate::shared::Shared;
use crate::time::Ms;
use russet_base::text::Printable;
use russet_host::Now;

/// `2026-11-22T18:44:56.111Z`. A clock beyond the year 9999 shows 1970.
pub(super) fn iso(wall_ms: Ms) -> String {
    let at = Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// The wall clock's time of an earlier moment.
pub(super) fn iso_of(shared: &Shared, at: Ms) -> String {
    let Now {
        monotonic_ms,
        wall_ms,
    } = shared.clock();
    iso(wall_ms.saturating_sub(monotonic_ms - at))
}

/// `350 ms`, `12.3 s`, `5 min 20 s`, `3 h 4 min`, `2 d 5 h`.
pub(super) fn span(ms: Ms) -> String {
    let s = ms / 1000;
    match s {
        _ if ms < 1000 => format!("{ms} ms"),
        0..120 => format!("{s}.{} s", ms % 1000 / 100),
        120..7200 => format!("{} min {} s", s / 60, s % 60),
        7200..172_800 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `ip:port`
pub(super) fn place(shared: &Shared, address: &Address) -> String {
    let place = address.with_port(shared.globals.announce_hostnames);
    Printable(&place).to_string()
}

/// The start of a run id.
pub(super) fn short(run_id: &[u8]) -> String {
    Printable(&run_id[..run_id.len().min(8)]).to_string()
}

/// A Sentinel with its run id and its address.
pub(super) fn sentinel(shared: &Shared, primary: &Primary, run_id: &[u8]) -> String {
    let id = short(run_id);
    if shared.is_me(run_id) {
        return format!("this Sentinel ({id})");
    }
    match primary.peers.get(run_id) {
        Some(peer) => format!("Sentinel {id} at {}", place(shared, &peer.watch.address)),
        None => format!("Sentinel {id}, not known here"),
    }
}

/// `1 vote`, `2 votes`
pub(super) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_in_utc() {
        assert_eq!(iso(1_000_007), "1970-01-01T00:16:40.007Z");
        let spans = [7, 12_345, 320_000, 11_040_000, 190_800_000].map(span);
        assert_eq!(
            spans,
            ["7 ms", "12.3 s", "5 min 20 s", "3 h 4 min", "2 d 5 h"]
        );
        assert_eq!(
            (count(1, "vote"), count(0, "vote")),
            ("1 vote".into(), "0 votes".into())
        );
    }
}
