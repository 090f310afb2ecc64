//! The names that rules can use: the table's commands by their original names, the reserved
//! commands, and the categories.
//!
//!     number: 0 .. built        the rows of the table, in its order
//!             built .. COMMANDS_MAX      reserved commands that the table lacks (`reserved`)
//!
//! Invariants
//!   1. A family is the command and its subcommands; a category has whole families, whatever the
//!      categories of the subcommands.
//!   2. A reserved subcommand has a container here; without a container it cannot be named.
//!
//! Cost: built once at start; a lookup by name is one hash, families and categories are bits to
//! copy.

use std::collections::HashMap;

use super::bits::{Bits, COMMANDS_MAX};
use super::reserved::{RESERVED, ReservedCommand};
use super::selector::CommandLine;
use russet_command::{Category, Facts, Flags, KeyPlan};
use russet_resp::Args;

/// A command or subcommand. The number is the index in the table, or an index after the table for a
/// reserved command.
#[derive(Clone, Copy, Debug)]
pub struct CommandFacts {
    /// `get`, `config|get`.
    pub full_name: &'static str,
    /// The categories of ACL CAT that have it.
    pub categories: Category,
    /// Properties of the command besides its flags.
    pub facts: Facts,
    /// The container of a subcommand.
    pub parent: Option<usize>,
}

/// See the module.
pub struct Commands {
    rows: Vec<CommandFacts>,
    /// The reserved commands, with their key plans: the rows from `built` on.
    reserved: Vec<(&'static ReservedCommand, KeyPlan)>,
    /// The number of commands in the table.
    built: usize,
    by_name: HashMap<Box<str>, usize, ahash::RandomState>,
    /// For each command: itself and its subcommands.
    families: Vec<Bits>,
    /// Categories in order, each with all commands that a rule about it changes.
    categories: Vec<(String, Category, Bits)>,
}

impl Commands {
    /// `rows` are the table's rows, in the order of their numbers.
    pub fn new(rows: impl Iterator<Item = CommandFacts>) -> Commands {
        let mut rows: Vec<CommandFacts> = rows.collect();
        let built = rows.len();
        let by_name = rows.iter().enumerate();
        let mut by_name: HashMap<_, _, ahash::RandomState> = by_name
            .map(|(id, row)| (row.full_name.to_ascii_lowercase().into(), id))
            .collect();
        let mut unbuilt: Vec<&'static ReservedCommand> = Vec::new();
        for spec in RESERVED {
            if by_name.contains_key(spec.name) {
                continue;
            }
            let container = spec.name.split_once('|').map(|(container, _)| container);
            let parent = container.map(|name| by_name.get(name).copied());
            // A subcommand without its container cannot be named.
            if parent == Some(None) {
                continue;
            }
            unbuilt.push(spec);
            let facts = CommandFacts {
                full_name: spec.name,
                categories: if spec.flags.contains(Flags::ONLY_SENTINEL) {
                    Category::empty()
                } else {
                    spec.all_categories()
                },
                facts: spec.facts,
                parent: parent.flatten(),
            };
            by_name.insert(spec.name.into(), rows.len());
            rows.push(facts);
        }
        assert!(rows.len() < COMMANDS_MAX, "more commands than bits");
        let mut families = vec![Bits::NONE; rows.len()];
        for (id, row) in rows.iter().enumerate() {
            families[id].insert(id);
            if let Some(parent) = row.parent {
                families[parent].insert(id);
            }
        }
        let of = |category: Category| {
            let mut bits = Bits::NONE;
            let members = rows.iter().zip(&families);
            for (_, family) in members.filter(|(row, _)| row.categories.contains(category)) {
                // A container includes its subcommands, whatever their categories.
                bits.set(family, true);
            }
            bits
        };
        let categories = Category::all().iter_names();
        let categories = categories.map(|(name, c)| (name.to_ascii_lowercase(), c, of(c)));
        Commands {
            categories: categories.collect(),
            reserved: unbuilt
                .into_iter()
                .map(|spec| (spec, KeyPlan::of(spec)))
                .collect(),
            built,
            by_name,
            families,
            rows,
        }
    }

    /// The number of the command with this full name, in any case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name
            .get(name.to_ascii_lowercase().as_str())
            .copied()
    }

    /// The command line of a reserved command, looked up by name and subcommand, for permission
    /// checks. `db` and `databases_max` as in [`CommandLine`].
    pub fn reserved_line<'a>(
        &'a self,
        args: Args<'a>,
        db: u32,
        databases_max: u32,
    ) -> Option<CommandLine<'a>> {
        let word = |at: usize| std::str::from_utf8(args.get(at)?).ok();
        let name = word(0)?;
        let subcommand = word(1).and_then(|sub| self.find(&format!("{name}|{sub}")));
        let id = match subcommand {
            Some(id) => id,
            None => self
                .find(name)
                .filter(|&id| args.len() == 1 || !self.is_container(id))?,
        };
        let (spec, plan) = self.reserved.get(id.checked_sub(self.built)?)?;
        let only_sentinel = spec.flags.contains(Flags::ONLY_SENTINEL);
        (!only_sentinel).then_some(CommandLine {
            id,
            flags: spec.flags,
            plan,
            channels: spec.channels,
            databases: spec.databases,
            args,
            is_whole: spec.arity.admits(args.len()),
            db,
            databases_max,
        })
    }

    /// Number of reserved commands that the table lacks.
    #[cfg(feature = "testing")]
    pub fn reserved_len(&self) -> usize {
        self.reserved.len()
    }

    /// The commands of the table: the rows from 0 on.
    pub fn built(&self) -> usize {
        self.built
    }

    /// The command with this number, of the table or reserved.
    pub fn row(&self, id: usize) -> &CommandFacts {
        &self.rows[id]
    }

    pub(super) fn is_container(&self, id: usize) -> bool {
        let mut itself = Bits::NONE;
        itself.insert(id);
        self.families[id] != itself
    }

    /// The command and its subcommands.
    pub(super) fn family(&self, id: usize) -> &Bits {
        &self.families[id]
    }

    /// The commands that a rule about a category changes; its name without `@`, in any case.
    pub(super) fn category_bits(&self, name: &str) -> Option<&Bits> {
        let named = |(known, ..): &&(String, Category, Bits)| known.eq_ignore_ascii_case(name);
        self.categories.iter().find(named).map(|(_, _, bits)| bits)
    }

    /// The names of all categories, in order.
    pub fn category_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.categories.iter().map(|(name, ..)| name.as_str())
    }

    /// The names of the commands and subcommands of a category.
    pub fn of_category(&self, name: &[u8]) -> Option<impl Iterator<Item = &'static str>> {
        let named =
            |(known, ..): &&(String, Category, Bits)| known.as_bytes().eq_ignore_ascii_case(name);
        let &(_, category, _) = self.categories.iter().find(named)?;
        let members = self.rows.iter();
        let members = members.filter(move |row| row.categories.contains(category));
        Some(members.map(|row| row.full_name))
    }
}
