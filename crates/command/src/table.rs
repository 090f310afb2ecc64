//! The command table: rows by name, found through a hash that is nearly perfect, made at start-up.
//!
//!     name -> key (length, first and last eight bytes, case folded) -> slot of 8192 -> name -> row
//!
//! Invariants
//!   1. A name is in its slot, or in the first free slot after it; `index` chooses a seed under
//!      which only a name or two are not in their own slots.
//!   2. A row's `id` is its place in `rows`; `rename-command` changes names, never rows.
//!
//! Cost: a command costs a slot and a comparison of names, few commands a second; a subcommand is
//! searched among the subcommands of its container. COMMAND's reply is built once per protocol.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::keys::Keys;
use crate::{BadKeys, CommandError, ElementArgs, Facts, Flags, KeyPlan, Spec};
use russet_resp::{Args, Reply};

/// A command or subcommand as the server runs it.
#[derive(Clone)]
pub struct Row<H: 'static> {
    /// The row's number: statistics are kept by it.
    pub id: usize,
    /// The row as its group declares it.
    pub spec: &'static Spec<H>,
    /// `client|list`; for commands the name itself.
    pub full_name: &'static str,
    /// The container of a subcommand.
    pub parent: Option<usize>,
    /// Rows of the subcommands.
    pub subcommands: Vec<usize>,
    /// The positions of the row's keys.
    pub plan: KeyPlan,
    /// The elements that the command looks up in its first key's container.
    pub within: Option<ElementArgs>,
    /// Calls take so little time that neighbours are timed together.
    pub is_timed_jointly: bool,
    /// The command may show data without looking up the keys that hold it: it reads or writes, and
    /// has no keys in its plan, or says so ([`Facts::READS_ALL`]).
    pub reads_all: bool,
}

impl<H> Row<H> {
    /// Whether the row's commands may have keys.
    #[inline]
    pub fn has_keys(&self) -> bool {
        self.plan.has_keys()
    }

    /// The keys in `args`, each with its access. `args` must be all of this command's arguments, as
    /// many as the arity admits. A container has no keys: ask the subcommand's row.
    pub fn keys(&self, args: Args<'_>) -> Result<Keys, BadKeys> {
        self.plan.keys(args)
    }

    /// The first of them, if any.
    #[cold]
    pub fn first_key<'a>(&self, args: Args<'a>) -> Option<&'a [u8]> {
        let (at, _) = self.keys(args).ok()?.next()?;
        Some(args.at(at))
    }
}

/// All rows.
#[derive(Clone)]
pub struct CommandTable<H: 'static> {
    rows: Vec<Row<H>>,
    /// Names that clients use (rename-command applied), with their rows.
    names: Vec<(Box<[u8]>, usize)>,
    /// The rows of [`Facts::OF_SERVERS`], which clients cannot name.
    of_servers: Vec<usize>,
    slots: Vec<u16>,
    seed: u64,
    /// The reply of COMMAND for all rows, in RESP2 and in RESP3, built at the first request.
    described: [OnceLock<Bytes>; 2],
}

const SLOTS: usize = 8192;
/// Seeds that are compared. A few hundred names collide once or twice under the best of them.
const SEEDS: usize = 16;
const EMPTY: u16 = u16::MAX;

/// A name's hash from its length, first and last eight bytes, case folded.
#[inline]
fn name_hash(name: &[u8], seed: u64) -> usize {
    (name_key(name).wrapping_mul(seed) >> 51) as usize
}

/// The part of a name that is hashed.
#[inline]
fn name_key(name: &[u8]) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let n = name.len();
    let (a, b) = if n >= 8 {
        (
            u64::from_le_bytes(name[..8].try_into().expect("eight")),
            u64::from_le_bytes(name[n - 8..].try_into().expect("eight")),
        )
    } else if n >= 4 {
        (
            u32::from_le_bytes(name[..4].try_into().expect("four")) as u64,
            u32::from_le_bytes(name[n - 4..].try_into().expect("four")) as u64,
        )
    } else {
        let byte = |i: usize| name.get(i).copied().unwrap_or(0) as u64;
        (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
    };
    (a | FOLD) ^ (b | FOLD).rotate_left(23) ^ n as u64
}

