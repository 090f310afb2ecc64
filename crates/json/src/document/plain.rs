//! A document as a plain tree.

use super::number::Fpha;
use crate::view::Number;

#[derive(Clone, Debug)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Option<Fpha>, Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

impl Plain {
    pub fn at(&mut self, at: &[u32]) -> Option<&mut Plain> {
        let Some((first, rest)) = at.split_first() else {
            return Some(self);
        };
        let first = *first as usize;
        match self {
            Plain::Array(_, elements) => elements.get_mut(first)?.at(rest),
            Plain::Object(members) => members.get_mut(first)?.1.at(rest),
            _ => None,
        }
    }

    pub fn get(&self, at: &[u32]) -> Option<(Option<Fpha>, &Plain)> {
        let (mut value, mut fpha) = (self, None);
        for &at in at {
            (fpha, value) = match value {
                Plain::Array(fpha, elements) => (*fpha, elements.get(at as usize)?),
                Plain::Object(members) => (None, &members.get(at as usize)?.1),
                _ => return None,
            };
        }
        Some((fpha, value))
    }

    pub fn set_member(&mut self, name: &str, value: Plain) -> Option<bool> {
        let Plain::Object(members) = self else {
            return None;
        };
        let old = members.iter_mut().find(|(n, _)| n == name);
        let is_new = old.is_none();
        match old {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
        Some(is_new)
    }

    pub fn remove(&mut self, at: usize) -> bool {
        match self {
            Plain::Array(_, elements) if at < elements.len() => {
                elements.remove(at);
            }
            Plain::Object(members) if at < members.len() => {
                members.swap_remove(at);
            }
            _ => return false,
        }
        true
    }

    pub fn clear(&mut self) -> bool {
        let cleared = match self {
            Plain::Array(_, elements) if !elements.is_empty() => Plain::Array(None, Vec::new()),
            Plain::Object(members) if !members.is_empty() => Plain::Object(Vec::new()),
            Plain::Number(number) if !matches!(number, Number::Signed(0)) => {
                Plain::Number(Number::Signed(0))
            }
            _ => return false,
        };
        *self = cleared;
        true
    }

    pub fn bytes(&self) -> usize {
        let parts: usize = match self {
            Plain::String(text) => text.len(),
            Plain::Array(_, elements) => elements.iter().map(Plain::bytes).sum(),
            Plain::Object(members) => members.iter().map(|(n, v)| n.len() + 24 + v.bytes()).sum(),
            _ => 0,
        };
        size_of::<Plain>() + parts
    }
}
