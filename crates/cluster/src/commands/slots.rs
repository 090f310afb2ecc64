//! ADDSLOTS, DELSLOTS, their ranges, FLUSHSLOTS, FLUSHSLOT: slots of this node alone.

use super::membership::wrong_arguments;
use super::{Answer, CommandOutcome, number};
use crate::actions::Order;
use crate::core::Cluster;
use crate::membership::nodes::ME;
use crate::message::SLOTS;
use crate::ownership::slots::SlotSet;

impl Cluster {
    /// `ADDSLOTS slot ...`, `DELSLOTS slot ...`: all or none.
    pub(super) fn do_slots(&mut self, args: &[&[u8]], adds: bool) -> Answer {
        let slots = args.iter().map(|slot| slot_of(slot));
        let slots = slots.collect::<Result<Vec<u16>, String>>()?;
        self.change_slots(slots, adds)
    }

    /// `ADDSLOTSRANGE first last ...`, `DELSLOTSRANGE first last ...`: all or none.
    pub(super) fn do_slot_ranges(&mut self, args: &[&[u8]], adds: bool) -> Answer {
        let (pairs, rest) = args.as_chunks::<2>();
        if !rest.is_empty() || pairs.is_empty() {
            let name = if adds {
                "addslotsrange"
            } else {
                "delslotsrange"
            };
            return Err(wrong_arguments(name));
        }
        let mut slots = Vec::new();
        for [first, last] in pairs {
            let (first, last) = (slot_of(first)?, slot_of(last)?);
            if first > last {
                return Err(format!(
                    "ERR start slot number {first} is greater than end slot number {last}"
                ));
            }
            slots.extend(first..=last);
            // Each slot may come once, so that more of them are a mistake.
            if slots.len() > usize::from(SLOTS) {
                break;
            }
        }
        self.change_slots(slots, adds)
    }

    fn change_slots(&mut self, slots: Vec<u16>, adds: bool) -> Answer {
        let mut seen = SlotSet::default();
        for &slot in &slots {
            let is_bound = self.owners.owner(slot).is_some();
            if is_bound == adds {
                let state = if adds { "busy" } else { "unassigned" };
                return Err(format!("ERR Slot {slot} is already {state}"));
            }
            if !seen.insert(slot) {
                return Err(format!("ERR Slot {slot} specified multiple times"));
            }
        }
        for slot in slots {
            if adds {
                self.owners.importing.remove(&slot);
                self.bind(slot, ME);
            } else {
                self.owners.migrating.remove(&slot);
                self.unbind(slot);
            }
        }
        self.save();
        self.announce_change();
        Ok(CommandOutcome::Changed)
    }

    /// `FLUSHSLOTS`: this node serves nothing.
    pub(super) fn do_flush_slots(&mut self) -> Answer {
        if !self.own.is_empty {
            return Err("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
        }
        let slots: Vec<u16> = self.me().slots.iter().collect();
        for slot in slots {
            self.owners.migrating.remove(&slot);
            self.unbind(slot);
        }
        self.save();
        self.announce_change();
        Ok(CommandOutcome::Changed)
    }

    /// Valkey: `FLUSHSLOT slot [ASYNC|SYNC]` deletes the keys of a slot.
    pub(super) fn do_flush_slot(&mut self, args: &[&[u8]]) -> Answer {
        let slot = match *args {
            [slot] => slot_of(slot)?,
            [slot, word]
                if word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async") =>
            {
                slot_of(slot)?
            }
            _ => return Err("ERR syntax error".into()),
        };
        self.out.push(Order::FlushSlot(slot));
        Ok(CommandOutcome::Changed)
    }
}

/// A slot in an argument.
pub(super) fn slot_of(text: &[u8]) -> Result<u16, String> {
    let slot = number(text).and_then(|slot| u16::try_from(slot).ok());
    let slot = slot.filter(|&slot| slot < SLOTS);
    slot.ok_or_else(|| "ERR Invalid or out of range slot".into())
}
