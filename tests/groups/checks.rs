//! Checks the claims while things happen: `main` lists the claims.
//!
//! A write has a home: first the server that executed it, later each new leader with the write. If
//! a new leader lacks a write, or a restart loses it, the write must have an excuse, which is
//! counted.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::data::{Write, Writes};
use super::server::Rules;
use russet_replication::simulation::Node;

/// The keys that a server leads: the keys of a slot, or `None` for the group without a cluster.
pub type Scope = Option<u16>;

/// The servers that have acknowledged a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckLevel {
    /// Only the server that executed it.
    Alone,
    /// All other servers of the group, too (WAIT).
    All,
}

/// The reason why a write may be lost, or why an acknowledgement does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// A replica without the write was promoted, because replication is asynchronous.
    Failover,
    /// The server had already been replaced, and did not know it.
    Stale,
    /// The power failed before the write was on disk, without `appendfsync always`.
    Power,
    /// The only server left had dropped its data for a copy that did not arrive.
    Partial,
    /// The slot has moved to a server without a replica that has the write: by SETSLOT, whose
    /// epochs have no votes, or in a migration while no replica was in sync.
    Moved,
}

struct WriteRecord {
    scope: Scope,
    home: usize,
    acked: Option<AckLevel>,
    excuse: Option<Excuse>,
    is_moved: bool,
}

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub acked: BTreeMap<AckLevel, usize>,
    pub lost: BTreeMap<(AckLevel, Excuse), usize>,
    pub promotions: usize,
    /// Slots moved by SETSLOT, and migrations that have begun.
    pub moves: usize,
    pub shifts: usize,
    pub claims: usize,
    pub restarts: usize,
    /// The longest time in which two servers took writes to the same keys: in the group, in a slot.
    pub dual_ms: [i64; 2],
}

impl Figures {
    pub fn add(&mut self, other: &Figures) {
        for (acked, count) in &other.acked {
            *self.acked.entry(*acked).or_default() += count;
        }
        for (lost, count) in &other.lost {
            *self.lost.entry(*lost).or_default() += count;
        }
        self.promotions += other.promotions;
        self.moves += other.moves;
        self.shifts += other.shifts;
        self.claims += other.claims;
        self.restarts += other.restarts;
        for (mine, its) in self.dual_ms.iter_mut().zip(other.dual_ms) {
            *mine = its.max(*mine);
        }
    }
}

/// See the module.
pub struct Checks {
    rules: Rules,
    writes: BTreeMap<Write, WriteRecord>,
    /// The server that led last.
    leaders: BTreeMap<Scope, usize>,
    /// The sum of the data at each position.
    seen: HashMap<(String, u64), u64>,
    /// The last position of each host.
    positions: Vec<Option<(String, u64)>>,
    /// The time since which two servers take writes to the same keys.
    dual: BTreeMap<Scope, i64>,
    pub figures: Figures,
}

