//! The notes of a group in the stream, beside those of the change stream: PINGs with a message,
//! which every replica passes over.
//!
//!     russet:term <number> <node> <group>              the leader of this ballot begins here
//!     russet:quorum <version> <k> <id>@<ip>:<port> ..  the members, from here on
//!     russet:safe <offset>                             the stream is safe up to this offset
//!
//! Notes are logged as the rest of the stream is. They stand again at the beginning of each file of
//! the log, and a snapshot has their content in its aux fields ([`Lineage`]).

use super::ballot::{Ballot, GroupId, Position};
use super::members::{Configuration, Configurations, PlacedConfiguration};
use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;

const PREFIX: &[u8] = b"russet:";

/// A note of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumNote {
    /// A leader begins: what follows is from it.
    Term {
        /// The leader's ballot.
        ballot: Ballot,
        /// The group.
        group: GroupId,
    },
    /// The members change.
    Members(Configuration),
    /// The stream is safe up to here: enough members have it.
    Safe(ReplOffset),
}

impl QuorumNote {
    /// Reads the message of a PING. `None`: it is no note of a group.
    pub fn parse(message: &[u8]) -> Option<QuorumNote> {
        let rest = message.strip_prefix(PREFIX)?;
        let space = memchr::memchr(b' ', rest)?;
        let (word, rest) = (&rest[..space], &rest[space + 1..]);
        match word {
            b"term" => {
                let mut words = rest.split(|&byte| byte == b' ');
                let number = words.next()?;
                let node = words.next()?;
                let group = GroupId::parse(words.next()?)?;
                let ballot = Ballot::parse(&[number, b":", node].concat())?;
                words
                    .next()
                    .is_none()
                    .then_some(QuorumNote::Term { ballot, group })
            }
            b"quorum" => Configuration::parse(rest).map(QuorumNote::Members),
            b"safe" => parse_digits(rest).map(QuorumNote::Safe),
            _ => None,
        }
    }

    /// The message.
    pub fn text(&self) -> Vec<u8> {
        let text = match self {
            QuorumNote::Term { ballot, group } => {
                format!("russet:term {} {} {group}", ballot.number, ballot.node)
            }
            QuorumNote::Members(configuration) => format!("russet:quorum {configuration}"),
            QuorumNote::Safe(offset) => format!("russet:safe {offset}"),
        };
        text.into_bytes()
    }
}

/// The facts about a stream that its notes have: whose bytes are last, and who must have them.
///
/// It goes with the data: a loader fills it from the notes of the log, or from the aux fields of a
/// snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The ballot of the leader whose bytes are last.
    pub ballot: Ballot,
    /// Its group; `None`: no term has begun.
    pub group: Option<GroupId>,
    /// The greatest offset that a note calls safe.
    pub safe: ReplOffset,
    /// The configurations that may count.
    pub configurations: Configurations,
}

impl Default for Lineage {
    fn default() -> Lineage {
        Lineage {
            ballot: Ballot::NONE,
            group: None,
            safe: 0,
            configurations: Configurations::default(),
        }
    }
}

/// Bytes of the text of a [`Lineage`].
const TEXT_MAX: usize = 64 * 1024;

impl Lineage {
    /// The aux field of a snapshot that has the text.
    pub const AUX: &str = "russet-quorum";

    /// A note of the stream, and where it begins and ends.
    pub fn note(&mut self, note: &QuorumNote, begin: ReplOffset, end: ReplOffset) {
        match note {
            QuorumNote::Term { ballot, group } => {
                self.ballot = *ballot;
                if self.group != Some(*group) {
                    // The note before this one is of the first member. Notes before that are those
                    // of another group, in which the stream was before.
                    self.configurations.keep_newest();
                    self.group = Some(*group);
                }
            }
            QuorumNote::Members(configuration) => self.configurations.add(PlacedConfiguration {
                configuration: configuration.clone(),
                begin,
                end,
            }),
            QuorumNote::Safe(offset) => self.settle(*offset),
        }
    }

    /// The stream is safe up to here.
    pub fn settle(&mut self, safe: ReplOffset) {
        self.safe = self.safe.max(safe);
        self.configurations.settle(self.safe);
    }

    /// The position at the end of the data.
    pub fn position(&self, offset: ReplOffset) -> Position {
        Position {
            ballot: self.ballot,
            offset,
        }
    }

    /// The text of an aux field: `ballot safe group`, then a line `begin end configuration` for
    /// each configuration.
    pub fn text(&self) -> String {
        let group = self
            .group
            .map_or_else(|| "-".to_owned(), |its| its.to_string());
        let mut text = format!("{} {} {group}", self.ballot, self.safe);
        for placed in self.configurations.iter() {
            let PlacedConfiguration {
                configuration,
                begin,
                end,
            } = placed;
            text.push_str(&format!("\n{begin} {end} {configuration}"));
        }
        text
    }

