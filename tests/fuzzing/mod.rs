//! Fuzz targets, as plain functions of bytes.
//!
//! `fuzz/` passes the targets to libFuzzer. The tests here run each target on seeded random bytes,
//! so that a stable toolchain runs it, too. A target panics if its property does not hold, and
//! returns otherwise. The server uses nothing of this module.

mod acl;
mod aof;
mod changes;
mod cluster;
mod commands;
mod config;
mod console;
mod estimates;
mod filter;
mod frames;
mod glob;
mod hyperloglog;
mod input;
mod json;
pub mod links;
#[cfg(test)]
mod mutated;
mod packed;
pub mod programs;
mod rdb;
mod reply;
mod request;
mod restored;
mod scripts;
mod search;
mod seeds;
mod sketches;
mod stream_node;
mod time_series;
mod words;

pub use acl::acl;
pub use aof::aof;
pub use changes::changes;
pub use cluster::{cluster_bus, nodes_conf};
pub use commands::commands;
pub use config::config;
pub use console::console;
pub use filter::filter;
pub use frames::frames;
pub use glob::glob;
pub use hyperloglog::hyperloglog;
pub use json::json;
pub use links::{hostile_primary, hostile_replica};
pub use packed::{intset, listpack};
pub use programs::programs;
pub use rdb::{dump, rdb};
pub use request::request;
pub use restored::restored;
pub use scripts::scripts;
pub use search::{search_expressions, search_queries, search_settings, search_words};
pub use sketches::sketches;
pub use stream_node::stream_node;
pub use time_series::time_series;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    /// Runs a target on `cases` inputs of up to `bytes_max` bytes. Three bytes out of four come
    /// from `alphabet`. A failure names the seed of its case.
    fn run(target: fn(&[u8]), cases: u64, bytes_max: usize, alphabet: &[u8]) {
        // Memory checkers are slow, so they ask for a percentage of the cases.
        let percent = std::env::var("RUSSET_FUZZ_CASES").ok();
        let percent: u64 = percent.and_then(|text| text.parse().ok()).unwrap_or(100);
        for seed in 0..cases * percent / 100 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let len = rng.random_range(0..=bytes_max);
            let byte = |_| match rng.random_range(0..4) {
                0 => rng.random(),
                _ => alphabet[rng.random_range(0..alphabet.len())],
            };
            let input: Vec<u8> = (0..len).map(byte).collect();
            if let Err(panic) = std::panic::catch_unwind(|| target(&input)) {
                eprintln!("seed {seed}: {input:?}");
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Bytes that stand for words.
    const SMALL: [u8; 128] = {
        let mut all = [0; 128];
        let mut at = 0;
        while at < 128 {
            all[at] = at as u8;
            at += 1;
        }
        all
    };

    #[test]
    fn what_scripts_give_their_libraries_harms_nobody() {
        run(scripts, 20_000, 60, b"\x00\x01\x02\x03\x04\x05\x06\x07\x80\x90\xa1\xc4\xd9\xdc\xdf[]{}\":,%bidscf.*+-()0123");
    }

    #[test]
    fn programs_that_mean_no_good_leave_a_state_that_works() {
        run(programs, 500, 120, b"\0\x01\x02\x03\x05\x08\x0d\x15\x22");
    }

    #[test]
    fn requests_parse_alike_in_pieces() {
        run(request, 20_000, 60, b"**$$\r\n\r\n0123\"' SETx");
    }

    #[test]
    fn requests_of_pages_are_refused_or_understood_alike() {
        run(
            console,
            20_000,
            80,
            b"\0\x01\x02GET / HTTP/1.1\r\nHost: a\r\n\r\n{}[]\"\":,*$%~:+1",
        );
    }

    #[test]
    fn rules_of_users_are_refused_or_listed_as_they_are() {
        run(acl, 4_000, 60, b"\0\x05\x20\x2d\x30~*&+@()\"' ");
    }

    #[test]
    fn append_only_files_are_valid_or_repaired() {
        run(aof, 3_000, 80, b"*$\r\n\r\n0123#CK:-TSMULTIEXEC\0");
    }

    #[test]
    fn streams_are_refused_or_taken_apart_alike() {
        let stream = b"*1\r\n$4\r\nEXECMULTIPINGDEL a0123\nrusset:by 1 - u";
        run(changes, 20_000, 80, stream);
    }

    #[test]
    fn messages_of_the_bus_are_refused_or_written_alike() {
        let numbers = [0, 1, 2, 3, 4, 5, 7, 8, 12, 14, 15, 0x80, 0xff];
        run(cluster_bus, 6_000, 40, &numbers);
    }

    #[test]
    fn files_of_nodes_are_refused_or_written_alike() {
        run(nodes_conf, 6_000, 40, b"\x01 \n0123456789-,=:@[]<>abf");
    }

    #[test]
    fn filters_are_refused_or_run() {
        run(
            filter,
            20_000,
            40,
            b"\x08.a.b==!=()[]\"',: {}0191-<>+*/in and or not null true",
        );
    }

    #[test]
    fn documents_are_refused_or_give_themselves_again() {
        run(
            json,
            20_000,
            40,
            b"\0\0$..a*[0]:{}[]\"\",1.5-e\x82\x61\xa1\xd8\x54",
        );
    }

    #[test]
    fn sketches_are_refused_or_give_themselves_again() {
        run(sketches, 40_000, 140, b"\0\0\0\0\x01\x02\x03\x04\x08\xff");
    }

    #[test]
    fn time_series_are_refused_or_give_themselves_again() {
        run(
            time_series,
            40_000,
            300,
            b"\0\0\0\x01\x02\x03\x04\x07\x80\xff",
        );
    }

    #[test]
    fn queries_of_indexes_are_refused_or_find_documents_once() {
        run(search_queries, 4_000, 60, &SMALL);
    }

    #[test]
    fn expressions_are_refused_or_have_a_value() {
        run(search_expressions, 20_000, 60, &SMALL);
    }

    #[test]
    fn words_of_indexes_are_refused_or_done() {
        run(search_words, 10_000, 60, &SMALL);
    }

    #[test]
    fn definitions_of_indexes_are_refused_or_give_themselves_again() {
        run(
            search_settings,
            4_000,
            40,
            b"\0\0\x01\x02\x03\x05\x08\x17\x1b\xff",
        );
    }

    #[test]
    fn globs_match_as_defined() {
        run(glob, 20_000, 24, b"**??[]^-\\aabc\0");
    }

    #[test]
    fn listpacks_are_refused_or_sound() {
        run(
            listpack,
            20_000,
            40,
            &[0, 1, 2, 0x40, 0x81, 0xc0, 0xf1, 0xf4, 0xff],
        );
    }

    #[test]
    fn frames_are_read_whole_or_refused() {
        run(frames, 4_000, 200, b"\0\x01\x02\x03{}\":,user 0123");
    }

    #[test]
    fn stream_nodes_are_refused_or_sound() {
        run(stream_node, 20_000, 60, &[0, 1, 2, 3, 4, 5, 0x81, 0xff]);
    }

    #[test]
    fn intsets_are_refused_or_sound() {
        run(intset, 20_000, 40, &[0, 1, 2, 4, 8, 0xff]);
    }

    #[test]
    fn hyperloglogs_are_refused_or_sound() {
        run(hyperloglog, 20_000, 40, &[0, 0x3f, 0x7f, 0x80, 0x84, 0xff]);
    }

    /// Runs that add up to all registers, which random bytes never do.
    #[test]
    fn whole_hyperloglogs_stay_sound() {
        for seed in 0..=255u8 {
            let max = [40, 90, 255][usize::from(seed % 3)];
            let runs = [0x80 | seed, 0x7f, 0xfe - (seed & 3)];
            hyperloglog(&[&[max, 39][..], &runs].concat());
            hyperloglog(
                &[
                    &[max, 39][..],
                    &[0x7f - (seed & 0x3f), 0xff],
                    &[seed & 0x3f; 99],
                ]
                .concat(),
            );
        }
    }

    #[test]
    fn configurations_are_refused_or_rewritten_alike() {
        run(config, 1_500, 120, b"\n\n  \"'\\x0159abgkmsyesno-/*~");
    }

    #[test]
    fn files_are_refused_or_what_they_hold_is_sound() {
        run(
            rdb,
            20_000,
            60,
            &[0, 1, 2, 3, 4, 11, 16, 18, 20, 24, 25, 0xc0, 0xc3, 0xfe],
        );
    }

    #[test]
    fn payloads_are_refused_or_what_they_hold_is_sound() {
        run(dump, 2_000, 60, &[0, 1, 2, 7, 0x81, 0xc0, 0xf1, 0xff]);
    }

    #[test]
    fn whatever_was_restored_takes_every_command() {
        // All seeds, and the places near the beginning of each.
        let bytes: Vec<u8> = (0..48).collect();
        run(restored, 1_000, 48, &bytes);
    }

    #[test]
    fn any_commands_keep_the_invariants() {
        run(commands, 150, 600, &[0, 1, 2, 3, 5, 8, 13]);
    }
}
