//! The history of a dataset: its id, the history that it continues, and places in it.

use std::fmt;

use russet_base::random;

const DIGITS: usize = 40;

/// Bytes of the stream since its history began.
pub type ReplOffset = u64;

/// The id of a replication history: 40 hexadecimal digits (INFO `master_replid`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplId([u8; DIGITS]);

impl ReplId {
    /// No history has it: positions under it continue nothing.
    pub const NONE: ReplId = ReplId([b'0'; DIGITS]);

    /// A new id, which no other history has.
    pub(crate) fn random() -> ReplId {
        let digits = random::hex(DIGITS);
        ReplId::parse(digits.as_bytes()).expect("as many digits as asked for")
    }

    /// `None`: not 40 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<ReplId> {
        let id: [u8; DIGITS] = text.try_into().ok()?;
        id.iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| ReplId(id.map(|digit| digit.to_ascii_lowercase())))
    }

    /// The digits, lowercase.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits")
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history's id.
    pub id: ReplId,
    /// Bytes of the history before it.
    pub offset: ReplOffset,
}

/// The id pair of INFO replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub id: ReplId,
    /// The earlier history that this history continues, and the first offset that is no longer part
    /// of it (`master_replid2`, `second_repl_offset`).
    pub earlier: Option<(ReplId, ReplOffset)>,
}

impl History {
    /// The id of the history that this history continues; zeros if there is none
    /// (`master_replid2`).
    pub fn earlier_id(&self) -> String {
        match self.earlier {
            Some((id, _)) => id.to_string(),
            None => "0".repeat(DIGITS),
        }
    }

    /// A history that continues no other.
    pub fn fresh() -> History {
        History {
            id: ReplId::random(),
            earlier: None,
        }
    }

    /// A new history that shares everything before `offset` with `id`.
    pub fn after(id: ReplId, offset: ReplOffset) -> History {
        History {
            id: ReplId::random(),
            earlier: Some((id, offset.saturating_add(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_digits() {
        let id = ReplId::random();
        assert_eq!(ReplId::parse(id.as_str().as_bytes()), Some(id));
        assert_ne!(ReplId::random(), id);
        for text in [&b""[..], &[b'a'; 39], &[b'a'; 41], &[b'g'; 40]] {
            assert_eq!(ReplId::parse(text), None);
        }
        assert_eq!(ReplId::parse(&[b'A'; 40]), ReplId::parse(&[b'a'; 40]));
    }
}
