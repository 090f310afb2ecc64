//! `--keystats`: memory and length of all keys: the largest keys, the largest of each type, and the
//! distribution of sizes, by SCAN, TYPE, MEMORY USAGE and the type's length.

use std::collections::BTreeMap;

use russet_resp::ReplyValue;

use super::bigkeys::{KINDS, quoted, share};
use super::scan::{each_page, key_count};
use super::{ErrorLine, ended, text_of};
use crate::link::Link;
use crate::options::Options;

/// Figures of the keys of a type.
#[derive(Debug, Default)]
struct TypeStats {
    name: String,
    keys: u64,
    bytes: u64,
    elements: u64,
    largest: Option<(Vec<u8>, u64)>,
    longest: Option<(Vec<u8>, u64)>,
}

/// How many keys have which size.
#[derive(Debug, Default)]
struct Distribution {
    counts: BTreeMap<u64, u64>,
}

impl Distribution {
    fn add(&mut self, size: u64) {
        *self.counts.entry(size).or_default() += 1;
    }

    fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Rows of size, percent of the keys up to it, and their number: the smallest size, then the
    /// sizes that reach 50 %, 75 %, 87.5 % and so on, each once.
    fn rows(&self) -> Vec<(u64, f64, u64)> {
        let total = self.total();
        let (mut reached, mut wanted) = (0, 0.0);
        let mut rows = Vec::new();
        for (&size, &count) in &self.counts {
            reached += count;
            let percent = 100.0 * share(reached, total);
            let is_row = percent >= wanted;
            while wanted <= percent && wanted < 100.0 {
                wanted += (100.0 - wanted) / 2.0;
                if 100.0 - wanted < 1e-9 {
                    wanted = 100.0;
                }
            }
            if is_row || reached == total {
                rows.push((size, percent, reached));
            }
        }
        rows
    }

    fn mean(&self) -> f64 {
        let sum: u64 = self.counts.iter().map(|(size, count)| size * count).sum();
        share(sum, self.total())
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares = self.counts.iter().map(|(&size, &count)| {
            let off = size as f64 - mean;
            off * off * count as f64
        });
        (squares.sum::<f64>() / self.total().max(1) as f64).sqrt()
    }
}

/// `1.75K`: bytes for people.
fn human(bytes: f64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    if bytes < 1024.0 {
        return format!("{}B", bytes as u64);
    }
    let mut value = bytes / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", units[unit])
}

/// The command with the length of a type, and its unit.
fn length_of(kind: &str) -> Option<(&'static str, &'static str)> {
    let known = KINDS.iter().find(|(name, ..)| *name == kind)?;
    Some((known.1, known.2))
}

#[derive(Debug, Default)]
struct KeyStats {
    types: Vec<TypeStats>,
    sizes: Distribution,
    names: Distribution,
    /// The largest first: type, key, bytes.
    top: Vec<(String, Vec<u8>, u64)>,
}

impl KeyStats {
    fn add(&mut self, key: &[u8], kind: &str, bytes: u64, length: Option<u64>, top: usize) {
        self.sizes.add(bytes);
        self.names.add(key.len() as u64);
        let place = self.top.partition_point(|(.., other)| *other >= bytes);
        if place < top {
            self.top
                .insert(place, (kind.to_owned(), key.to_vec(), bytes));
            self.top.truncate(top);
        }
        let at = self.types.iter().position(|stats| stats.name == kind);
        let at = at.unwrap_or_else(|| {
            self.types.push(TypeStats {
                name: kind.to_owned(),
                ..TypeStats::default()
            });
            self.types.len() - 1
        });
        let stats = &mut self.types[at];
        stats.keys += 1;
        stats.bytes += bytes;
        stats.elements += length.unwrap_or(0);
        if stats.largest.as_ref().is_none_or(|(_, most)| bytes > *most) {
            stats.largest = Some((key.to_vec(), bytes));
        }
        let longest = stats.longest.as_ref().map_or(0, |(_, most)| *most);
        if length.is_some_and(|length| length > longest) {
            stats.longest = length.map(|length| (key.to_vec(), length));
        }
    }