    /// `None`: it is no text of a lineage.
    pub fn parse(text: &[u8]) -> Option<Lineage> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let mut lines = text.split(|&byte| byte == b'\n');
        let (ballot, rest) = split(lines.next()?)?;
        let (safe, group) = split(rest)?;
        let (ballot, safe) = (Ballot::parse(ballot)?, parse_digits(safe)?);
        let group = match group {
            b"-" => None,
            digits => Some(GroupId::parse(digits)?),
        };
        let mut configurations = Configurations::default();
        for line in lines {
            configurations.add(parse_placed(line)?);
        }
        Some(Lineage {
            ballot,
            group,
            safe,
            configurations,
        })
    }
}

/// `begin end configuration`.
pub(super) fn parse_placed(line: &[u8]) -> Option<PlacedConfiguration> {
    let (begin, rest) = split(line)?;
    let (end, configuration) = split(rest)?;
    Some(PlacedConfiguration {
        configuration: Configuration::parse(configuration)?,
        begin: parse_digits(begin)?,
        end: parse_digits(end)?,
    })
}

/// The bytes before and after the first space.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// The ballot of a node whose id is this digit repeated, for tests.
#[cfg(test)]
pub(super) fn ballot_of(number: u64, digit: u8) -> Ballot {
    let node = super::ballot::NodeId::parse(&[digit; 40]).expect("a hexadecimal digit");
    Ballot { number, node }
}

#[cfg(test)]
mod tests {
    use super::super::members::Member;
    use super::*;

    fn first() -> Configuration {
        let id = "c".repeat(40);
        Configuration::first(Member::parse(format!("{id}@10.0.0.1:1").as_bytes()).unwrap())
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let group = GroupId::parse(&[b'1'; 40]).unwrap();
        let ballot = ballot_of(7, b'a');
        for note in [
            QuorumNote::Term { ballot, group },
            QuorumNote::Members(first()),
            QuorumNote::Safe(1 << 40),
        ] {
            let text = note.text();
            assert!(crate::change_stream::is_note(&text));
            assert_eq!(crate::change_stream::Note::parse(&text), None);
            assert_eq!(QuorumNote::parse(&text), Some(note));
        }
        for text in [
            "hello",
            "russet:safe",
            "russet:safe x",
            "russet:term 1 a",
            "russet:by 1",
        ] {
            assert_eq!(QuorumNote::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_notes_of_another_group_are_none() {
        let (mut lineage, ballot) = (Lineage::default(), ballot_of(7, b'a'));
        let group = |digit| GroupId::parse(&[digit; 40]).unwrap();
        let ended = Configuration {
            version: 9,
            ..first()
        };
        let term = |digit| QuorumNote::Term {
            ballot,
            group: group(digit),
        };
        lineage.note(&QuorumNote::Members(ended), 0, 10);
        lineage.note(&QuorumNote::Members(first()), 10, 20);
        lineage.note(&term(b'1'), 20, 30);
        assert_eq!(lineage.configurations.newest(), Some(&first()));
        assert!(!lineage.configurations.is_changing());
        let second = Configuration {
            version: 2,
            ..first()
        };
        lineage.note(&QuorumNote::Members(second), 30, 40);
        lineage.note(&term(b'1'), 40, 50);
        assert!(lineage.configurations.is_changing(), "of the same group");
    }

    #[test]
    fn a_lineage_is_read_as_it_was_written() {
        let mut lineage = Lineage::default();
        assert_eq!(
            Lineage::parse(lineage.text().as_bytes()),
            Some(lineage.clone())
        );
        let ballot = ballot_of(7, b'a');
        let group = GroupId::parse(&[b'1'; 40]).unwrap();
        lineage.note(&QuorumNote::Term { ballot, group }, 0, 100);
        lineage.note(&QuorumNote::Members(first()), 100, 200);
        lineage.note(&QuorumNote::Safe(150), 200, 220);
        lineage.note(&QuorumNote::Safe(120), 220, 240);
        assert_eq!(lineage.position(240).to_string(), format!("{ballot}@240"));
        assert_eq!(lineage.safe, 150, "it does not fall");
        assert_eq!(Lineage::parse(lineage.text().as_bytes()), Some(lineage));
        for text in ["", "x 0", "0:0 0", &"x".repeat(TEXT_MAX + 1)] {
            assert_eq!(Lineage::parse(text.as_bytes()), None);
        }
    }
}
