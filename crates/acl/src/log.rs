//! Denied accesses: ACL LOG and the counters of INFO.
//!
//! Equal events within a minute share one entry with a count. Names are cut to a maximum length,
//! so that denied clients cannot fill the memory.

use std::collections::VecDeque;

/// Entries shown by default.
pub const LOG_SHOWN: usize = 10;

/// How many entries are searched for an equal event.
const LOOK_BACK: usize = 10;
const SAME_WITHIN_MS: i64 = 60_000;

/// Maximum bytes kept of a name.
const NAME_MAX: usize = 4096;

/// Why an access was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A login with a wrong name or password.
    Auth,
    /// The user may not run the command.
    Command,
    /// The user may not access a key as the command does.
    Key,
    /// The user may not use a channel.
    Channel,
    /// The user may not use a database.
    Database,
}

impl Reason {
    const COUNT: usize = 5;

    /// As ACL LOG shows it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Database => "database",
        }
    }
}

/// Where a command was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Sent by the client, outside MULTI.
    TopLevel,
    /// Queued in a transaction, or run by EXEC.
    Multi,
    /// Called by a script or a function.
    Script,
}

impl Context {
    /// As ACL LOG shows it; a script is `lua`.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
        }
    }
}

/// A denied access.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Why it was denied.
    pub reason: Reason,
    /// Where it was denied.
    pub context: Context,
    /// The command, key, channel or database.
    pub object: &'a [u8],
    /// The user's name, or the name that was tried.
    pub user: &'a [u8],
}

/// Equal events.
#[derive(Debug)]
pub struct Entry {
    pub reason: Reason,
    pub context: Context,
    pub object: Box<[u8]>,
    pub user: Box<[u8]>,
    pub count: u64,
    pub id: u64,
    /// Unix milliseconds.
    pub created_ms: i64,
    pub updated_ms: i64,
    /// The last client, in the format of CLIENT LIST.
    pub client: Box<[u8]>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct AclLog {
    /// Newest first.
    entries: VecDeque<Entry>,
    next_id: u64,
    denied: [u64; Reason::COUNT],
}

impl AclLog {
    /// Counts an event and logs it; the log holds at most `len_max` entries.
    pub fn add(
        &mut self,
        event: Event<'_>,
        len_max: u64,
        now_ms: i64,
        client: impl FnOnce() -> Vec<u8>,
    ) {
        self.denied[event.reason as usize] += 1;
        if len_max == 0 {
            self.entries.clear();
            return;
        }
        let short = |name: &[u8]| Box::from(&name[..name.len().min(NAME_MAX)]);
        let (object, user): (Box<[u8]>, Box<[u8]>) = (short(event.object), short(event.user));
        let is_same = |entry: &Entry| {
            (entry.reason, entry.context) == (event.reason, event.context)
                && (now_ms - entry.updated_ms).abs() <= SAME_WITHIN_MS
                && (&entry.object, &entry.user) == (&object, &user)
        };
        let known = self.entries.iter().take(LOOK_BACK).position(is_same);
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            entry.updated_ms = now_ms;
            entry.client = client().into();
            self.entries.push_front(entry);
            return;
        }
        self.entries.push_front(Entry {
            reason: event.reason,
            context: event.context,
            object,
            user,
            count: 1,
            id: self.next_id,
            created_ms: now_ms,
            updated_ms: now_ms,
            client: client().into(),
        });
        self.next_id += 1;
        let len_max = usize::try_from(len_max).unwrap_or(usize::MAX);
        self.entries.truncate(len_max);
    }

    /// Newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// ACL LOG RESET; the counters of INFO stay.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many accesses were denied for this reason.
    pub fn denied(&self, reason: Reason) -> u64 {
        self.denied[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &[u8]) -> Event<'_> {
        Event {
            reason: Reason::Key,
            context: Context::TopLevel,
            object,
            user: b"u",
        }
    }

    #[test]
    fn the_same_within_a_minute_is_one_entry_and_comes_first() {
        let mut log = AclLog::default();
        for (object, now) in [(b"a", 0), (b"b", 1), (b"a", 60_000), (b"a", 120_001)] {
            log.add(event(object), 10, now, Vec::new);
        }
        let reported: Vec<_> = log.entries().map(|e| (e.id, e.count)).collect();
        assert_eq!(reported, [(2, 1), (0, 2), (1, 1)]);
        assert_eq!(log.denied(Reason::Key), 4);
    }

    #[test]
    fn neither_entries_nor_names_grow_without_bound() {
        let mut log = AclLog::default();
        for n in 0..50u32 {
            let name = [&n.to_le_bytes()[..], &vec![b'x'; 1 << 20]].concat();
            log.add(event(&name), 3, 0, Vec::new);
        }
        assert_eq!(log.entries().len(), 3);
        assert!(log.entries().all(|e| e.object.len() == NAME_MAX));
        log.add(event(b"x"), 0, 0, Vec::new);
        assert_eq!(log.entries().len(), 0, "acllog-max-len 0 forgets");
    }
}
