//! The words that nodes of a group say to each other: REPLCONF on the client port.
//!
//!     REPLCONF QUORUM <group|-> <node> <promised> [outsider]   before PSYNC: I will follow you
//!       +QUORUM <ballot> <group> <end> <lease ms>              I lead by this ballot, up to there
//!     REPLCONF LEADER <group> <node>                           who leads?
//!       +LEADER <promised> <ballot|-> <ip:port|->
//!     REPLCONF SEAL <group> <ballot> <members version>         promise me this ballot
//!       *8 node, position, history, safe offset, clean, vow, members version, members
//!     REPLCONF TAIL <group> <ballot> <history> <offset>        send me the stream from there
//!       $ bytes of the backlog, up to its end
//!     REPLCONF LEADS <group> <ballot> <ip> <port>              I lead: follow me
//!       +OK
//!     REPLCONF TAKEOVER <group> <node>                         I lead: take over from me
//!       +OK
//!     +GONE <group> off|over|lossy                             I have left your group
//!     -SEALED <promised> <ip:port|?>                           a greater ballot was promised
//!
//! All are russet's own; a foreign server answers that it knows no such option.

use std::fmt;

use super::ballot::{Ballot, GroupId, NodeId, Position};
use super::members::{Address, Configuration};
use super::notes::split;
use super::vows::Vow;
use crate::{ReplId, ReplOffset};
use russet_base::numbers::number::parse_digits;
use russet_resp::{ReplyValue, write_request};

/// A request of a node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A replica is about to follow.
    Quorum {
        /// The replica's group; `None`: it has not been in one.
        group: Option<GroupId>,
        /// The replica.
        node: NodeId,
        /// The greatest ballot that it has promised.
        promised: Ballot,
        /// It may become a member (`sync-eligible`).
        is_eligible: bool,
    },
    /// The question who leads.
    Leader {
        /// The group.
        group: GroupId,
        /// The node that asks.
        node: NodeId,
    },
    /// A candidate asks for a promise.
    Seal {
        /// The group.
        group: GroupId,
        /// The candidate's ballot.
        ballot: Ballot,
        /// The version of the members that the candidate knows.
        version: u64,
    },
    /// A candidate asks for the end of the stream, which it lacks.
    Tail {
        /// The group.
        group: GroupId,
        /// The candidate's ballot, which the other node has promised.
        ballot: Ballot,
        /// The history of the candidate's data.
        history: ReplId,
        /// The end of the candidate's data.
        offset: ReplOffset,
    },
    /// A leader announces itself.
    Leads {
        /// The group.
        group: GroupId,
        /// The leader's ballot.
        ballot: Ballot,
        /// The leader's address.
        address: Address,
    },
    /// A leader asks a member to take over.
    TakeOver {
        /// The group.
        group: GroupId,
        /// The leader.
        node: NodeId,
    },
}

/// Why a request is not understood. The text is the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR a group's word has arguments that cannot be read")]
pub struct WordError;

impl Word {
    /// Whether these arguments of REPLCONF are a word of a group.
    pub fn is_one(args: &[&[u8]]) -> bool {
        let words: [&[u8]; 6] = [
            b"QUORUM",
            b"LEADER",
            b"SEAL",
            b"TAIL",
            b"LEADS",
            b"TAKEOVER",
        ];
        let is = |first: &&[u8]| words.iter().any(|word| word.eq_ignore_ascii_case(first));
        args.first().is_some_and(is)
    }

    /// Reads the arguments of REPLCONF.
    ///
    /// # Errors
    /// They are no word of a group ([`Word::is_one`]), or values cannot be read.
    pub fn parse(args: &[&[u8]]) -> Result<Word, WordError> {
        Word::of(args).ok_or(WordError)
    }

    fn of(args: &[&[u8]]) -> Option<Word> {
        let (first, rest) = args.split_first()?;
        let is = |word: &[u8]| first.eq_ignore_ascii_case(word);
        Some(match rest {
            [group, node, promised, eligible @ ..] if is(b"QUORUM") => Word::Quorum {
                group: match *group {
                    b"-" => None,
                    digits => Some(GroupId::parse(digits)?),
                },
                node: NodeId::parse(node)?,
                promised: Ballot::parse(promised)?,
                is_eligible: match eligible {
                    [] => true,
                    [word] if word.eq_ignore_ascii_case(b"outsider") => false,
                    _ => return None,
                },
            },
            [group, node] if is(b"LEADER") => Word::Leader {
                group: GroupId::parse(group)?,
                node: NodeId::parse(node)?,
            },
            [group, node] if is(b"TAKEOVER") => Word::TakeOver {
                group: GroupId::parse(group)?,
                node: NodeId::parse(node)?,
            },
            [group, ballot, version] if is(b"SEAL") => Word::Seal {
                group: GroupId::parse(group)?,
                ballot: Ballot::parse(ballot)?,
                version: parse_digits(version)?,
            },
            [group, ballot, history, offset] if is(b"TAIL") => Word::Tail {
                group: GroupId::parse(group)?,
                ballot: Ballot::parse(ballot)?,
                history: ReplId::parse(history)?,
                offset: parse_digits(offset)?,
            },
            [group, ballot, host, port] if is(b"LEADS") => Word::Leads {
                group: GroupId::parse(group)?,
                ballot: Ballot::parse(ballot)?,
                address: Address::new(host, port)?,
            },
            _ => return None,
        })
    }

