//! Links of nodes that are not known, and bounds on their cost.
//!
//! An inbound link is a stranger's until a known node has greeted by it. Strangers have a time for
//! their first message and between messages, and a number together (`Settings::strange_links_max`):
//! a newer link closes the link that has been silent for longest. A real node speaks as soon as its
//! link is open, and then twice in a node timeout. The log takes `LINES_MAX` lines a second about
//! them.

use super::super::bus::link::BusLink;
use super::super::core::Cluster;
use super::super::message::SenderStatus;
use russet_host::LinkId;

/// The first message comes within this time, or a node timeout.
const FIRST_MS: i64 = 5000;
/// The next messages within this time, or two node timeouts.
const NEXT_MS: i64 = 10_000;
/// All links together hold no more than this of incomplete messages. The longest message has half
/// of it.
const INPUT_BYTES_MAX: usize = 2 << 30;
/// Links that have not proven which node they are hold no more than this together. A message of
/// theirs is at most a MiB (`message::Standing`).
const UNPROVEN_BYTES_MAX: usize = 64 << 20;
/// Links of strangers, unless the settings have another number.
const LINKS_MAX: usize = 128;
/// Lines of the log that others cause in a second.
const LINES_MAX: u64 = 10;

/// Lines of the log that others cause.
#[derive(Debug, Default)]
pub struct Lines {
    /// When the second began, monotonic milliseconds.
    since: i64,
    count: u64,
}

impl Cluster {
    /// Logs a line that any node can cause; lines beyond the rate are counted.
    pub(crate) fn log_limited(&mut self, text: String) {
        let now = self.ms();
        if now - self.lines.since >= 1000 {
            let left_out = self.lines.count.saturating_sub(LINES_MAX);
            self.lines = Lines {
                since: now,
                count: 0,
            };
            if left_out > 0 {
                self.note(format!(
                    "{left_out} more lines about messages and addresses of others were left out"
                ));
            }
        }
        self.lines.count += 1;
        if self.lines.count <= LINES_MAX {
            self.note(text);
        }
    }

    /// Makes room for a further stranger. O(links) if a link must go.
    pub(crate) fn make_room_for_stranger(&mut self) {
        let max = match self.settings.strange_links_max {
            0 => LINKS_MAX,
            max => max,
        };
        if self.links.strangers() < max {
            return;
        }
        let strangers = self.links.iter().filter(|(_, link)| link.is_strange());
        let silent =
            strangers.min_by_key(|(id, link)| (link.received_at.is_some(), link.received_at, *id));
        if let Some((id, _)) = silent {
            self.close(id);
        }
    }

    /// Closes links of strangers that are silent, and the link that holds most if all hold too
    /// much. O(links).
    pub(crate) fn tend_strangers(&mut self) {
        let now = self.ms();
        let timeout = self.settings.node_timeout.get();
        let (first_ms, next_ms) = (FIRST_MS.min(timeout.max(1)), NEXT_MS.max(2 * timeout));
        let is_late = |link: &BusLink| match link.received_at {
            None => now - link.since > first_ms,
            Some(received_at) => now - received_at > next_ms,
        };
        let strangers = self.links.iter().filter(|(_, link)| link.is_strange());
        let late: Vec<LinkId> = strangers
            .filter(|(_, link)| is_late(link))
            .map(|(id, _)| id)
            .collect();
        for link in late {
            self.close(link);
        }
        if self.links.input_bytes() > INPUT_BYTES_MAX {
            let most = self.links.iter().max_by_key(|(_, link)| link.bytes());
            if let Some((id, _)) = most {
                self.close_for_its_input(id);
            }
        }
        if self.links.input_bytes() > UNPROVEN_BYTES_MAX {
            self.bound_unproven();
        }
    }

    /// Closes links that have not proven which node they are, the links that hold most first, until
    /// the others hold little enough. O(links log links).
    fn bound_unproven(&mut self) {
        let has_door = self.has_door();
        let open = self.links.iter();
        let unproven =
            open.filter(|(_, link)| link.standing(&self.nodes, has_door) != SenderStatus::Proven);
        let mut held: Vec<(usize, LinkId)> =
            unproven.map(|(id, link)| (link.bytes(), id)).collect();
        held.sort_unstable();
        let mut sum: usize = held.iter().map(|(bytes, _)| bytes).sum();
        while sum > UNPROVEN_BYTES_MAX
            && let Some((bytes, id)) = held.pop()
        {
            sum -= bytes;
            self.close_for_its_input(id);
        }
    }

    fn close_for_its_input(&mut self, link: LinkId) {
        let from = self.from(link);
        self.log_limited(format!("Closed the link {from}: too much input waits"));
        self.close(link);
    }
}
