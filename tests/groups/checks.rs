//! The claims, checked as things happen: see the list in `main`.
//!
//! A write has a home: the server that executed it, then the last that was to lead with it. A write
//! that a new leader lacks, or that a restart has lost, must have an excuse, which is counted.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::data::{Write, Writes};
use super::server::Rules;
use russet_replication::simulation::Node;

/// Keys that one server leads: those of a slot; `None`: of the group without a cluster.
pub type Scope = Option<u16>;

/// Who has acknowledged a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckLevel {
    /// Its server alone.
    Alone,
    /// All other servers of its group, too (WAIT).
    All,
}

/// Why a write may be lost, or its server's word about it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// A replica without it was promoted: replication is asynchronous.
    Failover,
    /// Its server had been replaced already, and did not know.
    Stale,
    /// The power failed before the disk had it, without `appendfsync always`.
    Power,
    /// The only server left had dropped its data for a copy that did not come.
    Partial,
    /// Its slot has moved to a server without a replica that has it: by SETSLOT, whose epochs have
    /// no votes, or at once while no replica was in sync.
    Moved,
}

struct WriteRecord {
    scope: Scope,
    home: usize,
    acked: Option<AckLevel>,
    excuse: Option<Excuse>,
    is_moved: bool,
}

/// How much has happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub acked: BTreeMap<AckLevel, usize>,
    pub lost: BTreeMap<(AckLevel, Excuse), usize>,
    pub promotions: usize,
    /// Slots moved by SETSLOT, and moves at once that have begun.
    pub moves: usize,
    pub shifts: usize,
    pub claims: usize,
    pub restarts: usize,
    /// The longest time in which two servers took writes to the same keys: of the group, of a slot.
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
    /// The server that was last to lead.
    leaders: BTreeMap<Scope, usize>,
    /// By position: the sum of the data.
    seen: HashMap<(String, u64), u64>,
    /// By host: the position seen last.
    positions: Vec<Option<(String, u64)>>,
    /// Since when two servers take writes to the same keys.
    dual: BTreeMap<Scope, i64>,
    pub figures: Figures,
}

impl Checks {
    pub fn new(hosts: usize, rules: Rules) -> Checks {
        Checks {
            rules,
            writes: BTreeMap::new(),
            // The first of the group: the others follow it.
            leaders: BTreeMap::from([(None, 0)]),
            seen: HashMap::new(),
            positions: vec![None; hosts],
            dual: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    // --- positions ---

    /// A server after a turn: equal positions have equal data, and no offset falls.
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

    /// A server has executed a write.
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

    /// A client has the acknowledgement of a write.
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

    /// The server that was last to lead.
    pub fn leader(&self, scope: Scope) -> Option<usize> {
        self.leaders.get(&scope).copied()
    }

    /// A server is to lead from now on. `was_partial`: what it had of a copy is gone.
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

    /// A server has started with its files. `was_partial`: as it stopped.
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

    /// An operator has moved the writes to a slot to another server.
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

    /// A server has claimed slots whose keys have moved to it, without votes: it has all of them.
    /// `is_held`: so has a replica of it. `None`: it takes the slots back, since the server that it
    /// gave them to has failed, as an election would.
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

    /// The servers that take writes to the same keys now. `bound_ms`: for so long there may be two.
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

    /// All is well again, and this server leads.
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