/// Whether a word is this name, in any case. (Names of the vector set's commands are in capitals.)
#[inline]
fn is_name(name: &[u8], word: &[u8]) -> bool {
    // Two words that touch or overlap cover the text.
    if name.len() == word.len()
        && let (Some(first), Some(last)) = (word.first_chunk(), word.last_chunk())
        && word.len() <= 8
    {
        let same = |own: Option<&[u8; 4]>, other: &[u8; 4]| {
            own.is_some_and(|own| lowercase(*own) == lowercase(*other))
        };
        return same(name.first_chunk(), first) && same(name.last_chunk(), last);
    }
    name.eq_ignore_ascii_case(word)
}

/// Four ASCII bytes in lower case; other bytes stay as they are.
#[inline]
fn lowercase(bytes: [u8; 4]) -> u32 {
    const HIGH: u32 = 0x8080_8080;
    const ALL: u32 = 0x0101_0101;
    let bytes = u32::from_le_bytes(bytes);
    let low = bytes & !HIGH;
    // The high bit of each byte: it is at least `A`, and above `Z`.
    let from_a = low + ALL * (0x80 - b'A' as u32);
    let above_z = low + ALL * (0x7f - b'Z' as u32);
    let capital = (from_a ^ above_z) & !bytes & HIGH;
    bytes | capital >> 2
}

