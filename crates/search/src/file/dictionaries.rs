//! Dictionaries: the fields of module data `scdtype00`, version 1, which follow the keys.
//!
//!     n (name, m (term, 1.0))

use std::collections::{BTreeMap, BTreeSet};

use super::{DecodeError, Item};

/// Terms by the names of their dictionaries.
pub type Dictionaries = BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>>;

/// The fields of module data that hold dictionaries.
pub fn write_dictionaries(all: &Dictionaries) -> Vec<Item> {
    let text = |text: &[u8]| Item::Text([text, b"\0"].concat());
    let number = |n: usize| Item::Number(n as u64);
    let mut out = vec![number(all.len())];
    for (name, terms) in all {
        out.extend([text(name), number(terms.len())]);
        for term in terms {
            out.extend([text(term), Item::Double(1.0)]);
        }
    }
    out
}

/// The dictionaries of the fields of module data; none if there are no fields.
///
/// # Errors
///
/// If a field has not the type that the place demands.
pub fn read_dictionaries(items: &[Item]) -> Result<Dictionaries, DecodeError> {
    const EARLY: DecodeError = DecodeError("dictionaries end early");
    let mut items = items.iter();
    let mut all = Dictionaries::new();
    let text = |item: Option<&Item>| match item {
        Some(Item::Text(text)) => Ok(text.strip_suffix(b"\0").unwrap_or(text).into()),
        Some(_) => Err(DecodeError("a field of a dictionary is no string")),
        None => Err(EARLY),
    };
    let number = |item: Option<&Item>| match item {
        Some(Item::Number(n)) => Ok(*n),
        Some(_) => Err(DecodeError("a field of a dictionary is no number")),
        None => Err(EARLY),
    };
    if items.len() == 0 {
        return Ok(all);
    }
    for _ in 0..number(items.next())? {
        let name = text(items.next())?;
        let mut terms = BTreeSet::new();
        for _ in 0..number(items.next())? {
            terms.insert(text(items.next())?);
            // A score, which is always 1.
            items.next().ok_or(EARLY)?;
        }
        all.insert(name, terms);
    }
    Ok(all)
}
