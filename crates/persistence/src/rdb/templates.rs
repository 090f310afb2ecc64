//! Templates of hashes (Redis 8.10): field names that many hashes of a file share.
//!
//!     template = id, n names, ascending by length, then by bytes
//!
//! A file has its templates before its first key; a hash in it has a template's ID and the values
//! in the order of the names. Such hashes are loaded as plain hashes.

use std::collections::HashMap;

use super::fault::Fault;
use super::input::Input;

/// The names of a template's fields.
pub type Names = Box<[Box<[u8]>]>;

/// The templates of a file, by ID.
#[derive(Debug, Default)]
pub struct Templates(HashMap<u64, Names>);

impl Templates {
    /// Reads a template.
    pub fn read(&mut self, input: &mut Input<'_>) -> Result<(), Fault> {
        let id = input.length()?;
        let names = names(input)?;
        match self.0.insert(id, names) {
            None => Ok(()),
            Some(_) => Err(Fault::damaged("two templates of hashes have the same ID")),
        }
    }

    /// The names of a template.
    pub fn get(&self, id: u64) -> Result<&[Box<[u8]>], Fault> {
        let names = self.0.get(&id);
        names
            .map(|names| &**names)
            .ok_or(Fault::damaged("a hash has an unknown template"))
    }
}

/// Reads the names of a template: a number, then strings.
pub fn names(input: &mut Input<'_>) -> Result<Names, Fault> {
    let mut names = Vec::new();
    for _ in 0..input.count(1)? {
        let mut name = Vec::new();
        input.string_to(&mut name)?;
        names.push(name.into_boxed_slice());
    }
    in_order(names)
}

/// Checks names: not empty, and ascending.
pub fn in_order(names: Vec<Box<[u8]>>) -> Result<Names, Fault> {
    let is_below = |pair: &[Box<[u8]>]| (pair[0].len(), &pair[0]) < (pair[1].len(), &pair[1]);
    if !names.is_empty() && names.windows(2).all(is_below) {
        Ok(names.into())
    } else {
        Err(Fault::damaged(
            "the field names of a template are out of order",
        ))
    }
}