    /// The group that is named; `None`: the node has none yet.
    pub fn group(&self) -> Option<GroupId> {
        match self {
            Word::Quorum { group, .. } => *group,
            Word::Leader { group, .. }
            | Word::Seal { group, .. }
            | Word::Tail { group, .. }
            | Word::Leads { group, .. }
            | Word::TakeOver { group, .. } => Some(*group),
        }
    }

    /// Appends the request.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut words = vec!["REPLCONF".to_owned()];
        let mut add = |word: &str, values: Vec<String>| {
            words.push(word.to_owned());
            words.extend(values);
        };
        match self {
            Word::Quorum {
                group,
                node,
                promised,
                is_eligible,
            } => {
                let group = group.map_or_else(|| "-".to_owned(), |group| group.to_string());
                let mut values = vec![group, node.to_string(), promised.to_string()];
                if !is_eligible {
                    values.push("outsider".to_owned());
                }
                add("QUORUM", values);
            }
            Word::Leader { group, node } => {
                add("LEADER", vec![group.to_string(), node.to_string()])
            }
            Word::TakeOver { group, node } => {
                add("TAKEOVER", vec![group.to_string(), node.to_string()])
            }
            Word::Seal {
                group,
                ballot,
                version,
            } => {
                let version = version.to_string();
                add("SEAL", vec![group.to_string(), ballot.to_string(), version]);
            }
            Word::Tail {
                group,
                ballot,
                history,
                offset,
            } => {
                let (group, ballot) = (group.to_string(), ballot.to_string());
                let (history, offset) = (history.to_string(), offset.to_string());
                add("TAIL", vec![group, ballot, history, offset]);
            }
            Word::Leads {
                group,
                ballot,
                address: Address { host, port },
            } => {
                let (group, ballot) = (group.to_string(), ballot.to_string());
                add("LEADS", vec![group, ballot, host.clone(), port.to_string()]);
            }
        }
        write_request(out, words.iter().map(String::as_bytes));
    }
}

/// The longest vow that is read: a day.
const VOW_MS_MAX: u64 = 24 * 3600 * 1000;

/// A promise, and the facts that decide which node has the longest stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealReport {
    /// The node that promises. Its address may have been another's.
    pub node: NodeId,
    /// The end of its data.
    pub position: Position,
    /// The history of its data.
    pub history: ReplId,
    /// The greatest offset that it knows to be safe.
    pub safe: ReplOffset,
    /// It has everything that it has ever acknowledged.
    pub is_clean: bool,
    /// Its vow to the leader that it has acknowledged last: until then that leader may read.
    pub vow: Option<Vow>,
    /// Its members, if they are newer than the candidate's.
    pub members: Option<Configuration>,
}

/// How a server has left a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEnd {
    /// The group has ended (QUORUM SET 0), and the server has been in no other since.
    Off,
    /// The group has ended.
    Over,
    /// The server goes on alone (QUORUM TAKEOVER LOSSY).
    Lossy,
}

impl GroupEnd {
    /// `None`: another word.
    pub fn parse(word: &[u8]) -> Option<GroupEnd> {
        match word {
            b"off" => Some(GroupEnd::Off),
            b"over" => Some(GroupEnd::Over),
            b"lossy" => Some(GroupEnd::Lossy),
            _ => None,
        }
    }
}

impl fmt::Display for GroupEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GroupEnd::Off => "off",
            GroupEnd::Over => "over",
            GroupEnd::Lossy => "lossy",
        })
    }
}

/// An answer to a [`Word`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Word::Quorum`]: follow me.
    Follow {
        /// The leader's ballot.
        ballot: Ballot,
        /// The leader's group.
        group: GroupId,
        /// The end of the leader's stream. A replica that has it is clean.
        end: ReplOffset,
        /// The replica vows for a lease of so many milliseconds whenever it acknowledges; 0: no
        /// lease.
        lease_ms: u64,
    },
    /// To [`Word::Leader`].
    Leader {
        /// The greatest ballot that the node has promised.
        promised: Ballot,
        /// The leader that the node follows or is. `None`: it knows of none.
        leader: Option<(Ballot, Address)>,
    },
    /// To [`Word::Seal`].
    Promise(SealReport),
    /// To [`Word::Leads`] and [`Word::TakeOver`].
    Done,
    /// The node has left this group, in this way.
    Gone(GroupId, GroupEnd),
    /// A greater ballot was promised, perhaps to a leader with this address.
    Refusal(Ballot, Option<Address>),
    /// Another error, with its code.
    Error(String),
}

