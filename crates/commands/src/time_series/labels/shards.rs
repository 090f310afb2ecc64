//! Series of all shards, for the commands that find series by their labels: the node that a client
//! asks merges its series with the series of the other shards, sorted by key.
//!
//!     answer:  "=" | count u32 | series ...
//!     series:  key | labels u32 | (name, value) ... | rows u32 | values of a row u32
//!              | times u64 ... | values f64 ...
//!     texts have their length before them, a u32; all numbers are big-endian
//!
//! A node that answers checks no user's rights: the node that replies checks whether the client may
//! read the series.

use super::filters::DENIED;
use super::slices::{SeriesSelector, Unreadable};
use russet_command::CommandError;
use russet_server::Call;
use russet_timeseries::Labels;
use russet_types::TimeSeries;

const DAMAGED: CommandError =
    CommandError::Text("ERR TSDB: the answer of a shard is damaged, or of another release");

/// A series that was found, with the rows that are asked.
pub(crate) struct FoundSeries {
    pub key: Box<[u8]>,
    pub labels: Labels,
    /// Values of a row.
    width: usize,
    times: Vec<u64>,
    values: Vec<f64>,
}

impl FoundSeries {
    /// Adds a row.
    pub(crate) fn push(&mut self, time: u64, values: &[f64]) {
        self.width = values.len();
        self.times.push(time);
        self.values.extend_from_slice(values);
    }

    /// The rows, each a time with the values.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = (u64, &[f64])> {
        let width = self.width;
        let values = move |row: usize| &self.values[row * width..(row + 1) * width];
        let times = self.times.iter().enumerate();
        times.map(move |(row, time)| (*time, values(row)))
    }
}

/// The wanted series of all shards; `rows` makes the rows of this node's series. `None`: the node
/// has asked the other shards, or has answered another node.
pub(crate) fn gather(
    call: &mut Call<'_>,
    wanted: SeriesSelector<'_>,
    mut rows: impl FnMut(&mut Call<'_>, &mut FoundSeries) -> Result<(), CommandError>,
) -> Result<Option<Vec<FoundSeries>>, CommandError> {
    let is_answer = call.is_for_other_node();
    let answers = if is_answer {
        Vec::new()
    } else {
        match call.ask_shards()? {
            Some(answers) => answers,
            None => return Ok(None),
        }
    };
    let all = SeriesSelector {
        unreadable: Unreadable::Named,
        ..wanted
    };
    let mut search = all.search(call)?;
    let mut found = Vec::new();
    while let Some(key) = search.next_key() {
        // The series may have expired.
        let Some(series) = call.db.peek::<TimeSeries>(key)? else {
            continue;
        };
        let labels = series.labels().clone();
        let mut one = FoundSeries {
            key: key.into(),
            labels,
            width: 1,
            times: Vec::new(),
            values: Vec::new(),
        };
        rows(call, &mut one)?;
        found.push(one);
    }
    if is_answer {
        let bytes = encode(&found);
        call.reply.raw(&bytes);
        return Ok(None);
    }
    for answer in &answers {
        decode(answer, &mut found).ok_or(DAMAGED)?;
    }
    // A slot that moves may be at two nodes.
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.dedup_by(|a, b| a.key == b.key);
    match wanted.unreadable {
        Unreadable::Named => {}
        Unreadable::LeftOut => found.retain(|one| call.may_read_key(&one.key)),
        Unreadable::Refused => {
            if !found.iter().all(|one| call.may_read_key(&one.key)) {
                return Err(DENIED);
            }
        }
    }
    Ok(Some(found))
}

fn encode(found: &[FoundSeries]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, n: usize) {
        out.extend_from_slice(&(n as u32).to_be_bytes());
    }
    fn text(out: &mut Vec<u8>, text: &[u8]) {
        number(out, text.len());
        out.extend_from_slice(text);
    }
    let mut out = vec![b'='];
    number(&mut out, found.len());
    for one in found {
        text(&mut out, &one.key);
        number(&mut out, one.labels.len());
        for (name, value) in one.labels.iter() {
            text(&mut out, name);
            text(&mut out, value);
        }
        number(&mut out, one.times.len());
        number(&mut out, one.width);
        for time in &one.times {
            out.extend_from_slice(&time.to_be_bytes());
        }
        for value in &one.values {
            out.extend_from_slice(&value.to_bits().to_be_bytes());
        }
    }
    out
}

fn decode(answer: &[u8], found: &mut Vec<FoundSeries>) -> Option<()> {
    struct Reader<'a>(&'a [u8]);
    impl<'a> Reader<'a> {
        fn number(&mut self) -> Option<usize> {
            let (number, rest) = self.0.split_first_chunk()?;
            self.0 = rest;
            Some(u32::from_be_bytes(*number) as usize)
        }
        fn text(&mut self) -> Option<&'a [u8]> {
            let len = self.number()?;
            let (text, rest) = self.0.split_at_checked(len)?;
            self.0 = rest;
            Some(text)
        }
        fn numbers(&mut self, n: usize) -> Option<impl Iterator<Item = u64>> {
            let (bytes, rest) = self.0.split_at_checked(n.checked_mul(8)?)?;
            self.0 = rest;
            let (numbers, _) = bytes.as_chunks();
            Some(numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)))
        }
    }
    let mut from = Reader(answer.strip_prefix(b"=")?);
    for _ in 0..from.number()? {
        let key = from.text()?;
        let mut labels = Vec::new();
        for _ in 0..from.number()? {
            labels.push((from.text()?, from.text()?));
        }
        let (rows, width) = (from.number()?, from.number()?);
        let times = from.numbers(rows)?.collect();
        let values = from.numbers(rows.checked_mul(width)?)?;
        found.push(FoundSeries {
            key: key.into(),
            labels: Labels::new(labels.into_iter()),
            width,
            times,
            values: values.map(f64::from_bits).collect(),
        });
    }
    from.0.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<FoundSeries> {
        let labels: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"")];
        let mut one = FoundSeries {
            key: (*b"one").into(),
            labels: Labels::new(labels.into_iter()),
            width: 1,
            times: Vec::new(),
            values: Vec::new(),
        };
        one.push(5, &[1.5, f64::NAN]);
        one.push(u64::MAX, &[-0.0, f64::INFINITY]);
        let two = FoundSeries {
            key: Box::default(),
            labels: Labels::default(),
            width: 1,
            times: Vec::new(),
            values: Vec::new(),
        };
        vec![one, two]
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let bytes = encode(&some());
        let mut found = Vec::new();
        assert_eq!(decode(&bytes, &mut found), Some(()));
        assert_eq!(encode(&found), bytes);
        assert_eq!(found[0].rows().len(), 2);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], &mut Vec::new()), None);
        }
        let long = [&bytes[..], b"x"].concat();
        assert_eq!(decode(&long, &mut Vec::new()), None);
    }
}
