//! The promises of a node, and their file, `quorum.conf`.
//!
//! A node that has promised a ballot never again acknowledges a leader of a smaller one. So the
//! file is written and synced before a promise leaves for anyone (the machine's barrier of
//! saves), and a node that has lost its file is another node: the file has the node's id.
//!
//!     russet-quorum 1
//!     node <40 digits>
//!     group <40 digits>             absent: the node has not been in a group
//!     promised <ballot>
//!     position <ballot>@<offset>    where the data ended when the file was written
//!     boot <text>                   the system has not been restarted since
//!     unclean <Unix ms>             absent: the node has all that it has acknowledged
//!     ended <ballot>@<offset>       an orderly end, with the data up to here on disk
//!     configuration <begin> <end> <version> <k> <id>@<ip>:<port> ..    the last known
//!     lease <ms>                    the vow to the leader; absent: none
//!     left <40 digits> over|lossy   a group that the server has left
//!
//! # Clean
//!
//! A node is clean if it surely has everything that it has ever acknowledged. After a start it is
//! clean if it was clean before, and one of these holds: the log is whole and the system has not
//! been restarted, so the kernel kept all that the process had written; everything acknowledged was
//! synced; or the last end was orderly, and the data ends where it ended. In doubt it is unclean.

use super::ballot::{Ballot, GroupId, NodeId, Position};
use super::members::PlacedConfiguration;
use super::notes::{Lineage, parse_placed, split};
use super::words::GroupEnd;
use crate::ReplOffset;
use russet_base::numbers::number::parse_digits;

const HEAD: &[u8] = b"russet-quorum 1";

/// Bytes of the file.
pub const FILE_MAX: usize = 64 * 1024;

/// Bytes of the system's id of this boot that are kept.
const BOOT_MAX: usize = 64;

/// The content of `quorum.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// The node's id.
    pub node: NodeId,
    /// The node's group, once it has one.
    pub group: Option<GroupId>,
    /// The greatest ballot that the node has agreed to.
    pub promised: Ballot,
    /// The end of the data when the file was written: for people.
    pub position: Position,
    /// The system's id of the boot in which the file was written; empty: unknown.
    pub boot: String,
    /// Since when the node may lack something that it has acknowledged, Unix milliseconds. `None`:
    /// the node is clean.
    pub unclean_since_ms: Option<u64>,
    /// The end of the data at an orderly end. `None`: the process runs, or was killed.
    pub ended: Option<Position>,
    /// The last known configurations: how the other nodes are reached if the data is lost.
    pub configurations: Vec<PlacedConfiguration>,
    /// The lease for which the node vows to its leader, milliseconds; 0: none.
    pub lease_ms: u64,
    /// Groups that the server has left, the latest last.
    pub left: Vec<(GroupId, GroupEnd)>,
}

/// Why a file is not read. The server does not start with it, because it might forget promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is longer than [`FILE_MAX`].
    #[error("it has more than {FILE_MAX} bytes")]
    TooLong,
    /// The first line is another.
    #[error("line 1 is not 'russet-quorum 1': another version wrote it, or it is another file")]
    Head,
    /// A line cannot be read.
    #[error("line {0} has an unknown word, or a value that cannot be read")]
    Line(usize),
    /// The last line has no end: the file was cut short.
    #[error("the last line is not complete")]
    CutShort,
    /// The line of the node's id, or of its promise, is missing.
    #[error("the lines 'node' and 'promised' are not both there")]
    Missing,
}