impl Answer {
    /// Appends the reply.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = match self {
            Answer::Follow {
                ballot,
                group,
                end,
                lease_ms,
            } => format!("+QUORUM {ballot} {group} {end} {lease_ms}\r\n"),
            Answer::Leader { promised, leader } => match leader {
                Some((ballot, address)) => format!("+LEADER {promised} {ballot} {address}\r\n"),
                None => format!("+LEADER {promised} - -\r\n"),
            },
            Answer::Promise(report) => return report.write(out),
            Answer::Done => "+OK\r\n".to_owned(),
            Answer::Gone(group, end) => format!("+GONE {group} {end}\r\n"),
            Answer::Refusal(ballot, Some(address)) => format!("-SEALED {ballot} {address}\r\n"),
            Answer::Refusal(ballot, None) => format!("-SEALED {ballot} ?\r\n"),
            Answer::Error(text) => format!("-{}\r\n", text.replace(['\r', '\n'], " ")),
        };
        out.extend_from_slice(line.as_bytes());
    }

    /// Reads a reply. `None`: it is no answer of a node to a word, but perhaps bytes of a tail.
    pub fn parse(reply: &ReplyValue) -> Option<Answer> {
        match reply {
            ReplyValue::Simple(line) if line == b"OK" => Some(Answer::Done),
            ReplyValue::Simple(line) => Answer::of_status(line),
            ReplyValue::Error(line) => Some(
                Answer::of_refusal(line)
                    .unwrap_or_else(|| Answer::Error(String::from_utf8_lossy(line).into_owned())),
            ),
            ReplyValue::Array(values) => SealReport::parse(values).map(Answer::Promise),
            _ => None,
        }
    }

    /// Reads the line of a status or of an error, without its type byte: the reply to
    /// [`Word::Quorum`] in a handshake.
    pub fn parse_line(line: &[u8]) -> Option<Answer> {
        match line.split_first()? {
            (b'+', status) => Answer::parse(&ReplyValue::Simple(status.to_vec())),
            (b'-', error) => Answer::parse(&ReplyValue::Error(error.to_vec())),
            _ => None,
        }
    }

    fn of_status(line: &[u8]) -> Option<Answer> {
        let words: Vec<&[u8]> = line.splitn(6, |&byte| byte == b' ').collect();
        match *words {
            [b"QUORUM", ballot, group, end, lease] => Some(Answer::Follow {
                ballot: Ballot::parse(ballot)?,
                group: GroupId::parse(group)?,
                end: parse_digits(end)?,
                lease_ms: parse_digits(lease)?,
            }),
            [b"GONE", group, end] => {
                Some(Answer::Gone(GroupId::parse(group)?, GroupEnd::parse(end)?))
            }
            [b"LEADER", promised, ballot, address] => Some(Answer::Leader {
                promised: Ballot::parse(promised)?,
                leader: match ballot {
                    b"-" => None,
                    text => Some((Ballot::parse(text)?, Address::parse(address)?)),
                },
            }),
            _ => None,
        }
    }

    fn of_refusal(line: &[u8]) -> Option<Answer> {
        let words: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
        match *words {
            [b"SEALED", ballot, address] => Some(Answer::Refusal(
                Ballot::parse(ballot)?,
                Address::parse(address),
            )),
            _ => None,
        }
    }
}

impl SealReport {
    fn write(&self, out: &mut Vec<u8>) {
        let members = self.members.as_ref();
        let words = [
            self.node.to_string(),
            self.position.to_string(),
            self.history.to_string(),
            self.safe.to_string(),
            if self.is_clean { "clean" } else { "unclean" }.to_owned(),
            self.vow.map_or_else(
                || "-".to_owned(),
                |vow| format!("{} {}", vow.ms, vow.leader),
            ),
            members.map_or(0, |its| its.version).to_string(),
            members.map_or_else(String::new, Configuration::to_string),
        ];
        // An array of bulk strings has the form of a request.
        write_request(out, words.iter().map(String::as_bytes));
    }