    fn report(&self, all: u64, top: usize) -> String {
        let sampled = self.sizes.total();
        let bytes: u64 = self.types.iter().map(|stats| stats.bytes).sum();
        let percent = 100.0 * share(sampled, all.max(sampled)).max(f64::from(u8::from(all == 0)));
        let mut text = format!(
            "{percent:.2}% keys scanned\nKeys sampled: {sampled}\nKeys size:    {}\n\n--- Top {top} key \
             sizes ---\n",
            human(bytes as f64)
        );
        for (at, (kind, key, bytes)) in self.top.iter().enumerate() {
            let (size, key) = (human(*bytes as f64), quoted(key));
            text += &format!("{:>3} {size:>8} {kind:<10} {key}\n", at + 1);
        }
        text += "\n--- Top size per type ---\n";
        for stats in &self.types {
            if let Some((key, bytes)) = &stats.largest {
                let (key, size) = (quoted(key), human(*bytes as f64));
                text += &format!("{:<10} {key} is {size}\n", stats.name);
            }
        }
        text += "\n--- Top length and cardinality per type ---\n";
        for stats in &self.types {
            if let Some((key, length)) = &stats.longest {
                let length = with_unit(*length as f64, &stats.name, 0);
                text += &format!("{:<10} {} has {length}\n", stats.name, quoted(key));
            }
        }
        text += "\nKey size Percentile Total keys\n-------- ---------- -----------\n";
        for (size, percent, count) in self.sizes.rows() {
            let size = human(size as f64);
            text += &format!("{size:>8} {percent:>9.4}% {count:>11}\n");
        }
        text += &format!(
            "Note: 0.01% size precision, Mean: {}, StdDeviation: {}\n\nKey name length Percentile \
             Total keys\n--------------- ---------- -----------\n",
            human(self.sizes.mean()),
            human(self.sizes.deviation())
        );
        for (size, percent, count) in self.names.rows() {
            let size = human(size as f64);
            text += &format!("{size:>15} {percent:>9.4}% {count:>11}\n");
        }
        let mean = self.names.mean();
        text += &format!(
            "Total key length is {} ({} avg)\n\n",
            human(mean * sampled as f64),
            human(mean)
        );
        text + &self.table(sampled)
    }

    fn table(&self, sampled: u64) -> String {
        let mut text = "Type        Total keys  Keys % Tot size Avg size  Total length/card Avg \
            ln/card\n--------- ------------ ------- -------- -------- ------------------ \
            -----------\n"
            .to_owned();
        for stats in &self.types {
            let average = share(stats.elements, stats.keys);
            let (all, each) = if length_of(&stats.name).is_some() {
                let all = with_unit(stats.elements as f64, &stats.name, 0);
                let each = match stats.name.as_str() {
                    "string" => human(average),
                    _ => format!("{average:.2}"),
                };
                (all, each)
            } else {
                ("-".to_owned(), "- ".to_owned())
            };
            text += &format!(
                "{:<10} {:>11} {:>6.2}% {:>8} {:>8} {all:>18} {each:>11}\n",
                stats.name,
                stats.keys,
                100.0 * share(stats.keys, sampled),
                human(stats.bytes as f64),
                human(share(stats.bytes, stats.keys)),
            );
        }
        text
    }
}

/// `135 items`; a string has bytes for people.
fn with_unit(length: f64, kind: &str, decimals: usize) -> String {
    match length_of(kind) {
        _ if kind == "string" => human(length),
        Some((_, unit)) => format!("{length:.decimals$} {unit}"),
        None => format!("{length:.decimals$}"),
    }
}

