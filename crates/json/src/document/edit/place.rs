//! Values go into containers: in the place of another, or between others.
//!
//! Numbers go into a run as long as the run's type can hold them; otherwise the array gets the
//! narrowest type for all numbers, or becomes an array of values. An array of values tries to
//! become a run when it has doubled.

use super::RUN_COUNT_MIN;
use super::site::{Holder, Site, Slot};
use crate::document::Document;
use crate::document::bytes::{self, Body, Item};
use crate::document::draft::{DraftValues, numbers_chunk, numbers_of};
use crate::document::store::{PLAIN, value_nodes};
use crate::view::Number;
use russet_encodings::buffer::Buffer;

impl Document {
    /// Puts a value in the place of another.
    pub(super) fn put(&mut self, at: &[u32], made: DraftValues) -> bool {
        if !self.keep_if_shallow(at.len(), &made) {
            return false;
        }
        let Some((site, slot)) = self.find(at) else {
            self.release(made.nodes);
            self.settle_size();
            return false;
        };
        let before = self.buffer(site.holder).len();
        match slot {
            Slot::Value(place) => {
                let buffer = self.buffer(site.holder);
                let mut gone = Vec::new();
                let end = value_nodes(buffer, place, &mut |number| gone.push(number));
                self.change(&site, place..end, &made.bytes, 0);
                self.release(gone);
            }
            Slot::Number(ordinal) => {
                let part = self.part(&site);
                let place = part.nth(ordinal);
                let number = made.numbers.as_ref().map(|numbers| numbers[0]);
                let fits = number.and_then(|number| part.run.bytes(number));
                if let Some(bytes) = fits {
                    let width = part.run.width();
                    self.change(&site, place..place + width, &bytes[..width], 0);
                } else {
                    let mut numbers: Vec<Number> = numbers_of(part).collect();
                    if let Some(number) = number {
                        numbers[ordinal] = number;
                        let count = numbers.len();
                        self.rewrite(&site, &numbers_chunk(&numbers, None), count);
                    } else {
                        let mut content = vec![PLAIN];
                        for (other, number) in numbers.iter().enumerate() {
                            if other == ordinal {
                                content.extend_from_slice(&made.bytes);
                            } else {
                                content.extend_from_slice(&bytes::number(*number));
                            }
                        }
                        self.rewrite(&site, &content, numbers.len());
                    }
                }
            }
        }
        self.settle(site.holder, before);
        true
    }

    /// Inserts values into a container, before its child with an ordinal.
    pub(super) fn insert(&mut self, site: &Site, before: usize, made: &DraftValues) {
        let old_len = self.buffer(site.holder).len();
        let part = self.part(site);
        let place = part.nth(before);
        let count = part.count + made.count;
        if part.body == Body::Run {
            let encoded = made.numbers.as_ref().and_then(|numbers| {
                let mut encoded = Vec::new();
                for number in numbers {
                    let bytes = part.run.bytes(*number)?;
                    encoded.extend_from_slice(&bytes[..part.run.width()]);
                }
                Some(encoded)
            });
            if let Some(encoded) = encoded {
                self.change(site, place..place, &encoded, made.count as isize);
            } else {
                let mut numbers: Vec<Number> = numbers_of(part).collect();
                if let Some(new) = &made.numbers {
                    numbers.splice(before..before, new.iter().copied());
                    self.rewrite(site, &numbers_chunk(&numbers, None), count);
                } else {
                    let mut content = vec![PLAIN];
                    let mut add = |numbers: &[Number], more: &[u8]| {
                        for number in numbers {
                            content.extend_from_slice(&bytes::number(*number));
                        }
                        content.extend_from_slice(more);
                    };
                    add(&numbers[..before], &made.bytes);
                    add(&numbers[before..], &[]);
                    self.rewrite(site, &content, count);
                }
            }
        } else {
            let doubled = part.count.next_power_of_two() < count.next_power_of_two();
            let is_array = part.body == Body::Array;
            if is_array && doubled && count >= RUN_COUNT_MIN && made.numbers.is_some() {
                self.insert_numbers(site, before, made);
            } else {
                self.change(site, place..place, &made.bytes, made.count as isize);
            }
        }
        self.settle(site.holder, old_len);
    }

    /// Inserts numbers into an array of values, which becomes a run if that is shorter.
    fn insert_numbers(&mut self, site: &Site, before: usize, made: &DraftValues) {
        let part = self.part(site);
        let (mut numbers, mut at) = (Vec::with_capacity(part.count), part.start);
        while at < part.bytes.len()
            && let Item::Number(number) = bytes::item(part.bytes, at)
        {
            numbers.push(number);
            at = bytes::skip(part.bytes, at);
        }
        if let Some(new) = made
            .numbers
            .as_ref()
            .filter(|_| numbers.len() == part.count)
        {
            numbers.splice(before..before, new.iter().copied());
            let count = numbers.len();
            self.rewrite(site, &numbers_chunk(&numbers, None), count);
        } else {
            let place = part.nth(before);
            self.change(site, place..place, &made.bytes, made.count as isize);
        }
    }

    /// Inserts values into an array or object out of line.
    pub(super) fn insert_in_node(&mut self, node: u32, before: usize, made: &DraftValues) {
        let chunks = self.store().chunks(node);
        let found = chunks.find(before).or_else(|| {
            let last = chunks.buffers.len().checked_sub(1)?;
            Some((last, chunks.counts[last] as usize))
        });
        if let Some((chunk, rest)) = found {
            return self.insert(&Site::of(Holder::Chunk(node, chunk)), rest, made);
        }
        let is_object = self.store().node(node).is_object();
        let form: &[u8] = if is_object { &[] } else { &[PLAIN] };
        let buffer = Buffer::concat(&[form, &made.bytes]);
        let store = self.store_mut();
        store.edit_chunks(node, |chunks| chunks.push(buffer, made.count));
        self.settle(Holder::Chunk(node, 0), 0);
    }
}