    fn parse(values: &[ReplyValue]) -> Option<SealReport> {
        let text = |at: usize| match values.get(at) {
            Some(ReplyValue::Bulk(text)) => Some(text.as_slice()),
            _ => None,
        };
        let members = match text(7)? {
            b"" => None,
            members => Some(Configuration::parse(members)?),
        };
        let version = members.as_ref().map_or(0, |its| its.version);
        let is_same = parse_digits(text(6)?)? == version;
        is_same.then_some(SealReport {
            node: NodeId::parse(text(0)?)?,
            position: Position::parse(text(1)?)?,
            history: ReplId::parse(text(2)?)?,
            safe: parse_digits(text(3)?)?,
            is_clean: match text(4)? {
                b"clean" => true,
                b"unclean" => false,
                _ => return None,
            },
            vow: match text(5)? {
                b"-" => None,
                vow => {
                    let (ms, leader) = split(vow)?;
                    let (ms, leader) = (parse_digits(ms)?, Ballot::parse(leader)?);
                    // No lease is longer than a day.
                    (ms <= VOW_MS_MAX).then_some(Some(Vow { leader, ms }))?
                }
            },
            members,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members::Member;
    use super::super::notes::ballot_of;
    use super::*;
    use russet_resp::{ReplyBounds, ReplyParser};

    fn address() -> Address {
        Address::parse(b"10.0.0.1:6379").unwrap()
    }

    #[test]
    fn words_are_read_as_they_were_written() {
        let (group, ballot) = (GroupId::parse(&[b'1'; 40]).unwrap(), ballot_of(3, b'a'));
        let quorum = |group, is_eligible| Word::Quorum {
            group,
            node: ballot.node,
            promised: ballot,
            is_eligible,
        };
        let (node, version, offset) = (ballot.node, 7, 1 << 40);
        let (history, address) = (ReplId::NONE, address());
        for word in [
            quorum(None, true),
            quorum(Some(group), false),
            Word::Leader { group, node },
            Word::TakeOver { group, node },
            Word::Seal {
                group,
                ballot,
                version,
            },
            Word::Tail {
                group,
                ballot,
                history,
                offset,
            },
            Word::Leads {
                group,
                ballot,
                address,
            },
        ] {
            let mut request = Vec::new();
            word.write(&mut request);
            let lines: Vec<&[u8]> = request.split(|&byte| byte == b'\n').collect();
            let trim = |line: &&[u8]| line.strip_suffix(b"\r").map(<[u8]>::to_vec);
            let args: Vec<Vec<u8>> = lines.iter().filter_map(trim).skip(2).step_by(2).collect();
            let args: Vec<&[u8]> = args.iter().skip(1).map(Vec::as_slice).collect();
            assert!(Word::is_one(&args));
            assert_eq!(Word::parse(&args), Ok(word));
            let optional = usize::from(args.last() == Some(&&b"outsider"[..]));
            for end in 0..args.len() - optional {
                assert_eq!(Word::parse(&args[..end]), Err(WordError));
            }
            let more = [&args[..], &[b"x", b"y"]].concat();
            assert_eq!(Word::parse(&more), Err(WordError));
        }
        assert!(!Word::is_one(&[b"listening-port", b"1"]));
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let (group, ballot) = (GroupId::parse(&[b'1'; 40]).unwrap(), ballot_of(3, b'a'));
        let member = Member {
            id: ballot.node,
            address: address(),
        };
        let promise = |is_clean, members| {
            Answer::Promise(SealReport {
                node: ballot.node,
                position: Position { ballot, offset: 9 },
                history: ReplId::NONE,
                safe: 4,
                is_clean,
                vow: is_clean.then_some(Vow {
                    leader: ballot,
                    ms: 77,
                }),
                members,
            })
        };
        for answer in [
            Answer::Follow {
                ballot,
                group,
                end: 12,
                lease_ms: 1000,
            },
            Answer::Leader {
                promised: ballot,
                leader: None,
            },
            Answer::Leader {
                promised: ballot,
                leader: Some((ballot, address())),
            },
            promise(true, None),
            promise(false, Some(Configuration::first(member))),
            Answer::Done,
            Answer::Gone(group, GroupEnd::Off),
            Answer::Gone(group, GroupEnd::Over),
            Answer::Gone(group, GroupEnd::Lossy),
            Answer::Refusal(ballot, None),
            Answer::Refusal(ballot, Some(address())),
            Answer::Error("ERR Unrecognized REPLCONF option: SEAL".to_owned()),
        ] {
            let mut reply = Vec::new();
            answer.write(&mut reply);
            let mut parser = ReplyParser::new(ReplyBounds::default());
            let value = parser.push(&mut &reply[..]).unwrap().unwrap();
            assert_eq!(Answer::parse(&value), Some(answer));
        }
        for line in [
            "+QUORUM",
            "+QUORUM 1 2 3",
            "+LEADER a - -",
            "+PONG",
            ":1",
            "",
        ] {
            assert_eq!(Answer::parse_line(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            Answer::parse(&ReplyValue::Array(vec![ReplyValue::Null; 8])),
            None
        );
    }
}