/// Walks all keys, and prints the report.
pub(crate) fn key_stats(
    link: &mut Link,
    options: &Options,
    samples: Option<u64>,
) -> Result<u8, ErrorLine> {
    println!(
        "\n# Scanning the entire keyspace to find the biggest keys and distribution information."
    );
    println!("# Use -i 0.1 to sleep 0.1 sec per 100 SCAN commands (not usually needed).");
    println!("# Use --cursor <n> to start the scan at the cursor <n> (usually after a Ctrl-C).");
    println!("# Use --top <n> to display <n> top key sizes (default is 10).");
    println!("# Ctrl-C to stop the scan.\n");
    let all = key_count(link)?;
    let mut stats = KeyStats::default();
    each_page(link, options, options.cursor, |link, keys| {
        measure(link, keys, samples, options.top, &mut stats)
    })?;
    // Types in the order of the other reports; types without a length last.
    let rank = |kind: &str| KINDS.iter().position(|(name, ..)| *name == kind);
    stats
        .types
        .sort_by_key(|stats| rank(&stats.name).unwrap_or(KINDS.len()));
    print!("{}", stats.report(all, options.top));
    Ok(0)
}

/// Adds the keys of a page that are still there.
fn measure(
    link: &mut Link,
    keys: Vec<Vec<u8>>,
    samples: Option<u64>,
    top: usize,
    stats: &mut KeyStats,
) -> Result<(), ErrorLine> {
    let samples = samples.map(|samples| samples.to_string());
    for key in &keys {
        link.send(&[b"TYPE", key.as_slice()]).map_err(ended)?;
        let mut words: Vec<&[u8]> = vec![b"MEMORY", b"USAGE", key];
        if let Some(samples) = &samples {
            words.extend([&b"SAMPLES"[..], samples.as_bytes()]);
        }
        link.send(&words).map_err(ended)?;
    }
    let mut measured = Vec::new();
    for key in keys {
        let kind = match link.next().map_err(ended)? {
            ReplyValue::Simple(name) | ReplyValue::Bulk(name) => text_of(&name),
            ReplyValue::Error(why) => return Err(format!("TYPE error: {}", text_of(&why))),
            other => return Err(format!("TYPE replied {other:?}")),
        };
        match link.next().map_err(ended)? {
            ReplyValue::Integer(bytes) => measured.push((key, kind, bytes.unsigned_abs())),
            ReplyValue::Error(why) => {
                return Err(format!("MEMORY USAGE error: {}", text_of(&why)));
            }
            // Deleted meanwhile.
            _ => {}
        }
    }
    for (key, kind, _) in &measured {
        if let Some((command, _)) = length_of(kind) {
            link.send(&[command.as_bytes(), key]).map_err(ended)?;
        }
    }
    for (key, kind, bytes) in measured {
        let length = match length_of(&kind) {
            None => None,
            Some(_) => match link.next().map_err(ended)? {
                ReplyValue::Integer(length) => Some(length.unsigned_abs()),
                _ => None,
            },
        };
        stats.add(&key, &kind, bytes, length, top);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(human(26.0), "26B");
        assert_eq!(human(1792.0), "1.75K");
        assert_eq!(human(3.5 * 1024.0 * 1024.0), "3.50M");
    }

    #[test]
    fn rows_halve_what_is_left() {
        let mut sizes = Distribution::default();
        (1..=100).for_each(|size| sizes.add(size));
        let rows = sizes.rows();
        let at: Vec<u64> = rows.iter().map(|row| row.0).collect();
        assert_eq!(at, [1, 50, 75, 88, 94, 97, 99, 100]);
        assert_eq!(rows.last().map(|row| row.2), Some(100));
        let mut same = Distribution::default();
        (0..5).for_each(|_| same.add(7));
        assert_eq!(same.rows(), [(7, 100.0, 5)]);
        assert!((sizes.mean() - 50.5).abs() < 1e-9);
    }
}
