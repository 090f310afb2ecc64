//! Records effects and changes for tests.

use russet_keyspace::{Change, Class, DbIndex, Effects, Journal};
use russet_resp::OwnedArgs;

/// A propagated request, and its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub db: DbIndex,
    pub args: OwnedArgs,
}

/// A keyspace event: database, class, name, key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    pub db: DbIndex,
    pub class: Class,
    pub event: &'static str,
    pub key: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Units of requests, oldest first.
    pub units: Vec<Vec<RecordedRequest>>,
    pub events: Vec<KeyEvent>,
}

impl Recorder {
    pub fn take_effects(&mut self, effects: &Effects) {
        for unit in effects.units() {
            let stated = unit.requests().map(|request| RecordedRequest {
                db: request.db,
                args: parse(request.bytes),
            });
            self.units.push(stated.collect());
        }
    }

    pub(crate) fn take_changes(&mut self, journal: &Journal) {
        let named = journal.changes().filter(|change| !change.event.is_empty());
        let event = |change: Change<'_>| KeyEvent {
            db: change.db,
            class: change.class,
            event: change.event,
            key: change.key.to_vec(),
        };
        self.events.extend(named.map(event));
    }
}

/// The words of an encoded request.
fn parse(request: &[u8]) -> OwnedArgs {
    let mut rest = request;
    let words = header(&mut rest);
    let mut word = || {
        let len = header(&mut rest);
        let word = &rest[..len];
        rest = &rest[len + 2..];
        word
    };
    let words: Vec<&[u8]> = (0..words).map(|_| word()).collect();
    words.into_iter().collect()
}

/// Takes a header off the front; returns its number.
fn header(rest: &mut &[u8]) -> usize {
    let end = memchr::memchr(b'\r', rest).expect("a header's end");
    let digits = std::str::from_utf8(&rest[1..end]).expect("digits");
    *rest = &rest[end + 2..];
    digits.parse().expect("a number")
}
