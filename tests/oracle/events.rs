//! Keyspace events of two servers: the same events for the same keys, in order.

use crate::{
    compare::Difference,
    play::{Side, Stream},
    support::resp::printable,
};

type Event = (Vec<u8>, Vec<u8>);

/// The first difference between the events of two servers during a stream.
pub fn difference(stream: &Stream, reference: &mut Side, subject: &mut Side) -> Option<Difference> {
    let (mut expected, mut got) = match (reference.events(), subject.events()) {
        (Ok(expected), Ok(got)) => (timeless(expected), timeless(got)),
        (expected, got) => {
            let shown = |reported: std::io::Result<_>| match reported {
                Ok(_) => "events".to_string(),
                Err(error) => error.to_string(),
            };
            return different("events", shown(expected), shown(got));
        }
    };
    if stream
        .steps
        .iter()
        .any(|step| is_refused_by_one(&step.args))
    {
        for reported in [&mut expected, &mut got] {
            reported.retain(|event| !speaks_of(event, b"keymiss"));
        }
    }
    if stream
        .steps
        .iter()
        .any(|step| leaves_order_open(&step.args[0]))
    {
        expected.sort_unstable();
        got.sort_unstable();
    }
    let longest = expected.len().max(got.len());
    let at = (0..longest).find(|&at| expected.get(at) != got.get(at))?;
    let shown = |reported: &[Event]| match reported.get(at) {
        Some((channel, text)) => format!("{} {}", printable(channel), printable(text)),
        None => "nothing".into(),
    };
    different("event", shown(&expected), shown(&got))
}

/// Commands that process elements in the order of a Redis hash table: SORT (the members of sets),
/// SWAPDB (the keys with waiting clients).
fn leaves_order_open(name: &[u8]) -> bool {
    [&b"sort"[..], b"sort_ro", b"swapdb"]
        .iter()
        .any(|command| name.eq_ignore_ascii_case(command))
}

/// A call for which only one of the servers looks up its key: BITCOUNT without an end, as in
/// Valkey, or JSON with a path that is not UTF-8.
fn is_refused_by_one(args: &[Vec<u8>]) -> bool {
    let is_json = args[0].to_ascii_lowercase().starts_with(b"json.");
    args.len() == 3 && args[0].eq_ignore_ascii_case(b"bitcount")
        || is_json && args.iter().any(|arg| std::str::from_utf8(arg).is_err())
}

/// Whether an event has this name, in the channel or in the message.
fn speaks_of((channel, text): &Event, name: &[u8]) -> bool {
    [channel, text].iter().any(|words| words.ends_with(name))
}

/// The events without expirations, because their moment depends on the server.
fn timeless(events: Vec<Event>) -> Vec<Event> {
    let of_clock = |event: &Event| speaks_of(event, b"expired");
    events
        .into_iter()
        .filter(|event| !of_clock(event))
        .collect()
}

fn different(what: &str, expected: String, got: String) -> Option<Difference> {
    (expected != got).then(|| Difference {
        step: None,
        what: format!("{what} (told to subscribers)"),
        expected,
        got,
    })
}
