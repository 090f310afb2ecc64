//! Figures over time, in three rings: each second for 15 minutes, each 10 seconds for 6 hours, each
//! minute for 48 hours. A longer step's row is made of the rows of the second: means of rates, the
//! worst of latencies, the last of levels.
//!
//! Memory: 5,940 rows of [`FIELDS`], 8 bytes each: 1.3 MB when all are full. A row: O(fields).

use std::collections::VecDeque;

use super::json;
use russet_base::finding::Finding;

/// The way to join the values of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The last: a level.
    Last,
    /// The mean: a rate.
    Mean,
    /// The largest: the worst.
    Worst,
}

/// The fields of a row, in their order.
pub const FIELDS: [(&str, Aggregation); 27] = [
    ("time", Aggregation::Last),
    ("uptime", Aggregation::Last),
    ("ops", Aggregation::Mean),
    ("p50_us", Aggregation::Mean),
    ("p99_us", Aggregation::Worst),
    ("busy_permille", Aggregation::Mean),
    ("used_memory", Aggregation::Last),
    ("used_memory_peak", Aggregation::Last),
    ("rss", Aggregation::Last),
    ("keys", Aggregation::Last),
    ("expires", Aggregation::Last),
    ("clients", Aggregation::Last),
    ("blocked", Aggregation::Last),
    ("net_in", Aggregation::Mean),
    ("net_out", Aggregation::Mean),
    ("hits", Aggregation::Mean),
    ("misses", Aggregation::Mean),
    ("expired", Aggregation::Mean),
    ("evicted", Aggregation::Mean),
    ("errors", Aggregation::Mean),
    ("rejected", Aggregation::Mean),
    ("cpu_permille", Aggregation::Mean),
    ("aof_unsynced_ms", Aggregation::Worst),
    ("log_bytes", Aggregation::Last),
    ("replicas", Aggregation::Last),
    ("repl_lag_bytes", Aggregation::Worst),
    ("disk_free", Aggregation::Last),
];

/// A row; NaN: unknown.
pub type Row = [f64; FIELDS.len()];

/// Rows for which a ring has room at first.
const ROWS_FIRST: usize = 60;

/// A ring.
#[derive(Debug)]
struct Tier {
    /// Seconds a row.
    step: u32,
    rows_max: usize,
    rows: VecDeque<Row>,
    /// Rows of a second that the next row is made of.
    gathered: u32,
    sum: Row,
    /// Known values in each sum.
    known: [u32; FIELDS.len()],
}

/// See the module.
#[derive(Debug)]
pub struct History {
    tiers: [Tier; 3],
}

impl Default for History {
    fn default() -> History {
        History {
            tiers: [
                Tier::new(1, 15 * 60),
                Tier::new(10, 6 * 360),
                Tier::new(60, 48 * 60),
            ],
        }
    }
}

impl Tier {
    fn new(step: u32, rows_max: usize) -> Tier {
        Tier {
            step,
            rows_max,
            rows: VecDeque::new(),
            gathered: 0,
            sum: [f64::NAN; FIELDS.len()],
            known: [0; FIELDS.len()],
        }
    }

    fn add(&mut self, row: &Row) {
        for (at, (_, joined)) in FIELDS.iter().enumerate() {
            let (sum, value) = (&mut self.sum[at], row[at]);
            if value.is_nan() {
                continue;
            }
            self.known[at] += 1;
            *sum = match joined {
                _ if sum.is_nan() => value,
                Aggregation::Last => value,
                Aggregation::Mean => *sum + value,
                Aggregation::Worst => sum.max(value),
            };
        }
        self.gathered += 1;
        if self.gathered < self.step {
            return;
        }
        let mut joined = std::mem::replace(&mut self.sum, [f64::NAN; FIELDS.len()]);
        for (at, (_, how)) in FIELDS.iter().enumerate() {
            if *how == Aggregation::Mean && self.known[at] > 0 {
                joined[at] /= f64::from(self.known[at]);
            }
        }
        self.gathered = 0;
        self.known = [0; FIELDS.len()];
        if self.rows.len() == self.rows_max {
            self.rows.pop_front();
        } else if self.rows.len() == self.rows.capacity() {
            // Doubled, but never beyond `rows_max`.
            let more = self.rows.len().max(ROWS_FIRST);
            let more = more.min(self.rows_max - self.rows.len());
            self.rows.reserve_exact(more);
        }
        self.rows.push_back(joined);
    }
}

