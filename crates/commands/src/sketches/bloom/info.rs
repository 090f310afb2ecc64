//! INFO, CARD and DEBUG.
//!
//! Sizes are the sizes of Redis's structures, so that figures of both servers compare.

use super::super::row::{READ_KEY, READS_FAST};
use super::row::{NOT_FOUND, READING};
use russet_base::numbers::general;
use russet_command::{Arity, Category, CommandError};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::bloom::LivingLinks;
use russet_types::Bloom;

const UNKNOWN_FIELD: CommandError = CommandError::Text("Invalid information value");

/// Bytes of Redis's structs of a filter and of a link, which INFO counts.
const CHAIN_BYTES: usize = 32;
const LINK_BYTES: usize = 64;

pub(super) const INFO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    tips: &["dont_cache"],
    ..Spec::new("bf.info", info)
};

/// A line of INFO.
struct Field {
    word: &'static str,
    name: &'static str,
    write: fn(&mut Reply, &Bloom, LivingLinks<'_>),
}

const FIELDS: [Field; 5] = [
    Field {
        word: "CAPACITY",
        name: "Capacity",
        write: |reply, _, living| reply.int(as_int(living.capacity())),
    },
    Field {
        word: "SIZE",
        name: "Size",
        write: |reply, filter, _| reply.int(size(filter) as i64),
    },
    Field {
        word: "FILTERS",
        name: "Number of filters",
        write: |reply, _, living| reply.int(living.links().len() as i64),
    },
    Field {
        word: "ITEMS",
        name: "Number of items inserted",
        write: |reply, _, living| reply.int(as_int(living.items())),
    },
    Field {
        word: "EXPANSION",
        name: "Expansion rate",
        write: |reply, filter, _| match filter.growth() {
            Some(growth) => reply.int(growth.into()),
            None => reply.null(),
        },
    },
];

/// Russet's own fields, which the reply has only if the client asks by their words. The reply of
/// all fields has the last of these, too, if the filter forgets.
const OWN_FIELDS: [Field; 3] = [
    Field {
        word: "ERROR",
        name: "Measured error",
        write: |reply, _, living| reply.double(living.measured_error()),
    },
    Field {
        word: "ROTATION",
        name: "Rotation in milliseconds",
        write: |reply, filter, _| match filter.rotation() {
            Some(rotation) => reply.int(as_int(rotation.period_ms)),
            None => reply.null(),
        },
    },
    Field {
        word: "GENERATIONS",
        name: "Generations at most",
        write: |reply, filter, _| match filter.rotation() {
            Some(rotation) => reply.int(rotation.generations_max.into()),
            None => reply.null(),
        },
    },
];

fn as_int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn size(filter: &Bloom) -> usize {
    let links = filter.links();
    CHAIN_BYTES
        + links
            .map(|(_, bits)| LINK_BYTES + bits.len())
            .sum::<usize>()
}

/// `BF.INFO key [CAPACITY | SIZE | FILTERS | ITEMS | EXPANSION | ERROR | ROTATION | GENERATIONS]`:
/// facts of a filter, or one fact. ERROR: the share of items not added that the filter would find,
/// by the bits that are set. If a filter forgets, all facts except SIZE are about the generations
/// that lookups ask now.
///
/// Reply: map (RESP2: array) of names and integers; of one fact, RESP2 has the integer alone in the
/// array. Expansion is null for a filter that does not scale.
fn info(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let now_ms = call.db.now_ms();
    let filter = call.db.read::<Bloom>(args.at(1))?.ok_or(NOT_FOUND)?;
    let living = filter.living(now_ms);
    if args.len() == 2 {
        let of_rotation: &[Field] = match filter.rotation() {
            Some(_) => &OWN_FIELDS[1..],
            None => &[],
        };
        call.reply.map(FIELDS.len() + of_rotation.len());
        for field in FIELDS.iter().chain(of_rotation) {
            call.reply.simple(field.name);
            (field.write)(call.reply, &filter, living);
        }
        return Ok(());
    }
    let mut known = FIELDS.iter().chain(&OWN_FIELDS);
    let asked = known.find(|field| args.is(2, field.word));
    let field = asked.ok_or(UNKNOWN_FIELD)?;
    if call.reply.resp3() {
        call.reply.map(1);
        call.reply.simple(field.name);
    } else {
        call.reply.array(1);
    }
    (field.write)(call.reply, &filter, living);
    Ok(())
}

pub(super) const CARD: Spec = Spec {
    arity: Arity::Exactly(2),
    handler: card,
    name: "bf.card",
    tips: &[],
    ..INFO
};

/// `BF.CARD key`: the items that were added.
///
/// Reply: integer; 0 without a key.
fn card(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let now_ms = call.db.now_ms();
    let filter = call.db.read::<Bloom>(key)?;
    let items = filter.map_or(0, |filter| as_int(filter.living(now_ms).items()));
    call.reply.int(items);
    Ok(())
}

pub(super) const DEBUG: Spec = Spec {
    arity: Arity::Exactly(2),
    handler: debug,
    name: "bf.debug",
    categories: READING,
    ..INFO
};

/// `BF.DEBUG key`: the links of a filter.
///
/// Reply: array of a text for the filter and a text for each link.
fn debug(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let filter = call.db.read::<Bloom>(key)?.ok_or(NOT_FOUND)?;
    let links = filter.links();
    call.reply.array(1 + links.len());
    call.reply
        .bulk(format!("size:{}", filter.items()).as_bytes());
    for (shape, bits) in links {
        let text = format!(
            "bytes:{} bits:{} hashes:{} hashwidth:{} capacity:{} size:{} ratio:{}",
            bits.len(),
            shape.bits,
            shape.hashes,
            filter.hash_bits(),
            shape.entries,
            shape.items,
            general(shape.error, 6),
        );
        call.reply.bulk(text.as_bytes());
    }
    Ok(())
}
