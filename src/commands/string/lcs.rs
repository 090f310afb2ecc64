//! LCS: the longest common subsequence of two strings.

use crate::base::number::parse_i64;
use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use crate::resp::{Args, Reply};
use crate::server::{Call, CommandResult, Spec};

pub(super) const LCS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::range(1, 1, 1, Access::READ)],
    categories: Category::STRING,
    ..Spec::new("lcs", lcs)
};

const NOT_STRINGS: &str = "ERR The specified keys must contain string values";
const LEN_AND_IDX: &str = "ERR If you want both the length and indexes, please just use IDX.";
const TOO_LONG: &str = "ERR String too long for LCS";
const OVER_LIMIT: &str =
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
const NO_MEMORY: &str = "ERR Insufficient memory, failed allocating transient memory for LCS";

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Options, CommandError> {
        let mut o = Options::default();
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "IDX") {
                o.idx = true;
            } else if args.is(at, "LEN") {
                o.len = true;
            } else if args.is(at, "WITHMATCHLEN") {
                o.with_match_len = true;
            } else if args.is(at, "MINMATCHLEN") && at + 1 < args.len() {
                at += 1;
                let n = parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger)?;
                o.match_len_min = n.max(0);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        if o.len && o.idx {
            return Err(CommandError::Text(LEN_AND_IDX));
        }
        Ok(o)
    }
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN]`.
///
/// Reply: the subsequence as a bulk string; with LEN its length; with IDX a map of `matches`,
/// pairs of inclusive ranges from the last to the first, and `len`. A missing key is empty.
/// O(n * m) time and memory, the memory at most `proto-max-bulk-len`.
fn lcs(call: &mut Call<'_>) -> CommandResult {
    let (key1, key2) = (call.args.at(1), call.args.at(2));
    // Both lookups count, whatever the options are.
    call.db.exists(key1);
    call.db.exists(key2);
    let string = |key| {
        let text = call.db.peek_string(key);
        text.map_err(|_| CommandError::Text(NOT_STRINGS))
    };
    let (text1, text2) = (string(key1)?, string(key2)?);
    let options = Options::parse(call.args)?;
    let (mut digits1, mut digits2) = (itoa::Buffer::new(), itoa::Buffer::new());
    let a = text1.as_ref().map_or(&b""[..], |t| t.text(&mut digits1));
    let b = text2.as_ref().map_or(&b""[..], |t| t.text(&mut digits2));
    let table = Table::build(a, b, call.server.config.proto_max_bulk_len)?;
    let len = table.at(a.len(), b.len());
    if options.idx {
        write_matches(call.reply, &table, &options, len);
    } else if options.len {
        call.reply.int(len as i64);
    } else {
        let mut common = vec![0; len as usize];
        let mut left = common.len();
        table.walk_back(|at, _| {
            left -= 1;
            common[left] = a[at];
        });
        call.reply.bulk(&common);
    }
    Ok(())
}

/// Lengths of the common subsequences of all pairs of prefixes.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lengths: Vec<u32>,
}

impl<'a> Table<'a> {
    /// Of at most `max_bytes`; the strings come from clients.
    fn build(a: &'a [u8], b: &'a [u8], max_bytes: u64) -> Result<Table<'a>, CommandError> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(CommandError::Text(TOO_LONG));
        }
        let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
        if cells.checked_mul(4).is_none_or(|bytes| bytes > max_bytes) {
            return Err(CommandError::Text(OVER_LIMIT));
        }
        let mut lengths = Vec::new();
        lengths
            .try_reserve_exact(cells as usize)
            .map_err(|_| CommandError::Text(NO_MEMORY))?;
        lengths.resize(cells as usize, 0);
        let mut table = Table { a, b, lengths };
        table.fill();
        Ok(table)
    }

    fn fill(&mut self) {
        let width = self.b.len() + 1;
        for i in 1..=self.a.len() {
            let (above, row) = self.lengths[(i - 1) * width..].split_at_mut(width);
            for j in 1..width {
                row[j] = if self.a[i - 1] == self.b[j - 1] {
                    above[j - 1] + 1
                } else {
                    above[j].max(row[j - 1])
                };
            }
        }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * (self.b.len() + 1) + j]
    }

    /// Visits the positions of one longest common subsequence in both strings, last first.
    fn walk_back(&self, mut see: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                (i, j) = (i - 1, j - 1);
                see(i, j);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

/// A run of the subsequence that is contiguous in both strings; ends are inclusive.
#[derive(Clone, Copy)]
struct Run {
    a: (usize, usize),
    b: (usize, usize),
}

fn write_matches(reply: &mut Reply, table: &Table<'_>, options: &Options, len: u32) {
    reply.map(2);
    reply.bulk(b"matches");
    let place = reply.defer();
    let mut runs = 0;
    let mut emit = |run: Run| {
        let bytes = (run.a.1 - run.a.0 + 1) as i64;
        if bytes < options.match_len_min {
            return;
        }
        runs += 1;
        reply.array(2 + options.with_match_len as usize);
        for (first, last) in [run.a, run.b] {
            reply.array(2);
            reply.int(first as i64);
            reply.int(last as i64);
        }
        if options.with_match_len {
            reply.int(bytes);
        }
    };
    let mut current: Option<Run> = None;
    table.walk_back(|i, j| match &mut current {
        Some(run) if run.a.0 == i + 1 && run.b.0 == j + 1 => {
            (run.a.0, run.b.0) = (i, j);
        }
        other => {
            let done = other.replace(Run {
                a: (i, i),
                b: (j, j),
            });
            done.into_iter().for_each(&mut emit);
        }
    });
    current.into_iter().for_each(&mut emit);
    reply.finish_array(place, runs);
    reply.bulk(b"len");
    reply.int(len as i64);
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn the_subsequence_its_length_and_its_places() {
        let mut t = Testbed::new();
        t.run("MSET a ohmytext b mynewtext");
        assert_eq!(t.run("LCS a b"), "$6\r\nmytext\r\n");
        assert_eq!(t.run("LCS a b LEN"), ":6\r\n");
        assert_eq!(
            t.run("LCS a b IDX"),
            "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n\
             *2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"
        );
        assert_eq!(
            t.run("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN"),
            "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n\
             $3\r\nlen\r\n:6\r\n"
        );
        assert_eq!(t.run("LCS a none"), "$0\r\n\r\n");
    }

    #[test]
    fn too_much_memory_is_refused() {
        let mut t = Testbed::new();
        t.run("MSET a 0123456789 b 0123456789");
        t.engine.server.config.proto_max_bulk_len = 483;
        assert_eq!(
            t.run("LCS a b"),
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"
        );
        t.engine.server.config.proto_max_bulk_len = 484;
        assert_eq!(t.run("LCS a b LEN"), ":10\r\n");
        assert_eq!(
            t.run("LCS a b LEN IDX"),
            "-ERR If you want both the length and indexes, please just use IDX.\r\n"
        );
        assert_eq!(t.run("LCS a b MINMATCHLEN"), "-ERR syntax error\r\n");
    }
}