impl History {
    /// Adds the row of a second.
    pub fn add(&mut self, row: &Row) {
        for tier in &mut self.tiers {
            tier.add(row);
        }
    }

    /// The last row of a second.
    pub fn last(&self) -> Option<&Row> {
        self.tiers[0].rows.back()
    }

    /// The known values of a field, the last first: each second's, for 15 minutes.
    fn lately(&self, field: &str) -> impl Iterator<Item = f64> {
        let at = FIELDS.iter().position(|(known, _)| *known == field);
        let rows = self.tiers[0].rows.iter().rev();
        let values = rows.filter_map(move |row| Some(row[at?]));
        values.filter(|value| !value.is_nan())
    }

    /// The sum of a rate over 15 minutes.
    pub fn sum(&self, field: &str) -> f64 {
        self.lately(field).sum()
    }

    /// The mean of the last known values of a field, `rows` at most; NaN: there are none.
    pub fn mean(&self, field: &str, rows: usize) -> f64 {
        let (sum, count) = self
            .lately(field)
            .take(rows)
            .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    }

    /// The largest of the last known values of a field, `rows` at most; 0: there are none.
    pub fn worst(&self, field: &str, rows: usize) -> f64 {
        self.lately(field).take(rows).fold(0.0, f64::max)
    }

    /// Bytes of the rings.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let rows: usize = self.tiers.iter().map(|tier| tier.rows.capacity()).sum();
        rows * size_of::<Row>()
    }

    /// Rows as JSON, oldest first, with the findings about the server. `steps`: only these tiers;
    /// empty: all of them.
    pub fn write(&self, now_ms: i64, steps: &[u64], found: &[Finding], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"now\":");
        json::write_number(now_ms as f64, out);
        out.extend_from_slice(b",\"fields\":");
        json::list(FIELDS.iter(), out, |(name, _), out| {
            json::write_string(name, out)
        });
        out.extend_from_slice(b",\"tiers\":");
        let is_wanted = |tier: &&Tier| steps.is_empty() || steps.contains(&u64::from(tier.step));
        json::list(self.tiers.iter().filter(is_wanted), out, |tier, out| {
            out.extend_from_slice(format!("{{\"step\":{},\"rows\":", tier.step).as_bytes());
            json::list(&tier.rows, out, write_row);
            out.push(b'}');
        });
        out.extend_from_slice(b",\"findings\":");
        json::list(found, out, |its, out| {
            let mut finding = json::object()
                .text("weight", its.weight.name())
                .text("code", &*its.code)
                .text("text", &its.text);
            if let Some(remedy) = &its.remedy {
                finding = finding.text("remedy", remedy);
            }
            out.extend_from_slice(&finding.end());
        });
        out.push(b'}');
    }
}

/// A row as a list of numbers; unknown numbers are null. Fractions have two digits.
pub fn write_row(row: &Row, out: &mut Vec<u8>) {
    json::list(row, out, |value, out| {
        json::write_number((value * 100.0).round() / 100.0, out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u32) -> Row {
        let mut row = [f64::NAN; FIELDS.len()];
        (row[0], row[2], row[4]) = (f64::from(second), f64::from(second % 10), 3.0);
        row
    }

    #[test]
    fn two_days_fit_and_longer_steps_are_made_of_seconds() {
        let mut history = History::default();
        for second in 0..3 * 86_400 {
            history.add(&row(second));
        }
        let lens: Vec<usize> = history.tiers.iter().map(|tier| tier.rows.len()).collect();
        assert_eq!(lens, [900, 2160, 2880]);
        assert_eq!(history.memory_bytes(), 5940 * size_of::<Row>());
        let ten = history.tiers[1].rows.back().expect("full");
        assert_eq!((ten[0], ten[2], ten[4]), (259_199.0, 4.5, 3.0));
        assert!(ten[5].is_nan(), "unknown stays unknown");
    }

    #[test]
    fn the_rows_are_json() {
        let mut history = History::default();
        for second in 0..20 {
            history.add(&row(second));
        }
        let mut out = Vec::new();
        history.write(1_700_000_000_000, &[10], &[], &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let tiers = value["tiers"].as_array().expect("a list");
        assert_eq!(tiers.len(), 1);
        assert_eq!(tiers[0]["rows"].as_array().map(Vec::len), Some(2));
        assert_eq!(tiers[0]["rows"][1][2], 4.5);
        assert!(tiers[0]["rows"][1][5].is_null());
        assert_eq!(value["fields"][0], "time");
    }
}