impl SavedState {
    /// Of a node that has promised nothing and has no data.
    pub fn new(node: NodeId) -> SavedState {
        SavedState {
            node,
            group: None,
            promised: Ballot::NONE,
            position: Lineage::default().position(0),
            boot: String::new(),
            unclean_since_ms: None,
            ended: None,
            configurations: Vec::new(),
            lease_ms: 0,
            left: Vec::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is not one, or damaged.
    pub fn parse(text: &[u8]) -> Result<SavedState, FileError> {
        if text.len() > FILE_MAX {
            return Err(FileError::TooLong);
        }
        let mut lines = text.split(|&byte| byte == b'\n');
        if lines.next() != Some(HEAD) {
            return Err(FileError::Head);
        }
        if lines.next_back() != Some(b"") {
            return Err(FileError::CutShort);
        }
        let (mut state, mut has_node, mut has_promise) =
            (SavedState::new(NodeId::NONE), false, false);
        for (number, line) in (2..).zip(lines) {
            let word = state.take_line(line).ok_or(FileError::Line(number))?;
            has_node |= word == b"node";
            has_promise |= word == b"promised";
        }
        if has_node && has_promise {
            Ok(state)
        } else {
            Err(FileError::Missing)
        }
    }

    /// Takes a line, and returns its first word.
    fn take_line<'l>(&mut self, line: &'l [u8]) -> Option<&'l [u8]> {
        let (word, value) = split(line)?;
        match word {
            b"node" => self.node = NodeId::parse(value)?,
            b"group" => self.group = Some(GroupId::parse(value)?),
            b"promised" => self.promised = Ballot::parse(value)?,
            b"position" => self.position = Position::parse(value)?,
            b"boot" => {
                let boot = std::str::from_utf8(value).ok()?;
                self.boot = (boot.len() <= BOOT_MAX).then(|| boot.to_owned())?;
            }
            b"unclean" => self.unclean_since_ms = Some(parse_digits(value)?),
            b"ended" => self.ended = Some(Position::parse(value)?),
            b"configuration" => self.configurations.push(parse_placed(value)?),
            b"lease" => self.lease_ms = parse_digits(value)?,
            b"left" => {
                let (group, end) = split(value)?;
                self.left
                    .push((GroupId::parse(group)?, GroupEnd::parse(end)?));
            }
            _ => return None,
        }
        Some(word)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(HEAD).into_owned();
        let mut line = |word: &str, value: &dyn std::fmt::Display| {
            text.push_str(&format!("\n{word} {value}"));
        };
        line("node", &self.node);
        if let Some(group) = &self.group {
            line("group", group);
        }
        line("promised", &self.promised);
        line("position", &self.position);
        if !self.boot.is_empty() {
            line("boot", &self.boot);
        }
        if let Some(since_ms) = &self.unclean_since_ms {
            line("unclean", since_ms);
        }
        if let Some(ended) = &self.ended {
            line("ended", ended);
        }
        for PlacedConfiguration {
            configuration,
            begin,
            end,
        } in &self.configurations
        {
            line(
                "configuration",
                &format_args!("{begin} {end} {configuration}"),
            );
        }
        if self.lease_ms > 0 {
            line("lease", &self.lease_ms);
        }
        for (group, end) in &self.left {
            line("left", &format_args!("{group} {end}"));
        }
        text.push('\n');
        text
    }

    /// Whether the node has everything that it has acknowledged.
    pub fn is_clean(&self) -> bool {
        self.unclean_since_ms.is_none()
    }
}

/// The data with which a server starts.
#[derive(Clone, Debug)]
pub struct LoadedData {
    /// The facts that its notes have.
    pub lineage: Lineage,
    /// Its end.
    pub offset: ReplOffset,
    /// The log was complete: neither cut short nor damaged, and it has all that the process wrote.
    pub is_whole: bool,
    /// Everything that was acknowledged had been synced: `sync-on disk`, or `appendfsync always`.
    pub was_synced: bool,
    /// The system's id of this boot; empty: unknown.
    pub boot: String,
}

/// The acceptor: the promises of a node, and whether the file has them.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    pub state: SavedState,
    /// The file has another state.
    is_changed: bool,
}

impl Acceptor {
    /// Of a server that starts. `now_ms`: Unix milliseconds.
    pub fn start(mut state: SavedState, loaded: &LoadedData, now_ms: u64) -> Acceptor {
        let position = loaded.lineage.position(loaded.offset);
        let is_same_boot = !loaded.boot.is_empty() && state.boot == loaded.boot;
        let kept_all = loaded.is_whole && (is_same_boot || loaded.was_synced);
        let is_clean = kept_all || state.ended == Some(position);
        // A node that has acknowledged nothing has lost nothing.
        let is_new = state.promised == Ballot::NONE && state.group.is_none();
        if !is_clean && !is_new {
            state.unclean_since_ms.get_or_insert(now_ms);
        }
        state.boot = loaded.boot.chars().take(BOOT_MAX).collect();
        state.ended = None;
        Acceptor {
            state,
            is_changed: true,
        }
    }

    /// Whether the file lacks something.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The file has, or has not, the state of when it was last asked for.
    pub fn set_saved(&mut self, is_saved: bool) {
        self.is_changed = !is_saved;
    }