impl Checks {
    pub fn new(hosts: usize, rules: Rules) -> Checks {
        Checks {
            rules,
            writes: BTreeMap::new(),
            // The first server of the group leads, and the others are its replicas.
            leaders: BTreeMap::from([(None, 0)]),
            seen: HashMap::new(),
            positions: vec![None; hosts],
            dual: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    // --- positions ---

    /// Checks a server after a turn: equal positions have equal data, and no offset falls.
    pub fn look(&mut self, host: usize, node: &mut Node<Writes>) -> Result<(), String> {
        let is_replaced = std::mem::take(&mut node.is_replaced);
        if node.is_loading {
            self.positions[host] = None;
            return Ok(());
        }
        let at = node.stream.position();
        let key = (at.id.to_string(), at.offset);
        let last = &mut self.positions[host];
        if let Some((id, offset)) = last
            && *id == key.0
            && *offset > key.1
            && !is_replaced
        {
            return Err(format!(
                "{host}: the offset falls from {offset} to {}",
                key.1
            ));
        }
        if last.as_ref() == Some(&key) && !is_replaced {
            return Ok(());
        }
        *last = Some(key.clone());
        match self.seen.entry(key) {
            Entry::Vacant(entry) => _ = entry.insert(node.data.sum()),
            Entry::Occupied(entry) if *entry.get() != node.data.sum() => {
                let offset = at.offset;
                return Err(format!(
                    "{host}: at offset {offset} its data is not that of another server"
                ));
            }
            Entry::Occupied(_) => {}
        }
        Ok(())
    }

    // --- writes ---

    /// Records that a server has executed a write.
    pub fn wrote(&mut self, write: Write, host: usize, scope: Scope) {
        let leader = self.leaders.get(&scope);
        let is_stale = leader.is_some_and(|leader| *leader != host);
        let written = WriteRecord {
            scope,
            home: host,
            acked: None,
            excuse: is_stale.then_some(Excuse::Stale),
            is_moved: false,
        };
        self.writes.insert(write, written);
    }

    /// Records that a client has the acknowledgement of a write.
    pub fn acknowledged(&mut self, write: Write, acked: AckLevel) -> Result<(), String> {
        let Some(written) = self.writes.get_mut(&write) else {
            return Ok(());
        };
        written.acked = Some(acked);
        *self.figures.acked.entry(acked).or_default() += 1;
        match written.excuse {
            Some(excuse @ (Excuse::Failover | Excuse::Stale)) if acked == AckLevel::All => {
                let (home, leader) = (written.home, self.leaders.get(&written.scope));
                Err(format!(
                    "write {write} of {home} is acknowledged by all, and lost already: \
                     {excuse:?}, {leader:?} leads"
                ))
            }
            _ => Ok(()),
        }
    }

    /// The server that led last.
    pub fn leader(&self, scope: Scope) -> Option<usize> {
        self.leaders.get(&scope).copied()
    }

    /// Records that a server leads from now on. `was_partial`: it had lost its data for a copy.
    pub fn leads(
        &mut self,
        host: usize,
        scopes: &[Scope],
        data: &Writes,
        was_partial: bool,
    ) -> Result<(), String> {
        let mut is_new = false;
        for scope in scopes {
            is_new |= self.leaders.insert(*scope, host) != Some(host);
        }
        self.figures.promotions += usize::from(is_new);
        for (write, its) in &mut self.writes {
            if !scopes.contains(&its.scope) {
                continue;
            }
            if data.has(*write) {
                (its.home, its.excuse) = (host, None);
                continue;
            }
            if its.home == host || its.excuse.is_some() {
                continue;
            }
            its.excuse = Some(match its.acked {
                _ if was_partial => Excuse::Partial,
                Some(AckLevel::All) if its.is_moved => Excuse::Moved,
                Some(AckLevel::All) if !self.rules.is_always => Excuse::Power,
                Some(AckLevel::All) => {
                    let home = its.home;
                    return Err(format!(
                        "write {write}, which all have acknowledged, is not at {host}, which \
                         follows {home} as the primary"
                    ));
                }
                _ => Excuse::Failover,
            });
        }
        Ok(())
    }

    /// Records that a server has started with its files. `was_partial`: as when it stopped.
    pub fn restarted(
        &mut self,
        host: usize,
        node: &Node<Writes>,
        (was_partial, had_power): (bool, bool),
    ) -> Result<(), String> {
        self.figures.restarts += 1;
        self.positions[host] = None;
        for (write, its) in &mut self.writes {
            if its.home != host || its.excuse.is_some() || node.data.has(*write) {
                continue;
            }
            let is_safe = self.rules.is_always || had_power;
            if is_safe && its.acked.is_some() && !was_partial {
                return Err(format!("write {write} is lost as {host} restarts"));
            }
            its.excuse = Some(if was_partial {
                Excuse::Partial
            } else {
                Excuse::Power
            });
        }
        Ok(())
    }

    /// Records that an operator has moved the writes of a slot to another server.
    pub fn moved(&mut self, slot: u16, from: usize, to: usize) {
        self.figures.moves += 1;
        self.leaders.insert(Some(slot), to);
        for its in self.writes.values_mut() {
            if its.scope == Some(slot) {
                its.is_moved = true;
                its.home = if its.home == from { to } else { its.home };
            }
        }
    }

    /// Records that a server has claimed, without votes, slots whose keys have moved to it, and so
    /// has all keys. `is_held`: a replica of it has them, too. `None`: the server takes back slots
    /// that it had given away, because the new owner has failed, as an election would do it.
    pub fn claimed(
        &mut self,
        slots: &[u16],
        (to, is_held): (usize, Option<bool>),
        data: &Writes,
    ) -> Result<(), String> {
        self.figures.claims += 1;
        for slot in slots {
            self.leaders.insert(Some(*slot), to);
        }
        for (write, its) in &mut self.writes {
            if !its.scope.is_some_and(|slot| slots.contains(&slot)) {
                continue;
            }
            if data.has(*write) {
                (its.home, its.excuse) = (to, None);
                its.is_moved |= is_held != Some(true);
                continue;
            }
            if its.home == to || its.excuse.is_some() {
                continue;
            }
            if is_held.is_none() && its.acked != Some(AckLevel::All) {
                its.excuse = Some(Excuse::Failover);
                continue;
            }
            if let Some(acked) = its.acked {
                let home = its.home;
                return Err(format!(
                    "write {write} of {home}, acknowledged by {acked:?}, is lost by a move to {to}"
                ));
            }
            its.excuse = Some(Excuse::Moved);
        }
        Ok(())
    }

    /// Records the servers that take writes to the same keys now. Two may do so for `bound_ms`.
    pub fn served(
        &mut self,
        scope: Scope,
        hosts: &[usize],
        now: i64,
        bound_ms: i64,
    ) -> Result<(), String> {
        if hosts.len() < 2 {
            self.dual.remove(&scope);
            return Ok(());
        }
        let since = *self.dual.entry(scope).or_insert(now);
        let longest = &mut self.figures.dual_ms[usize::from(scope.is_some())];
        *longest = (now - since).max(*longest);
        if now - since <= bound_ms {
            return Ok(());
        }
        Err(format!("{scope:?}: {hosts:?} take writes since {since}"))
    }

    /// Checks the data when the world is healthy again and this server leads.
    pub fn survived(&mut self, scope: Scope, host: usize, data: &Writes) -> Result<(), String> {
        for (write, its) in &self.writes {
            let Some(acked) = its.acked.filter(|_| its.scope == scope) else {
                continue;
            };
            if data.has(*write) {
                continue;
            }
            let Some(excuse) = its.excuse else {
                let home = its.home;
                return Err(format!(
                    "write {write}, acknowledged by {acked:?}, is lost at the end: it was at \
                     {home}, and {host} leads"
                ));
            };
            *self.figures.lost.entry((acked, excuse)).or_default() += 1;
        }
        Ok(())
    }
}
