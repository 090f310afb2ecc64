//! Piles: n numbers; `PILEADD p n ...`.

use super::{Form, Saved};
use crate::persistence::aof::{CommandWriter, ELEMENTS_MAX};
use crate::persistence::rdb::{Fault, Input, Rules, Writer};
use crate::types::{Container, Pile};

const PILE: u8 = 99;

impl Saved for Pile {
    const FORMS: &[(u8, &str)] = &[(PILE, "pile-numbers")];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<Pile, Fault> {
        let mut pile = Pile::default();
        for _ in 0..input.count(1)? {
            match input.length()? {
                u64::MAX => return Err(Fault::damaged("a pile has a number that is too large")),
                number => pile.add(number),
            }
        }
        Ok(pile)
    }

    fn form(&self, _version: u32) -> Form {
        Form::of(PILE)
    }

    fn save_head(&self, to: &mut Writer, _form: Form) {
        to.length(self.len() as u64);
    }

    fn save_part(&self, to: &mut Writer, _form: Form, at: u64, limit: usize) -> Option<u64> {
        let at = at as usize;
        for number in self.numbers().iter().skip(at).take(limit) {
            to.length(*number);
        }
        let next = at + limit;
        (next < self.len()).then_some(next as u64)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        let from = at as usize;
        for number in self.numbers().iter().skip(from).take(most) {
            to.word(number.to_string().as_bytes());
            to.end_command(b"PILEADD", key, ELEMENTS_MAX);
        }
        to.end_command(b"PILEADD", key, 0);
        let end = from.saturating_add(most);
        (end < self.len()).then_some(end as u64)
    }
}
