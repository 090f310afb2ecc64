//! What rules name: the commands of the table under their own names, and the categories.

use std::collections::HashMap;

use super::bits::{Bits, COMMANDS_MAX};
use crate::command::Category;

/// One command or subcommand; its number is its place in the table.
#[derive(Clone, Copy, Debug)]
pub struct CommandFacts {
    /// `get`, `config|get`.
    pub full_name: &'static str,
    pub categories: Category,
    /// The container of a subcommand.
    pub parent: Option<usize>,
}

/// See the module.
pub struct Commands {
    rows: Vec<CommandFacts>,
    by_name: HashMap<&'static str, usize, ahash::RandomState>,
    /// Of each command: itself and its subcommands.
    families: Vec<Bits>,
    /// Categories in their order, with all that a rule about one changes.
    categories: Vec<(String, Category, Bits)>,
}

impl Commands {
    /// `rows` in the order of their numbers.
    pub fn new(rows: impl Iterator<Item = CommandFacts>) -> Commands {
        let rows: Vec<CommandFacts> = rows.collect();
        assert!(rows.len() < COMMANDS_MAX, "more commands than bits");
        let by_name = rows.iter().enumerate();
        let by_name = by_name.map(|(id, row)| (row.full_name, id)).collect();
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
                // A container brings its subcommands, whatever theirs are.
                bits.set(family, true);
            }
            bits
        };
        let categories = Category::all().iter_names();
        let categories = categories.map(|(name, c)| (name.to_ascii_lowercase(), c, of(c)));
        Commands {
            categories: categories.collect(),
            by_name,
            families,
            rows,
        }
    }

    /// The number of a command with this name in full, whatever its case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name
            .get(name.to_ascii_lowercase().as_str())
            .copied()
    }

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

    /// What a rule about a category changes; its name without `@`, in any case.
    pub(super) fn category_bits(&self, name: &str) -> Option<&Bits> {
        let named = |(known, ..): &&(String, Category, Bits)| known.eq_ignore_ascii_case(name);
        self.categories.iter().find(named).map(|(_, _, bits)| bits)
    }

    /// The names of all categories, in their order.
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
