//! The members of a group, and which of them must have a write or give a promise.
//!
//!     Configuration      N members, of which the leader and k others must have each write
//!     Configurations     those that may count: the last that is known to be safe, and later ones
//!
//! Invariants
//!   1. Of N members k + 1 have each acknowledged write, and N - k promise before another leads.
//!      Two such sets always share a member.
//!   2. A configuration counts from its note in the stream on. Until the note is safe, the
//!      configuration before it counts as well: an offset is safe, and a takeover has enough
//!      promises, only if all of them say so.
//!   3. One change at a time: the next is made after the note of the last is safe.
//!
//! Cost: O(members) for each question; a group has few.

use std::fmt;

use super::ballot::NodeId;
use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;

/// Members of a group.
pub const MEMBERS_MAX: usize = 32;

/// Bytes of a host name or an address.
const HOST_MAX: usize = 253;

/// The address of a node's client port. Text: `host:port`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// An address or a name, without spaces, at least one and at most 253 bytes.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl Address {
    /// An address from its two parts. `None`: they cannot be one.
    pub fn new(host: &[u8], port: &[u8]) -> Option<Address> {
        let host = std::str::from_utf8(host).ok()?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'@';
        let is_host = (1..=HOST_MAX).contains(&host.len()) && host.bytes().all(is_plain);
        let port = parse_digits(port)?.try_into().ok()?;
        (is_host && port != 0).then(|| Address {
            host: host.to_owned(),
            port,
        })
    }

    /// `None`: no address.
    pub fn parse(text: &[u8]) -> Option<Address> {
        // An address of IPv6 has colons of its own.
        let colon = memchr::memrchr(b':', text)?;
        Address::new(&text[..colon], &text[colon + 1..])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A member of a group. Text: `id@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub id: NodeId,
    /// The node's address for the other members.
    pub address: Address,
}

impl Member {
    /// `None`: no member.
    pub fn parse(text: &[u8]) -> Option<Member> {
        let at = memchr::memchr(b'@', text)?;
        Some(Member {
            id: NodeId::parse(&text[..at])?,
            address: Address::parse(&text[at + 1..])?,
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

/// The members of a group, and how many of them must have a write.
///
/// Text: `version k id@host:port id@host:port ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Each change has the next number.
    pub version: u64,
    /// k: the members that must have a write, besides the leader. 0 only while a group is formed.
    pub acknowledgements: usize,
    /// At least one, at most [`MEMBERS_MAX`].
    pub members: Vec<Member>,
}

impl Configuration {
    /// The first configuration of a group: the node that forms it.
    pub fn first(member: Member) -> Configuration {
        Configuration {
            version: 1,
            acknowledgements: 0,
            members: vec![member],
        }
    }

    /// The member with this id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Whether a node is a member.
    pub fn has(&self, id: NodeId) -> bool {
        self.member(id).is_some()
    }

    /// The group ends with this configuration (QUORUM SET 0): once it is safe, no acknowledgement
    /// is waited for. A group that is formed has k = 0 only while it has one member.
    pub fn is_ended(&self) -> bool {
        self.acknowledgements == 0 && self.members.len() > 1
    }

    /// N - k: the members without whose promise no other node leads.
    pub fn promises_needed(&self) -> usize {
        if self.is_ended() {
            // The configuration before it decides until the end is safe.
            return 0;
        }
        self.members.len() - self.acknowledgements
    }

    /// Whether enough members have something: k + 1, the leader counted if it is a member.
    pub fn is_acknowledged_by(&self, has: impl Fn(NodeId) -> bool) -> bool {
        let count = self.members.iter().filter(|member| has(member.id)).count();
        count > self.acknowledgements
    }

    /// Whether enough members have promised: N - k.
    pub fn is_promised_by(&self, has: impl Fn(NodeId) -> bool) -> bool {
        let count = self.members.iter().filter(|member| has(member.id)).count();
        count >= self.promises_needed()
    }

