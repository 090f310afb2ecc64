//! Names of nodes and groups, ballots, and positions in the stream under ballots.
//!
//! All have a text of one word, as the wire, the notes and the file have it, and an order.

use std::fmt;

use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;
use russet_base::random;

const DIGITS: usize = 40;

/// The greatest number of a ballot that is read: counting from there cannot overflow.
const NUMBER_MAX: u64 = 1 << 62;

/// 40 hexadecimal digits, lowercase.
type Digits = [u8; DIGITS];

fn parse_hex(text: &[u8]) -> Option<Digits> {
    let digits: Digits = text.try_into().ok()?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| digits.map(|digit| digit.to_ascii_lowercase()))
}

/// An id of 40 hexadecimal digits.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digits);

        impl $name {
            /// A new id, which nothing else has.
            pub fn random() -> $name {
                let digits = random::hex(DIGITS);
                $name::parse(digits.as_bytes()).expect("as many digits as asked for")
            }

            /// The id that a seed gives, for a simulator.
            pub fn of_seed(seed: u64) -> $name {
                let mut random = russet_host::Random(seed);
                let digits: String = (0..3)
                    .map(|_| format!("{:016x}", random.next_u64()))
                    .collect();
                $name::parse(&digits.as_bytes()[..DIGITS]).expect("hexadecimal digits")
            }

            /// `None`: not 40 hexadecimal digits.
            pub fn parse(text: &[u8]) -> Option<$name> {
                parse_hex(text).map($name)
            }

            /// The digits, lowercase.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).expect("hexadecimal digits")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

hex_id! {
    /// A node of a group. Its id is in `quorum.conf`, beside its promises: a node that has lost the
    /// file has another id, because it has lost its promises, too.
    NodeId
}

hex_id! {
    /// A group: nodes with one stream, of which a quorum must have each acknowledged write.
    GroupId
}

impl NodeId {
    /// No node has it.
    pub const NONE: NodeId = NodeId([b'0'; DIGITS]);
}

/// A claim to lead. Greater ballots depose smaller ones.
///
/// Text: `number:node`, for example `7:3f...` with 40 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Compared first.
    pub number: u64,
    /// The node that leads by this ballot, or asks to lead.
    pub node: NodeId,
}

impl Ballot {
    /// Smaller than every ballot of a node.
    pub const NONE: Ballot = Ballot {
        number: 0,
        node: NodeId::NONE,
    };

    /// The ballot with which a node exceeds all ballots up to this number.
    pub fn above(number: u64, node: NodeId) -> Ballot {
        Ballot {
            number: number + 1,
            node,
        }
    }

    /// `None`: no ballot.
    pub fn parse(text: &[u8]) -> Option<Ballot> {
        let colon = memchr::memchr(b':', text)?;
        let number = parse_digits(&text[..colon]).filter(|&number| number <= NUMBER_MAX)?;
        let node = NodeId::parse(&text[colon + 1..])?;
        Some(Ballot { number, node })
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.node)
    }
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, &self.node.as_str()[..4])
    }
}

/// The end of a node's data: the ballot of the leader whose bytes are last, and the offset.
///
/// Nodes with equal positions have equal data. Of two positions the one with the greater ballot is
/// the longer, whatever the offsets: the leader of that ballot has asked enough nodes to have all
/// that was acknowledged before.
///
/// Text: `number:node@offset`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Compared first.
    pub ballot: Ballot,
    /// Bytes of the stream.
    pub offset: ReplOffset,
}

impl Position {
    /// `None`: no position.
    pub fn parse(text: &[u8]) -> Option<Position> {
        let at = memchr::memchr(b'@', text)?;
        let ballot = Ballot::parse(&text[..at])?;
        let offset = parse_digits(&text[at + 1..])?;
        Some(Position { ballot, offset })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.ballot, self.offset)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", self.ballot, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballots_and_positions_are_ordered_and_read_as_they_were_written() {
        let (a, b) = (NodeId::parse(&[b'a'; 40]), NodeId::parse(&[b'B'; 40]));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(b.as_str(), "b".repeat(40));
        let first = Ballot::above(0, b);
        let second = Ballot::above(1, a);
        assert!(Ballot::NONE < first && first < second && second < Ballot::above(1, b));
        let longer = Position {
            ballot: second,
            offset: 3,
        };
        let shorter = Position {
            ballot: first,
            offset: 100,
        };
        assert!(shorter < longer);
        for position in [shorter, longer] {
            let text = position.to_string();
            assert_eq!(Position::parse(text.as_bytes()), Some(position));
        }
        let id = a.to_string();
        for text in [
            "",
            "1",
            ":",
            "1:",
            &id,
            "1:00",
            &format!("{}:{id}", u64::MAX),
        ] {
            assert_eq!(Ballot::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Position::parse(format!("1:{id}@").as_bytes()), None);
        assert_eq!(NodeId::parse(&[b'g'; 40]), None);
        assert_ne!(GroupId::random(), GroupId::random());
    }
}
