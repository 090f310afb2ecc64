//! LCS: the longest common subsequence of two strings.
//!
//! The handler compares 64 pairs of bytes at a time ([`Table`]) and keeps a bit for each pair; a
//! walk back over the bits gives the subsequence. Of several longest subsequences the reply is the
//! one that Redis gives.
//!
//! Cost: O(n * m / 64) time and n * m / 8 bytes, in one turn; refused if Redis's table, four bytes
//! a pair, would exceed `proto-max-bulk-len`. A table that cannot be allocated is an error.

use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::TextBuffer;
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

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
struct LcsOptions {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

impl LcsOptions {
    fn parse(args: Args<'_>) -> Result<LcsOptions, CommandError> {
        let mut o = LcsOptions::default();
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
/// Reply: the subsequence as a bulk string; with LEN the length; with IDX a map of `matches`, pairs
/// of inclusive ranges from the last to the first, and `len`. A missing key is empty. O(n * m), 64
/// pairs of bytes at a time; a bit of memory per pair. Refused if Redis's table, at four bytes per
/// pair, would exceed `proto-max-bulk-len`.
fn lcs(call: &mut Call<'_>) -> CommandResult {
    let (key1, key2) = (call.args.at(1), call.args.at(2));
    // Both lookups count as reads, even if an option is wrong.
    call.db.exists(key1);
    call.db.exists(key2);
    let string = |key| {
        let text = call.db.peek_string(key);
        text.map_err(|_| CommandError::Text(NOT_STRINGS))
    };
    let (text1, text2) = (string(key1)?, string(key2)?);
    let options = LcsOptions::parse(call.args)?;
    let (mut buffer1, mut buffer2) = (TextBuffer::new(), TextBuffer::new());
    let a = text1.map_or(Ok(&b""[..]), |t| t.text(&mut buffer1))?;
    let b = text2.map_or(Ok(&b""[..]), |t| t.text(&mut buffer2))?;
    let table = Table::build(a, b, call.server.config.proto_max_bulk_len)?;
    let len = table.len();
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

/// Lengths of the common subsequences of all pairs of prefixes, as differences.
///
///     row i, bit j:  0 where length(i, j + 1) = length(i, j) + 1,  1 where they are equal
///
/// Along a row lengths rise by 0 or 1. A row follows from the row above in a few operations on
/// whole words: the addition carries a rise from its old position to the next equal pair (H. Hyyrö,
/// "Bit-parallel LCS-length computation revisited", 2004).
///
/// Invariant: bits after the end of `b` are ones.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    /// Words in a row.
    width: usize,
    /// `a.len() + 1` rows.
    flat: Vec<u64>,
}

impl<'a> Table<'a> {
    /// Builds the table for strings from clients; `max_bytes` limits the size of Redis's table.
    fn build(a: &'a [u8], b: &'a [u8], max_bytes: u64) -> Result<Table<'a>, CommandError> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(CommandError::Text(TOO_LONG));
        }
        let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
        if cells.checked_mul(4).is_none_or(|bytes| bytes > max_bytes) {
            return Err(CommandError::Text(OVER_LIMIT));
        }
        let width = b.len().div_ceil(64);
        let mut flat = Vec::new();
        flat.try_reserve_exact((a.len() + 1) * width)
            .map_err(|_| CommandError::Text(NO_MEMORY))?;
        flat.resize(width, u64::MAX);
        let mut table = Table { a, b, width, flat };
        table.fill();
        Ok(table)
    }

    fn fill(&mut self) {
        let places = Places::new(self.a, self.b, self.width);
        for (i, &byte) in self.a.iter().enumerate() {
            let above = i * self.width;
            let mut carry = false;
            for (w, &equal) in places.of(byte).iter().enumerate() {
                let flat = self.flat[above + w];
                let (sum, over) = flat.overflowing_add(flat & equal);
                let (sum, over_by_carry) = sum.overflowing_add(carry.into());
                carry = over | over_by_carry;
                self.flat.push(sum | flat & !equal);
            }
        }
    }

    /// The length of the strings' longest common subsequence.
    fn len(&self) -> u32 {
        let last = &self.flat[self.a.len() * self.width..];
        last.iter().map(|word| word.count_zeros()).sum()
    }

    /// Whether the first `i` bytes of `a` have a longer common subsequence with the first `j` bytes
    /// of `b` than with the first `j - 1`.
    fn rises(&self, i: usize, j: usize) -> bool {
        let word = self.flat[i * self.width + (j - 1) / 64];
        word >> ((j - 1) % 64) & 1 == 0
    }

    /// Visits the positions of a longest common subsequence in both strings, last first.
    fn walk_back(&self, mut see: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                (i, j) = (i - 1, j - 1);
                see(i, j);
            } else if self.rises(i, j) {
                // Dropping the last byte of `a` keeps the length; dropping that of `b` does not.
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

/// The positions of each byte of `a` in `b`: a row of bits per distinct byte.
struct Places {
    rows: [usize; 256],
    width: usize,
    bits: Vec<u64>,
}

impl Places {
    fn new(a: &[u8], b: &[u8], width: usize) -> Places {
        let mut rows = [usize::MAX; 256];
        let mut count = 0;
        for &byte in a {
            let row = &mut rows[usize::from(byte)];
            if *row == usize::MAX {
                *row = count;
                count += 1;
            }
        }
        let mut bits = vec![0; count * width];
        for (j, &byte) in b.iter().enumerate() {
            let row = rows[usize::from(byte)];
            if row != usize::MAX {
                bits[row * width + j / 64] |= 1 << (j % 64);
            }
        }
        Places { rows, width, bits }
    }

    /// The positions of a byte that occurs in `a`.
    fn of(&self, byte: u8) -> &[u64] {
        &self.bits[self.rows[usize::from(byte)] * self.width..][..self.width]
    }
}

/// A run of the subsequence that is contiguous in both strings; ends are inclusive.
#[derive(Clone, Copy)]
struct Run {
    a: (usize, usize),
    b: (usize, usize),
}

fn write_matches(reply: &mut Reply, table: &Table<'_>, options: &LcsOptions, len: u32) {
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
    use super::*;
    use crate::testbed::{AllCommands as _, Testbed};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The length by the recurrence and the path by comparing neighbours, cell by cell as in
    /// textbooks.
    fn cell_by_cell(a: &[u8], b: &[u8]) -> (u32, Vec<(usize, usize)>) {
        let mut lengths = vec![vec![0u32; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                lengths[i][j] = if a[i - 1] == b[j - 1] {
                    lengths[i - 1][j - 1] + 1
                } else {
                    lengths[i - 1][j].max(lengths[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut path) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                path.push((i, j));
            } else if lengths[i - 1][j] > lengths[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        (lengths[a.len()][b.len()], path)
    }

    proptest! {
        #[test]
        fn words_of_bits_give_the_same_as_cells(
            a in vec(b'a'..b'f', 0..200),
            b in vec(b'a'..b'g', 0..200),
        ) {
            let table = Table::build(&a, &b, u64::MAX).expect("room");
            let mut path = Vec::new();
            table.walk_back(|i, j| path.push((i, j)));
            prop_assert_eq!((table.len(), path), cell_by_cell(&a, &b));
        }
    }

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