impl<H> CommandTable<H> {
    /// The table of all commands of these groups, and their subcommands.
    pub fn new(specs: &[&'static [Spec<H>]]) -> CommandTable<H> {
        CommandTable::of(specs, |_| true)
    }

    /// As [`CommandTable::new`], with the commands and subcommands that are `wanted`.
    pub fn of(specs: &[&'static [Spec<H>]], wanted: impl Fn(&Spec<H>) -> bool) -> CommandTable<H> {
        let mut table = CommandTable {
            rows: Vec::new(),
            names: Vec::new(),
            of_servers: Vec::new(),
            slots: Vec::new(),
            seed: 0,
            described: Default::default(),
        };
        let rows = specs.iter().flat_map(|group| group.iter());
        for spec in rows.filter(|&spec| wanted(spec)) {
            let id = table.add(spec, None, &wanted);
            if spec.facts.contains(Facts::OF_SERVERS) {
                table.of_servers.push(id);
            } else {
                table.names.push((spec.name.as_bytes().into(), id));
            }
        }
        table.index();
        table
    }

    fn add(
        &mut self,
        spec: &'static Spec<H>,
        parent: Option<usize>,
        wanted: &dyn Fn(&Spec<H>) -> bool,
    ) -> usize {
        let id = self.rows.len();
        let full_name = match parent {
            None => spec.name,
            Some(p) => for_ever(format!("{}|{}", self.rows[p].spec.name, spec.name)),
        };
        let plan = KeyPlan::of(spec);
        let on_data = Flags::READONLY | Flags::WRITE | Flags::MEETS_ANY_KEY;
        let is_keyless = spec.flags.intersects(on_data) && !plan.has_keys();
        self.rows.push(Row {
            id,
            spec,
            full_name,
            parent,
            subcommands: Vec::new(),
            plan,
            within: spec.within,
            is_timed_jointly: !spec.flags.contains(Flags::BLOCKING)
                && (spec.flags.contains(Flags::FAST) || spec.facts.contains(Facts::TIMED_AS_FAST)),
            reads_all: is_keyless || spec.facts.contains(Facts::READS_ALL),
        });
        for sub in spec.subcommands.iter().filter(|&sub| wanted(sub)) {
            let sub = self.add(sub, Some(id), wanted);
            self.rows[id].subcommands.push(sub);
        }
        id
    }

    /// Replies with the output of `write` about all rows, which never changes: it is called once
    /// per protocol.
    pub fn describe(&self, reply: &mut Reply, write: impl FnOnce(&mut Reply)) {
        let described = self.described[usize::from(reply.resp3())].get_or_init(|| {
            let mut fresh = Reply::new();
            fresh.set_resp3(reply.resp3());
            write(&mut fresh);
            Bytes::from(fresh.pending())
        });
        reply.shared(described.clone());
    }

    /// Places the names by the seed, of a few, under which the fewest names find their slot taken:
    /// these names go to the next free slot.
    fn index(&mut self) {
        self.described = Default::default();
        assert!(self.names.len() < SLOTS / 2);
        let next = |seed: &u64| {
            let product = seed.wrapping_mul(0x5851_f42d_4c95_7f2d);
            Some(product.wrapping_add(0x1405_7b7e_f767_814f) | 1)
        };
        let seeds = std::iter::successors(Some(0x9e37_79b9_7f4a_7c15u64), next);
        let displaced = |seed: &u64| {
            let mut taken = [0u64; SLOTS / 64];
            let is_taken = |(name, _): &&(Box<[u8]>, usize)| {
                let slot = name_hash(name, *seed);
                let (word, bit) = (&mut taken[slot / 64], 1 << (slot % 64));
                let was = *word & bit != 0;
                *word |= bit;
                was
            };
            self.names.iter().filter(is_taken).count()
        };
        self.seed = seeds.take(SEEDS).min_by_key(displaced).unwrap_or_default();
        self.slots.clear();
        self.slots.resize(SLOTS, EMPTY);
        for (i, (name, _)) in self.names.iter().enumerate() {
            let mut slot = name_hash(name, self.seed);
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            self.slots[slot] = i as u16;
        }
    }

    /// The row of a command's name, whatever its case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Row<H>> {
        let mut slot = name_hash(name, self.seed);
        loop {
            let (found, row) = self.names.get(self.slots[slot] as usize)?;
            if is_name(found, name) {
                return Some(&self.rows[*row]);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The row of a command that only servers send, whatever its case. O(such commands).
    #[cold]
    pub fn find_of_servers(&self, name: &[u8]) -> Option<&Row<H>> {
        let mut rows = self.of_servers.iter().map(|&id| &self.rows[id]);
        rows.find(|row| row.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The row of a full name: `get`, `config|get`.
    pub fn find_full(&self, name: &[u8]) -> Option<&Row<H>> {
        let Some(bar) = memchr::memchr(b'|', name) else {
            return self.find(name);
        };
        self.find_subcommand(self.find(&name[..bar])?, &name[bar + 1..])
    }

    /// The row of a container's subcommand.
    pub fn find_subcommand(&self, container: &Row<H>, name: &[u8]) -> Option<&Row<H>> {
        container
            .subcommands
            .iter()
            .map(|&id| &self.rows[id])
            .find(|row| row.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The row of a command's subcommand, if `next` names a subcommand; otherwise the command's own
    /// row.
    pub fn find_with(&self, name: &[u8], next: Option<&[u8]>) -> Option<&Row<H>> {
        let row = self.find(name)?;
        let subcommand = next.and_then(|name| self.find_subcommand(row, name));
        Some(subcommand.unwrap_or(row))
    }

    /// The row with this number. Panics if there is none.
    #[inline]
    pub fn row(&self, id: usize) -> &Row<H> {
        &self.rows[id]
    }

    /// All rows, subcommands included.
    pub fn rows(&self) -> &[Row<H>] {
        &self.rows
    }

    /// Commands under the names that clients use.
    pub fn commands(&self) -> impl Iterator<Item = (&[u8], &Row<H>)> {
        self.names
            .iter()
            .map(|(name, id)| (&**name, &self.rows[*id]))
    }

    /// `rename-command`: the old name is gone; an empty new name removes the command.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<(), CommandError> {
        if self.find_of_servers(old).is_some() {
            return Err(CommandError::Text("Cannot rename an internal command"));
        }
        let old = old.to_ascii_lowercase();
        let at = self.names.iter().position(|(name, _)| **name == *old);
        let Some(at) = at else {
            return Err(CommandError::Text("No such command in rename-command"));
        };
        if new.is_empty() {
            self.names.remove(at);
        } else {
            let new = new.to_ascii_lowercase();
            let others = || self.names.iter().filter(|(name, _)| **name != *old);
            if others().any(|(name, _)| **name == *new) {
                return Err(CommandError::Text("Target command name already exists"));
            }
            self.names[at].0 = new.into();
        }
        self.index();
        Ok(())
    }
}

/// Interns a subcommand's name: allocated once, however many tables a process has.
fn for_ever(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case_and_no_other_byte_stands_for_a_letter() {
        for len in 0..12 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut word = vec![b'K'; len];
                    word[at] = byte;
                    for own in [byte, byte ^ 0x20, byte.to_ascii_lowercase(), b'k'] {
                        let mut name = vec![b'k'; len];
                        name[at] = own;
                        let same = name.eq_ignore_ascii_case(&word);
                        assert_eq!(is_name(&name, &word), same, "{name:?} {word:?}");
                    }
                }
            }
        }
        assert!(is_name(b"", b"") && !is_name(b"get", b"gets"));
    }
}