    /// The greatest offset that k + 1 members have; 0 if not so many have any.
    pub fn acknowledged_offset(&self, has: impl Fn(NodeId) -> ReplOffset) -> ReplOffset {
        let mut offsets = [0; MEMBERS_MAX];
        for (offset, member) in offsets.iter_mut().zip(&self.members) {
            *offset = has(member.id);
        }
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        offsets.get(self.acknowledgements).copied().unwrap_or(0)
    }

    /// The next configuration, after a change that the leader makes.
    ///
    /// # Errors
    /// The change is not allowed, or changes nothing.
    pub fn changed(&self, change: &Change, leader: NodeId) -> Result<Configuration, ChangeError> {
        if self.is_ended() {
            return Err(ChangeError::Ended);
        }
        let mut next = self.clone();
        next.version += 1;
        match change {
            Change::Add(member) => {
                if self.has(member.id) {
                    return Err(ChangeError::IsMember);
                }
                if self.members.len() == MEMBERS_MAX {
                    return Err(ChangeError::Full);
                }
                next.members.push(member.clone());
            }
            Change::Remove(id) => {
                if *id == leader {
                    return Err(ChangeError::Leader);
                }
                if !self.has(*id) {
                    return Err(ChangeError::NoMember);
                }
                next.members.retain(|member| member.id != *id);
            }
            Change::Move(member) => {
                let its = next.members.iter_mut().find(|its| its.id == member.id);
                let its = its.ok_or(ChangeError::NoMember)?;
                if its.address == member.address {
                    return Err(ChangeError::IsMember);
                }
                its.address = member.address.clone();
            }
            Change::Set(acknowledgements) => next.acknowledgements = *acknowledgements,
            Change::AddAndSet(member, acknowledgements) => {
                next = self.changed(&Change::Add(member.clone()), leader)?;
                next.acknowledgements = *acknowledgements;
            }
        }
        let (count, needed) = (next.members.len(), next.acknowledgements);
        let ends = *change == Change::Set(0) && self.acknowledgements > 0;
        let least = usize::from(count > 1 && self.acknowledgements > 0 && !ends);
        if !(least..count).contains(&needed) {
            return Err(ChangeError::OutOfRange { count, needed });
        }
        Ok(next)
    }

    /// `None`: no configuration.
    pub fn parse(text: &[u8]) -> Option<Configuration> {
        let mut words = text.split(|&byte| byte == b' ');
        let version = parse_digits(words.next()?)?;
        let acknowledgements = parse_digits(words.next()?)?.try_into().ok()?;
        let mut members: Vec<Member> = Vec::new();
        for word in words {
            let member = Member::parse(word)?;
            let is_known = members.iter().any(|known| known.id == member.id);
            if is_known || members.len() == MEMBERS_MAX {
                return None;
            }
            members.push(member);
        }
        (acknowledgements < members.len()).then_some(Configuration {
            version,
            acknowledgements,
            members,
        })
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.acknowledgements)?;
        self.members.iter().try_for_each(|its| write!(f, " {its}"))
    }
}

/// A change of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more member.
    Add(Member),
    /// A member is forgotten; not the leader.
    Remove(NodeId),
    /// A member has another address. It has no effect on quorums.
    Move(Member),
    /// Another k; 0 ends the group.
    Set(usize),
    /// One more member, and another k: while a group is formed.
    AddAndSet(Member, usize),
}

/// Why a change of the members is refused. Texts are those of the reply, without its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The node does not lead.
    #[error("This server does not lead a group")]
    NotLeading,
    /// The term note, or the note of the change before, is not acknowledged by enough members.
    #[error("The last change is not acknowledged by enough members yet")]
    Unfinished,
    /// The node is a member, with this address.
    #[error("The node is a member already")]
    IsMember,
    /// The new member is no replica of the leader, or lacks a part of the stream that is safe.
    #[error("The new member must be a replica of this server that has all of the safe data")]
    NotLinked,
    /// The node is no member.
    #[error("No such member")]
    NoMember,
    /// The leader cannot remove itself.
    #[error("The leader cannot be removed: let another member lead first")]
    Leader,
    /// There are [`MEMBERS_MAX`] members.
    #[error("A group has at most {MEMBERS_MAX} members")]
    Full,
    /// The group ends by the last change.
    #[error("The group ends: QUORUM SET 0 was the last change")]
    Ended,
    /// k is not from 1 to N - 1.
    #[error("{needed} acknowledgements are not from 1 to {count} members without the leader")]
    OutOfRange {
        /// N after the change.
        count: usize,
        /// k after the change.
        needed: usize,
    },
}

