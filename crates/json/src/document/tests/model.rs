//! A document as a plain tree, and random ones.
//!
//! Its text is the standard library's, serde_json's and ryu's, none of the crate's own.

use super::Random;
use crate::view::Number;

#[derive(Clone, Debug)]
pub(super) enum ModelValue {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<ModelValue>),
    Object(Vec<(String, ModelValue)>),
}

impl ModelValue {
    pub fn text(&self) -> String {
        let string = |text: &String| serde_json::to_string(text).unwrap();
        match self {
            ModelValue::Null => "null".into(),
            ModelValue::Bool(value) => value.to_string(),
            ModelValue::Number(Number::Signed(value)) => value.to_string(),
            ModelValue::Number(Number::Unsigned(value)) => value.to_string(),
            ModelValue::Number(Number::Float(value)) => ryu::Buffer::new().format(*value).into(),
            ModelValue::String(text) => string(text),
            ModelValue::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(ModelValue::text).collect();
                format!("[{}]", elements.join(","))
            }
            ModelValue::Object(members) => {
                let member =
                    |(name, value): &(String, ModelValue)| string(name) + ":" + &value.text();
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    pub fn len(&self) -> usize {
        match self {
            ModelValue::Array(elements) => elements.len(),
            ModelValue::Object(members) => members.len(),
            _ => 0,
        }
    }

    pub fn child(&mut self, ordinal: usize) -> &mut ModelValue {
        match self {
            ModelValue::Array(elements) => &mut elements[ordinal],
            ModelValue::Object(members) => &mut members[ordinal].1,
            _ => panic!("no container"),
        }
    }

    pub fn at(&mut self, at: &[u32]) -> &mut ModelValue {
        at.iter()
            .fold(self, |value, ordinal| value.child(*ordinal as usize))
    }

    pub fn set_member(&mut self, name: &str, value: ModelValue) {
        let ModelValue::Object(members) = self else {
            panic!("no object");
        };
        match members.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
    }

    /// The location of some value.
    pub fn some_location(&self, random: &mut Random) -> Vec<u32> {
        let (mut value, mut at) = (self, Vec::new());
        while value.len() > 0 && random.below(8) > 0 {
            let ordinal = random.below(value.len());
            at.push(ordinal as u32);
            value = match value {
                ModelValue::Array(elements) => &elements[ordinal],
                ModelValue::Object(members) => &members[ordinal].1,
                _ => unreachable!(),
            };
        }
        at
    }

    pub fn random(random: &mut Random, depth: usize) -> ModelValue {
        match random.below(if depth == 0 { 8 } else { 13 }) {
            0 => ModelValue::Null,
            1 => ModelValue::Bool(random.below(2) == 1),
            2..=4 => ModelValue::Number(random_number(random)),
            5..=7 => ModelValue::String(random_text(random)),
            8 | 9 => {
                let len = random.below(12);
                let elements = (0..len).map(|_| ModelValue::random(random, depth - 1));
                ModelValue::Array(elements.collect())
            }
            10 => {
                // Of the same kind, mostly.
                let (len, kind) = (random.below(40), random.below(7));
                let elements = (0..len).map(|_| ModelValue::Number(number_of(kind, random)));
                let mut elements: Vec<ModelValue> = elements.collect();
                if random.below(8) == 0 {
                    elements.push(ModelValue::random(random, depth - 1));
                }
                ModelValue::Array(elements)
            }
            _ => {
                let mut object = ModelValue::Object(Vec::new());
                for _ in 0..random.below(12) {
                    let value = ModelValue::random(random, depth - 1);
                    object.set_member(&random_name(random), value);
                }
                object
            }
        }
    }
}

pub(super) fn random_number(random: &mut Random) -> Number {
    let kind = random.below(8);
    number_of(kind, random)
}

fn number_of(kind: usize, random: &mut Random) -> Number {
    let bits = random.below(64) as u32;
    let integer = (random.next() >> bits) as i64;
    let small = random.below(2_000_000) as f64 - 1_000_000.0;
    match kind {
        0 => Number::Signed(random.below(100) as i64),
        1 => Number::Signed(integer),
        2 => Number::Float(small / 100.0),
        3 => Number::Float(small / [1.0, 10.0, 1e3, 1e6][random.below(4)]),
        4 if random.below(2) == 0 => Number::Signed(small as i64),
        4 => Number::Float((small * 10.0).round() / 10.0 + 0.5),
        5 => {
            let float = f64::from_bits(random.next());
            Number::Float(if float.is_finite() { float } else { -0.0 })
        }
        6 => Number::Float(f64::from(f32::from_bits(
            random.next() as u32 & 0x7F7F_FFFF,
        ))),
        _ => Number::Unsigned(i64::MAX as u64 + 1 + random.below(10) as u64),
    }
}

pub(super) fn random_text(random: &mut Random) -> String {
    let len = match random.below(20) {
        0 => random.below(700),
        1..4 => random.below(100),
        _ => random.below(12),
    };
    let is_plain = random.below(3) > 0;
    let letter = |random: &mut Random| match random.below(if is_plain { 3 } else { 8 }) {
        0..=2 => char::from(b'a' + random.below(26) as u8),
        3 => 'é',
        4 => '\u{1F600}',
        5 => char::from(random.below(128) as u8),
        6 => '"',
        _ => '\\',
    };
    (0..len).map(|_| letter(random)).collect()
}

pub(super) fn random_name(random: &mut Random) -> String {
    const NAMES: [&str; 9] = [
        "id", "name", "price", "a", "b", "", "items", "é", "quantity",
    ];
    match random.below(10) {
        0..=6 => NAMES[random.below(NAMES.len())].to_owned(),
        7 | 8 => format!("name{}", random.below(300)),
        _ => random_text(random),
    }
}
