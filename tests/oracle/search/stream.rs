//! Streams of an index: documents, questions, changes, and questions again.

use super::pipeline;
use super::schema::{self, Schema};
use crate::random::Random;
use crate::{
    DEFAULTS,
    play::{Step, Stream},
};

/// The names of the index, and of a second index over the same documents.
const INDEXES: [&str; 2] = ["i", "j"];

/// The stream that belongs to a seed.
pub fn stream(seed: u64) -> Stream {
    let mut random = Random::new(seed);
    let random = &mut random;
    let mut steps = Vec::new();
    let mut add = |args: Vec<Vec<u8>>| {
        steps.push(Step {
            args,
            client: 0,
            pause_ms: 0,
        });
    };
    let words = |line: &str| -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    };
    let (mut schema, create) = schema::create(INDEXES[0], random);
    let documents: Vec<_> = (0..16)
        .map(|at| schema::document(&schema, at, random))
        .collect();
    let is_first = random.chance(50);
    if is_first {
        add(create.clone());
    }
    documents.into_iter().for_each(&mut add);
    if !is_first {
        add(create);
    }
    if random.chance(25) {
        schema.is_sound = false;
        let groups = [
            "g1 hello world",
            "g2 fox house",
            "g1 blue",
            "g3 Hello",
            "g1",
            "long maison casa haus",
        ];
        for _ in 0..random.few() {
            add(words(&format!("FT.SYNUPDATE i {}", random.pick(&groups))));
        }
        add(words("FT.SYNDUMP i"));
    }
    for round in 0..1 + random.below(2) {
        if round > 0 {
            schema.is_sound = false;
            for _ in 0..1 + random.below(8) {
                add(schema::change(&schema, random));
            }
        }
        for _ in 0..8 + random.below(16) {
            add(question(&schema, random));
        }
    }
    add(words("FT._LIST"));
    add(words("KEYS *"));
    Stream {
        seed,
        steps,
        resp3: random.chance(40),
        burst: true,
        config: DEFAULTS.to_vec(),
        events: false,
        is_search: true,
    }
}

fn question(schema: &Schema, random: &mut Random) -> Vec<Vec<u8>> {
    let index = INDEXES[0];
    let line = match random.below(40) {
        0..=18 => return pipeline::search(index, schema, random),
        19..=29 => return pipeline::aggregate(index, schema, random),
        30 | 31 => return pipeline::explain(index, schema, random),
        32 => format!("FT.TAGVALS i {}", random.pick(&schema.fields).name),
        33 => "FT.INFO i".to_owned(),
        34 => random
            .pick(&[
                "FT.ALIASADD al i",
                "FT.ALIASADD al j",
                "FT.ALIASUPDATE al i",
                "FT.ALIASDEL al",
                "FT.ALIASDEL nope",
                "FT._ALIASADDIFNX al i",
                "FT._ALIASDELIFX al",
                "FT.INFO al",
                "FT.SEARCH al * SORTBY uid NOCONTENT",
                "FT.ALIASADD i i",
            ])
            .to_string(),
        35 | 36 => random
            .pick(&[
                "FT.DICTADD words hello Hello zoo",
                "FT.DICTADD words hello",
                "FT.DICTDUMP words",
                "FT.DICTDEL words hello nope",
                "FT.DICTDEL words Hello zoo hello",
                "FT.DICTDUMP nope",
                "FT.DICTDEL nope x",
                "FT.DICTADD other \u{e9} a",
                "FT.DICTDUMP other",
            ])
            .to_string(),
        37 if !schema.is_sound => random
            .pick(&[
                "FT.ALTER i SCHEMA ADD $.extra AS extra NUMERIC",
                "FT.ALTER i SCHEMA ADD uid NUMERIC",
                "FT._ALTERIFNX i SCHEMA ADD uid NUMERIC",
                "FT.ALTER nope SCHEMA ADD x TAG",
                "FT.ALTER i ADD SCHEMA x TAG",
            ])
            .to_string(),
        38 => random
            .pick(&[
                "FT.SEARCH nope x",
                "FT.AGGREGATE nope x",
                "FT.INFO nope",
                "FT.TAGVALS nope x",
                "FT.EXPLAIN nope x",
                "FT.DROPINDEX nope",
                "FT._DROPINDEXIFX nope",
                "FT.SYNDUMP nope",
                "FT.SYNUPDATE nope g x",
                "FT.CREATE i SCHEMA x TEXT",
                "FT._CREATEIFNX i SCHEMA x TEXT",
                "FT.CREATE x",
                "FT.CREATE x SCHEMA",
                "FT.SEARCH i",
                "FT.AGGREGATE i",
                "FT.CURSOR READ i 1",
                "FT.CURSOR DEL i 1",
                "FT.CREATE j ON HASH SCHEMA x TEXT x TAG",
                "FT.CREATE j SCHEMA x NOPE",
                "FT.ALIASUPDATE al nope",
                "FT.TAGVALS i nope",
            ])
            .to_string(),
        _ if random.chance(10) => random
            .pick(&[
                "FT.DROPINDEX i",
                "FT.DROPINDEX i DD",
                "FT.DROP i KEEPDOCS",
                "FT.DROP i",
            ])
            .to_string(),
        _ => "FT.SEARCH i * LIMIT 0 0".to_owned(),
    };
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}