    /// Agrees to a ballot that is not smaller than those before.
    pub fn promise(&mut self, ballot: Ballot) {
        assert!(ballot >= self.state.promised, "promises do not fall");
        self.is_changed |= ballot != self.state.promised;
        self.state.promised = ballot;
    }

    /// Changes another fact of the file.
    pub fn change(&mut self, change: impl FnOnce(&mut SavedState)) {
        let before = self.state.clone();
        change(&mut self.state);
        self.is_changed |= self.state != before;
    }
}

#[cfg(test)]
mod tests {
    use super::super::notes::ballot_of;
    use super::*;

    fn state() -> SavedState {
        let ballot = ballot_of(4, b'b');
        let position = Position { ballot, offset: 77 };
        let member = format!("{}@10.0.0.1:6379", "b".repeat(40));
        SavedState {
            group: GroupId::parse(&[b'9'; 40]),
            promised: ballot,
            position,
            boot: "1b4e28ba-2fa1".to_owned(),
            unclean_since_ms: Some(1_764_000_000_123),
            ended: Some(position),
            lease_ms: 900,
            left: vec![(GroupId::parse(&[b'8'; 40]).unwrap(), GroupEnd::Lossy)],
            configurations: vec![
                parse_placed(format!("3 9 1 0 {member}").as_bytes()).unwrap(),
                parse_placed(format!("10 19 2 0 {member}").as_bytes()).unwrap(),
            ],
            ..SavedState::new(ballot.node)
        }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        for state in [state(), SavedState::new(state().node)] {
            assert_eq!(SavedState::parse(state.text().as_bytes()), Ok(state));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_wherever_it_is_cut() {
        let text = state().text();
        for end in 0..text.len() {
            // Cut after whole lines it may be a file, but then not the first lines alone.
            let part = SavedState::parse(&text.as_bytes()[..end]);
            let is_whole_lines = text[..end].ends_with('\n');
            assert!(part.is_err() || is_whole_lines, "{end}");
        }
        let head = "russet-quorum 1\n";
        let node = format!("{head}node {}\n", state().node);
        for (text, error) in [
            ("", FileError::Head),
            ("russet-quorum 2\n", FileError::Head),
            (head, FileError::Missing),
            (&node, FileError::Missing),
            ("russet-quorum 1\npromised x\n", FileError::Line(2)),
            ("russet-quorum 1\n\n", FileError::Line(2)),
            ("russet-quorum 1\nlater 1\n", FileError::Line(2)),
            (&"x".repeat(FILE_MAX + 1), FileError::TooLong),
        ] {
            assert_eq!(SavedState::parse(text.as_bytes()), Err(error));
        }
    }

    #[test]
    fn a_start_is_clean_only_if_nothing_can_be_missing() {
        let before = SavedState {
            unclean_since_ms: None,
            ..state()
        };
        let loaded = |offset, is_whole, was_synced, boot: &str| {
            let lineage = Lineage {
                ballot: before.promised,
                ..Lineage::default()
            };
            LoadedData {
                lineage,
                offset,
                is_whole,
                was_synced,
                boot: boot.to_owned(),
            }
        };
        let is_clean = |before: &SavedState, loaded| {
            Acceptor::start(before.clone(), &loaded, 1).state.is_clean()
        };
        let boot = before.boot.as_str();
        let killed = SavedState {
            ended: None,
            ..before.clone()
        };
        assert!(is_clean(&killed, loaded(50, true, false, boot)));
        assert!(is_clean(&killed, loaded(50, true, true, "other")));
        assert!(
            is_clean(&before, loaded(77, false, false, "other")),
            "orderly"
        );
        assert!(!is_clean(&before, loaded(76, false, false, "other")));
        assert!(
            !is_clean(&killed, loaded(50, true, false, "other")),
            "power"
        );
        assert!(!is_clean(&killed, loaded(50, true, false, "")), "unknown");
        assert!(
            !is_clean(&killed, loaded(50, false, true, boot)),
            "cut short"
        );
        assert!(
            !is_clean(&state(), loaded(50, true, true, boot)),
            "as before"
        );
        let ended = Acceptor::start(before.clone(), &loaded(77, true, false, boot), 1);
        assert_eq!(ended.state.ended, None, "the next end may be another");
    }
}