/// A configuration, and its note's place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedConfiguration {
    /// The content of the note.
    pub configuration: Configuration,
    /// The note begins there: offsets after it need this configuration.
    pub begin: ReplOffset,
    /// The note ends there: once that is safe, earlier configurations no longer count.
    pub end: ReplOffset,
}

/// The configurations that may count, oldest first. See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configurations(Vec<PlacedConfiguration>);

impl Configurations {
    /// The configurations that count, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &PlacedConfiguration> {
        self.0.iter()
    }

    /// The last one.
    pub fn newest(&self) -> Option<&Configuration> {
        self.0.last().map(|its| &its.configuration)
    }

    /// Whether the note of the last change is not known to be safe.
    pub fn is_changing(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether the group has ended, and enough members know it.
    pub fn is_ended(&self) -> bool {
        !self.is_changing() && self.newest().is_some_and(Configuration::is_ended)
    }

    /// A note has come. A note that repeats the last one, at the begin of a file of the log,
    /// changes nothing.
    pub fn add(&mut self, placed: PlacedConfiguration) {
        let last = self.0.last().map(|its| &its.configuration);
        if last != Some(&placed.configuration) {
            self.0.push(placed);
        }
    }

    /// This offset is safe: configurations before the last one up to there no longer count.
    pub fn settle(&mut self, safe: ReplOffset) {
        let last = self.0.iter().rposition(|its| its.end <= safe);
        self.0.drain(..last.unwrap_or(0));
    }

    /// All but the last one are another group's.
    pub(super) fn keep_newest(&mut self) {
        self.0.drain(..self.0.len().saturating_sub(1));
    }

    /// Only the last one counts: a rule to break.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn last_alone(&self) -> Configurations {
        Configurations(self.0.last().cloned().into_iter().collect())
    }

    /// All members of all of them, each once.
    pub fn members(&self) -> Vec<&Member> {
        let mut all: Vec<&Member> = Vec::new();
        // The newest address first.
        for member in self.iter().rev().flat_map(|its| &its.configuration.members) {
            if !all.iter().any(|known| known.id == member.id) {
                all.push(member);
            }
        }
        all
    }

    /// The greatest offset that is safe, if nodes have the stream up to these offsets.
    pub fn safe_offset(&self, has: impl Fn(NodeId) -> ReplOffset) -> ReplOffset {
        let mut safe = None;
        for placed in &self.0 {
            let offset = placed.configuration.acknowledged_offset(&has);
            safe = Some(match safe {
                None => offset,
                // Offsets up to its note do not need it.
                Some(safe) => offset.max(placed.begin).min(safe),
            });
        }
        safe.unwrap_or(0)
    }

    /// The first of them that has too few promises; `None`: all have enough.
    pub fn unpromised(&self, has: impl Fn(NodeId) -> bool) -> Option<&Configuration> {
        let mut all = self.0.iter().map(|its| &its.configuration);
        all.find(|its| !its.is_promised_by(&has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> NodeId {
        NodeId::parse(&[b'0' + number; 40]).unwrap()
    }

    fn member(number: u8) -> Member {
        let address = Address::parse(format!("10.0.0.{number}:6379").as_bytes()).unwrap();
        Member {
            id: id(number),
            address,
        }
    }

    fn of(count: u8, acknowledgements: usize) -> Configuration {
        Configuration {
            version: 5,
            acknowledgements,
            members: (1..=count).map(member).collect(),
        }
    }

    #[test]
    fn quorums_of_writes_and_of_promises_meet() {
        for count in 2..=5 {
            for k in 1..usize::from(count) {
                let configuration = of(count, k);
                for writes in 0..1u32 << count {
                    for promises in 0..1u32 << count {
                        let is_in = |set: u32| {
                            move |its: NodeId| {
                                let number = its.as_str().as_bytes()[0] - b'1';
                                set >> number & 1 == 1
                            }
                        };
                        let both = configuration.is_acknowledged_by(is_in(writes))
                            && configuration.is_promised_by(is_in(promises));
                        assert!(!both || writes & promises != 0);
                    }
                }
            }
        }
    }

    #[test]
    fn the_text_is_read_as_it_was_written_and_nothing_else_is() {
        let text = of(3, 1).to_string();
        assert_eq!(Configuration::parse(text.as_bytes()), Some(of(3, 1)));
        let ipv6 = Member::parse(format!("{}@::1:7000", id(1)).as_bytes()).unwrap();
        assert_eq!((&*ipv6.address.host, ipv6.address.port), ("::1", 7000));
        let twice = format!("1 1 {} {}", member(1), member(1));
        let many: Vec<String> = (0..33).map(|n| format!("{n:040}@h:1")).collect();
        for text in [
            "",
            "1",
            "1 0",
            "x 0 y",
            &format!("1 1 {}", member(1)),
            &twice,
            &format!("1 1 {}", many.join(" ")),
            &format!("1 0 {}@h:0", id(1)),
            &format!("1 0 {}@{}:1", id(1), "h".repeat(254)),
        ] {
            assert_eq!(Configuration::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn changes_keep_the_leader_and_a_quorum() {
        let three = of(3, 1);
        let refused = |change| three.changed(&change, id(1)).unwrap_err();
        assert_eq!(refused(Change::Remove(id(1))), ChangeError::Leader);
        assert_eq!(refused(Change::Remove(id(9))), ChangeError::NoMember);
        assert_eq!(refused(Change::Add(member(3))), ChangeError::IsMember);
        let (count, needed) = (3, 3);
        let expected = ChangeError::OutOfRange { count, needed };
        assert_eq!(refused(Change::Set(needed)), expected);
        let ended = three.changed(&Change::Set(0), id(1)).unwrap();
        assert!(ended.is_ended() && ended.is_promised_by(|_| false));
        assert_eq!(
            ended.changed(&Change::Set(1), id(1)),
            Err(ChangeError::Ended)
        );
        let two = three.changed(&Change::Remove(id(3)), id(1)).unwrap();
        assert_eq!((two.version, two.members.len()), (6, 2));
        assert!(two.changed(&Change::Remove(id(2)), id(1)).is_err());
        let forming = Configuration::first(member(1));
        let formed = forming.changed(&Change::AddAndSet(member(2), 1), id(1));
        assert_eq!(formed.unwrap().acknowledgements, 1);
    }

    /// An offset after the note of a change is safe only if both configurations say so.
    #[test]
    fn both_configurations_count_until_the_change_is_safe() {
        let mut all = Configurations::default();
        let place = |configuration, begin, end| PlacedConfiguration {
            configuration,
            begin,
            end,
        };
        all.add(place(of(3, 1), 0, 10));
        all.add(place(of(4, 1), 100, 110));
        all.add(place(of(4, 1), 200, 210));
        assert_eq!(all.iter().count(), 2, "a repeated note");
        let of_offsets = |offsets: [ReplOffset; 4]| {
            all.safe_offset(|its| offsets[usize::from(its.as_str().as_bytes()[0] - b'1')])
        };
        // The fourth node is no member for the first configuration.
        assert_eq!(of_offsets([120, 50, 0, 120]), 50);
        assert_eq!(of_offsets([120, 110, 0, 0]), 110);
        assert_eq!(of_offsets([90, 95, 0, 0]), 90);
        // Both quorums are asked: two of three, three of four.
        let promised = |set: &[u8]| all.unpromised(|its| set.iter().any(|&n| id(n) == its));
        assert_eq!(promised(&[1]).map(|its| its.members.len()), Some(3));
        assert_eq!(promised(&[1, 2]).map(|its| its.members.len()), Some(4));
        assert_eq!(promised(&[1, 2, 4]), None);
        assert_eq!(all.members().len(), 4);
        all.settle(109);
        assert!(all.is_changing());
        all.settle(110);
        assert!(!all.is_changing() && all.newest() == Some(&of(4, 1)));
    }
}
