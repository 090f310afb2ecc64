//! `--hotkeys`: the keys that are used most, by SCAN and OBJECT FREQ. The server must evict by LFU,
//! because only then it counts.

use russet_resp::ReplyValue;

use super::bigkeys::{quoted, share};
use super::scan::{each_page, key_count};
use super::{ErrorLine, ended, text_of};
use crate::link::Link;
use crate::options::Options;

/// Keys of the report.
const KEYS_MAX: usize = 16;

/// Walks all keys; prints each key that enters the list, and the list.
pub(crate) fn hot_keys(link: &mut Link, options: &Options) -> Result<u8, ErrorLine> {
    println!("\n# Scanning the entire keyspace to find hot keys as well as");
    println!("# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec");
    println!("# per 100 SCAN commands (not usually needed).\n");
    let all = key_count(link)?;
    // The hottest first.
    let mut hottest: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut sampled = 0;
    each_page(link, options, 0, |link, keys| {
        let percent = 100.0 * share(sampled, all.max(sampled));
        for key in &keys {
            let words: [&[u8]; 3] = [b"OBJECT", b"FREQ", key];
            link.send(&words).map_err(ended)?;
        }
        for key in keys {
            sampled += 1;
            let uses = match link.next().map_err(ended)? {
                ReplyValue::Integer(n) => n.unsigned_abs(),
                ReplyValue::Error(why) => return Err(format!("Error: {}", text_of(&why))),
                // Deleted meanwhile.
                _ => continue,
            };
            let place = hottest.partition_point(|(other, _)| *other >= uses);
            if uses > 0 && place < KEYS_MAX {
                println!(
                    "[{percent:05.2}%] Hot key {} found so far with counter {uses}",
                    quoted(&key)
                );
                hottest.insert(place, (uses, key));
                hottest.truncate(KEYS_MAX);
            }
        }
        Ok(())
    })?;
    println!("\n-------- summary -------\n");
    println!("Sampled {sampled} keys in the keyspace!");
    for (uses, key) in hottest {
        println!(
            "hot key found with counter: {uses}\tkeyname: {}",
            quoted(&key)
        );
    }
    Ok(0)
}
