//! Input bytes: a window over a file, a complete payload, or bytes that are fed piece by piece.
//!
//!     | read | window: at .. end | not read yet |
//!
//! No announced length is trusted: memory is allocated only for bytes that have arrived, and a
//! count of elements is limited by the bytes that can follow. The checksum is updated in large
//! pieces, as bytes leave the window.
//!
//! A fed input ([`Input::of_feed`]) never waits: reading beyond the bytes fed so far fails with
//! [`Fault::Starved`], and the reader then returns to the beginning of the current item
//! ([`Input::rewind`]). So the window keeps an item until the next item begins, and the checksum
//! never covers a part of an item. Cost of feeding: O(bytes), amortised.

use std::io::{self, Read};
use std::ops::Range;

use super::fault::Fault;
use super::format::length;
use russet_base::hashing::crc64;
use russet_base::lzf;

/// Size of a file's window.
const WINDOW_BYTES: usize = 1 << 20;
/// Longer strings are read outside the window, in steps that double up to this.
const STEP_BYTES_MAX: usize = 64 << 20;
/// Capacity that the window of a fed input keeps, whatever it contains.
const FEED_BYTES_KEPT: usize = 4 << 20;
/// The checksum of a fed input is updated for as many bytes at a time.
const SUM_BYTES: usize = 64 << 10;

/// A string as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// A number in an integer encoding.
    Int(i64),
    /// The bytes of the text, unpacked.
    Bytes(&'a [u8]),
}

impl<'a> Text<'a> {
    /// The text itself; an integer is written into `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Text::Int(n) => digits.format(n).as_bytes(),
            Text::Bytes(bytes) => bytes,
        }
    }
}

/// A length, or the special encoding of a string.
enum Prefix {
    Length(u64),
    Encoded(u8),
}

enum Source<'a> {
    All(&'a [u8]),
    Window { window: Vec<u8>, origin: Origin<'a> },
}

/// How bytes come into the window.
enum Origin<'a> {
    /// They are read. The window has a fixed size.
    Reader(Box<dyn Read + 'a>),
    /// They are fed. The window grows: it has the whole current item.
    Feed,
}

/// See the module.
pub struct Input<'a> {
    source: Source<'a>,
    /// The window's content: `at..end` is not read yet.
    at: usize,
    end: usize,
    /// Offset of the window's first byte.
    base: u64,
    /// Total number of bytes, if known.
    total: u64,
    crc: Option<u64>,
    /// Start of the bytes in the window that are not in the checksum yet.
    crc_from: usize,
    /// Start of the current item in the window of a fed input.
    item: usize,
    /// Strings that are not in the window in plain form, and LZF data to decompress.
    text: Vec<u8>,
    packed: Vec<u8>,
}

impl<'a> Input<'a> {
    /// A complete payload.
    pub fn of_bytes(bytes: &'a [u8]) -> Input<'a> {
        Input {
            end: bytes.len(),
            total: bytes.len() as u64,
            ..Input::of(Source::All(bytes))
        }
    }

    /// The first bytes of a payload that has `total` bytes; reading beyond them fails with
    /// [`Fault::Starved`].
    pub(super) fn of_beginning(bytes: &'a [u8], total: u64) -> Input<'a> {
        Input {
            total,
            ..Input::of_bytes(bytes)
        }
    }

    /// The bytes of a reader; `total` bytes, if known.
    pub(crate) fn of_reader(reader: Box<dyn Read + 'a>, total: Option<u64>) -> Input<'a> {
        Input {
            total: total.unwrap_or(u64::MAX),
            ..Input::of(Source::Window {
                window: vec![0; WINDOW_BYTES],
                origin: Origin::Reader(reader),
            })
        }
    }

    /// Bytes that [`Input::feed`] appends; `total` bytes, if known.
    pub fn of_feed(total: Option<u64>) -> Input<'a> {
        Input {
            total: total.unwrap_or(u64::MAX),
            ..Input::of(Source::Window {
                window: Vec::new(),
                origin: Origin::Feed,
            })
        }
    }

    fn of(source: Source<'a>) -> Input<'a> {
        Input {
            source,
            at: 0,
            end: 0,
            base: 0,
            total: 0,
            crc: None,
            crc_from: 0,
            item: 0,
            text: Vec::new(),
            packed: Vec::new(),
        }
    }

    // --- feeding ---

    fn is_fed(&self) -> bool {
        let origin = match &self.source {
            Source::All(_) => return false,
            Source::Window { origin, .. } => origin,
        };
        matches!(origin, Origin::Feed)
    }

    /// Appends bytes to a fed input. Only between two items. Amortised O(bytes).
    pub fn feed(&mut self, bytes: &[u8]) {
        assert!(self.is_fed());
        self.begin_item();
        // The move costs no more than the bytes it drops have cost.
        if self.at >= self.end - self.at {
            self.drop_read();
        }
        let Source::Window { window, .. } = &mut self.source else {
            unreachable!("a fed input has a window");
        };
        window.extend_from_slice(bytes);
        self.end = window.len();
    }

    /// Removes the bytes that have been read from the window of a fed input.
    fn drop_read(&mut self) {
        self.sum_up();
        let Source::Window { window, .. } = &mut self.source else {
            return;
        };
        window.drain(..self.at);
        if window.capacity() > FEED_BYTES_KEPT.max(4 * window.len()) {
            window.shrink_to(FEED_BYTES_KEPT);
        }
        self.base += self.at as u64;
        self.end = window.len();
        (self.at, self.crc_from, self.item) = (0, 0, 0);
    }

    /// An item begins here: a fed input is rewound to this place.
    #[inline]
    pub(crate) fn begin_item(&mut self) {
        self.item = self.at;
        if self.at - self.crc_from >= SUM_BYTES && self.is_fed() {
            self.sum_up();
        }
    }

    /// Returns to the beginning of the current item of a fed input.
    pub fn rewind(&mut self) {
        assert!(self.is_fed());
        self.at = self.item;
    }

    /// The bytes that are there and not read yet.
    pub fn rest(&self) -> &[u8] {
        &self.window()[self.at..self.end]
    }

    /// Takes the bytes that are there and not read yet.
    #[cfg(any(test, feature = "testing"))]
    #[allow(dead_code, reason = "for tests and the fuzz targets")]
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.rest().to_vec();
        self.at = self.end;
        rest
    }

    // --- reading ---

    /// Computes a checksum of everything from here on.
    pub(crate) fn begin_checksum(&mut self) {
        self.crc = Some(0);
        self.crc_from = self.at;
    }

    /// The checksum of the bytes read since; `None`: none was requested.
    pub fn checksum(&mut self) -> Option<u64> {
        self.sum_up();
        self.crc
    }

    fn sum_up(&mut self) {
        if let Some(crc) = &mut self.crc {
            let window = match &self.source {
                Source::All(bytes) => bytes,
                Source::Window { window, .. } => &window[..],
            };
            *crc = crc64::update(*crc, &window[self.crc_from..self.at]);
        }
        self.crc_from = self.at;
    }

    /// Bytes read.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Most bytes that can follow.
    pub fn left(&self) -> u64 {
        self.total.saturating_sub(self.offset())
    }

    #[inline]
    fn window(&self) -> &[u8] {
        match &self.source {
            Source::All(bytes) => bytes,
            Source::Window { window, .. } => window,
        }
    }

    /// Reads until `n` bytes are in the window, which has room for them.
    #[cold]
    fn fill(&mut self, n: usize) -> Result<(), Fault> {
        let Source::Window {
            origin: Origin::Reader(_),
            ..
        } = &self.source
        else {
            return Err(self.shortage(n as u64));
        };
        self.sum_up();
        let Source::Window {
            window,
            origin: Origin::Reader(reader),
        } = &mut self.source
        else {
            unreachable!("it was there");
        };
        window.copy_within(self.at..self.end, 0);
        self.base += self.at as u64;
        self.end -= self.at;
        (self.at, self.crc_from) = (0, 0);
        while self.end < n {
            self.end += match reader.read(&mut window[self.end..]) {
                Ok(0) => return Err(Fault::Truncated),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(())
    }

    /// The fault if `n` bytes are not there and no more are read.
    fn shortage(&self, n: u64) -> Fault {
        if n > self.left() {
            Fault::Truncated
        } else {
            Fault::Starved(n - (self.end - self.at) as u64)
        }
    }

    /// Fails unless `n` bytes can be read next: up to a window's size.
    pub fn require(&mut self, n: usize) -> Result<(), Fault> {
        if self.end - self.at < n {
            self.fill(n)
        } else {
            Ok(())
        }
    }

    /// The range of the next `n` bytes in the window.
    #[inline]
    fn range(&mut self, n: usize) -> Result<Range<usize>, Fault> {
        if self.end - self.at < n {
            self.fill(n)?;
        }
        let range = self.at..self.at + n;
        self.at += n;
        Ok(range)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let range = self.range(N)?;
        Ok(self.window()[range].try_into().expect("so many bytes"))
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    /// Eight bytes, least significant first: milliseconds, of time or duration.
    pub(crate) fn millis(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_le_bytes)
    }

    /// Eight bytes, least significant first, as a binary64.
    pub(crate) fn double(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }

    #[inline]
    fn prefix(&mut self) -> Result<Prefix, Fault> {
        let first = self.byte()?;
        let low = first & 0x3F;
        Ok(match first >> 6 {
            length::BITS_6 => Prefix::Length(u64::from(low)),
            length::BITS_14 => Prefix::Length(u64::from(low) << 8 | u64::from(self.byte()?)),
            length::WIDE => match first {
                length::BITS_32 => Prefix::Length(u64::from(u32::from_be_bytes(self.array()?))),
                length::BITS_64 => Prefix::Length(u64::from_be_bytes(self.array()?)),
                _ => return Err(Fault::Length),
            },
            _ => Prefix::Encoded(low),
        })
    }

    /// A number.
    #[inline]
    pub fn length(&mut self) -> Result<u64, Fault> {
        match self.prefix()? {
            Prefix::Length(n) => Ok(n),
            Prefix::Encoded(_) => Err(Fault::Length),
        }
    }

    /// The number of elements that follow, each of at least `bytes` bytes. In a fed input, that
    /// many bytes have arrived.
    pub fn count(&mut self, bytes: u64) -> Result<usize, Fault> {
        let n = self.length()?;
        let all = n.checked_mul(bytes).filter(|all| *all <= self.left());
        let all = all.ok_or(Fault::Announced(n))?;
        if all > (self.end - self.at) as u64 && self.is_fed() {
            return Err(self.shortage(all));
        }
        usize::try_from(n).map_err(|_| Fault::Announced(n))
    }

    /// A string, valid until the next string is read.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'_>, Fault> {
        match self.prefix()? {
            Prefix::Length(n) => {
                let range = self.raw(n)?;
                Ok(Text::Bytes(match range {
                    Some(range) => &self.window()[range],
                    None => &self.text,
                }))
            }
            Prefix::Encoded(length::INT_8) => {
                Ok(Text::Int(i64::from(i8::from_le_bytes(self.array()?))))
            }
            Prefix::Encoded(length::INT_16) => {
                Ok(Text::Int(i64::from(i16::from_le_bytes(self.array()?))))
            }
            Prefix::Encoded(length::INT_32) => {
                Ok(Text::Int(i64::from(i32::from_le_bytes(self.array()?))))
            }
            Prefix::Encoded(length::LZF) => {
                self.unpack()?;
                Ok(Text::Bytes(&self.text))
            }
            Prefix::Encoded(_) => Err(Fault::Encoding),
        }
    }

    /// A string that is not an integer: the bytes of a packed form.
    pub fn blob(&mut self) -> Result<&[u8], Fault> {
        match self.string()? {
            Text::Bytes(bytes) => Ok(bytes),
            Text::Int(_) => Err(Fault::Encoding),
        }
    }

    /// Replaces the content of `out` by a string.
    #[inline]
    pub(crate) fn string_to(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        out.extend_from_slice(self.string()?.bytes(&mut itoa::Buffer::new()));
        Ok(())
    }

    /// The next `n` bytes: in the window, or (`None`) in `text`.
    #[inline]
    fn raw(&mut self, n: u64) -> Result<Option<Range<usize>>, Fault> {
        if n > self.left() {
            return Err(Fault::Truncated);
        }
        let n = n as usize;
        let fits = match &self.source {
            Source::All(_) => true,
            Source::Window {
                origin: Origin::Feed,
                ..
            } => true,
            Source::Window { window, .. } => n <= window.len(),
        };
        if fits {
            return self.range(n).map(Some);
        }
        let mut text = std::mem::take(&mut self.text);
        let done = self.gather(n, &mut text);
        self.text = text;
        done.map(|()| None)
    }

    /// Passes over `n` bytes. They must be there, unless there is a reader.
    pub fn skip(&mut self, n: u64) -> Result<(), Fault> {
        if n > (self.end - self.at) as u64 {
            return self.skip_unread(n);
        }
        self.at += n as usize;
        Ok(())
    }

    /// As [`Input::skip`], if not all bytes are in the window.
    #[cold]
    fn skip_unread(&mut self, mut n: u64) -> Result<(), Fault> {
        let is_read = matches!(
            &self.source,
            Source::Window {
                origin: Origin::Reader(_),
                ..
            }
        );
        if !is_read || n > self.left() {
            return Err(self.shortage(n));
        }
        loop {
            let here = n.min((self.end - self.at) as u64);
            self.at += here as usize;
            n -= here;
            if n == 0 {
                return Ok(());
            }
            self.fill(1)?;
        }
    }

    /// Passes over a string. It must be there, unless there is a reader.
    pub fn skip_string(&mut self) -> Result<(), Fault> {
        let bytes = match self.prefix()? {
            Prefix::Length(n) => n,
            Prefix::Encoded(length::INT_8) => 1,
            Prefix::Encoded(length::INT_16) => 2,
            Prefix::Encoded(length::INT_32) => 4,
            Prefix::Encoded(length::LZF) => {
                let packed_len = self.length()?;
                self.length()?;
                packed_len
            }
            Prefix::Encoded(_) => return Err(Fault::Encoding),
        };
        self.skip(bytes)
    }

    /// Reads `n` bytes into `out`, which grows as they arrive.
    fn gather(&mut self, n: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        while out.len() < n {
            let here = self.end - self.at;
            if here == 0 {
                self.fill(1)?;
                continue;
            }
            if out.len() == out.capacity() {
                out.reserve_exact(
                    (n - out.len()).min(out.len().clamp(WINDOW_BYTES, STEP_BYTES_MAX)),
                );
            }
            let range = self.range(here.min(n - out.len()))?;
            out.extend_from_slice(&self.window()[range]);
        }
        Ok(())
    }

    fn unpack(&mut self) -> Result<(), Fault> {
        let (packed_len, len) = (self.length()?, self.length()?);
        let len = usize::try_from(len).map_err(|_| Fault::Announced(len))?;
        let range = self.raw(packed_len)?;
        let mut text = std::mem::take(&mut self.text);
        if range.is_none() {
            std::mem::swap(&mut text, &mut self.packed);
        }
        text.clear();
        let data = match range {
            Some(range) => &self.window()[range],
            None => &self.packed,
        };
        let done = lzf::decompress(data, len, &mut text);
        self.text = text;
        Ok(done?)
    }

    /// Releases the memory of large strings.
    pub fn trim(&mut self) {
        for buffer in [&mut self.text, &mut self.packed] {
            if buffer.capacity() > WINDOW_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns few bytes at a time.
    struct SlowReader<'a>(&'a [u8], usize);

    impl Read for SlowReader<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(to.len());
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn plain(text: &[u8]) -> Vec<u8> {
        let mut out = vec![length::BITS_32];
        out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        out.extend_from_slice(text);
        out
    }

    #[test]
    fn strings_are_read_in_whatever_pieces_they_come() {
        let lengths = [
            0,
            1,
            70,
            20_000,
            WINDOW_BYTES - 1,
            WINDOW_BYTES,
            3 * WINDOW_BYTES + 7,
        ];
        let texts = lengths.map(|n| (0..n).map(|i| (i * 31 % 251) as u8).collect::<Vec<u8>>());
        let mut all: Vec<u8> = texts.iter().flat_map(|text| plain(text)).collect();
        all.extend_from_slice(&[0xC0, 0x80, 0xC1, 0x2C, 1, 0xC2, 0x90, 0xEE, 0xFE, 0xFF]);
        all.extend_from_slice(b"\xC3\x09\x40\x64\x01aa\xe0\x57\0\x01aa");
        let crc = crc64::update(0, &all);
        for step in [1 << 10, 70_001, 9 << 20] {
            let slow = SlowReader(&all, step);
            let total = Some(all.len() as u64);
            let inputs = [
                Input::of_bytes(&all),
                Input::of_reader(Box::new(slow), total),
                Input::of_reader(Box::new(SlowReader(&all, step)), None),
            ];
            for mut input in inputs {
                input.begin_checksum();
                for text in &texts {
                    let got = input.string().expect("a string");
                    assert!(got == Text::Bytes(text), "{}", text.len());
                }
                for n in [-128, 300, -70_000] {
                    assert_eq!(input.string().expect("a string"), Text::Int(n));
                }
                let packed = input.string().expect("a string");
                assert_eq!(packed, Text::Bytes(&[b'a'; 100]));
                assert_eq!(input.checksum(), Some(crc));
                assert!(matches!(input.byte(), Err(Fault::Truncated)));
            }
        }
    }

    /// Reads a value of a fed input, fed in steps of these sizes; returns how often it starved.
    fn fed<R>(
        input: &mut Input<'_>,
        rest: &mut &[u8],
        step: usize,
        mut read: impl FnMut(&mut Input<'_>) -> Result<R, Fault>,
    ) -> (R, u32) {
        let mut starved = 0;
        input.begin_item();
        loop {
            match read(input) {
                Ok(value) => return (value, starved),
                Err(Fault::Starved(missing)) => {
                    assert!(missing > 0 && missing <= rest.len() as u64);
                    starved += 1;
                    input.rewind();
                    let (now, later) = rest.split_at(step.min(rest.len()));
                    input.feed(now);
                    *rest = later;
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    #[test]
    fn a_fed_input_starves_rewinds_and_sums_each_byte_once() {
        let lengths = [0, 1, 70, 20_000, WINDOW_BYTES + 5, 3, 200_000, 9];
        let texts = lengths.map(|n| (0..n).map(|i| (i * 37 % 249) as u8).collect::<Vec<u8>>());
        let all: Vec<u8> = texts.iter().flat_map(|text| plain(text)).collect();
        let crc = crc64::update(0, &all);
        let behind = [&all[..], b"behind"].concat();
        for (step, total) in [(1, None), (999, Some(behind.len() as u64)), (300_000, None)] {
            let mut input = Input::of_feed(total);
            input.begin_checksum();
            let mut rest = &behind[..];
            for text in texts.iter().filter(|text| step > 1 || text.len() < 100) {
                let mut got = Vec::new();
                let (_, starved) = fed(&mut input, &mut rest, step, |input| {
                    input.string_to(&mut got)
                });
                assert!(got == *text, "{}", text.len());
                assert!(starved as usize <= text.len() / step + 6);
                if step == 1 && text.len() == 70 {
                    break;
                }
            }
            if step == 1 {
                let sum = crc64::update(0, &all[..3 * 5 + 71]);
                assert_eq!(input.checksum(), Some(sum));
                continue;
            }
            assert_eq!(input.checksum(), Some(crc));
            assert_eq!(input.offset(), all.len() as u64);
            input.feed(rest);
            assert_eq!(input.take_rest(), b"behind");
            assert_eq!(input.rest(), b"");
        }
    }

    #[test]
    fn a_fed_input_believes_no_length_and_knows_its_end() {
        let announced = [0x80, 0x10, 0, 0, 0, b'x'];
        let mut input = Input::of_feed(None);
        input.feed(&announced);
        let Err(Fault::Starved(missing)) = input.string() else {
            panic!("not all has arrived");
        };
        assert_eq!(missing, 0x1000_0000 - 1);
        input.rewind();
        let Err(Fault::Starved(missing)) = input.count(10) else {
            panic!("elements have not arrived");
        };
        assert_eq!(missing, 0xA000_0000 - 1);
        let mut input = Input::of_feed(Some(100));
        input.feed(&announced);
        assert!(matches!(input.string(), Err(Fault::Truncated)));
        input.rewind();
        assert!(matches!(input.count(10), Err(Fault::Announced(_))));
    }

    #[test]
    fn announced_lengths_are_not_believed() {
        for bytes in [
            &[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..],
            &[0x80, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2],
            &[0xC3, 0x80, 0xFF, 0, 0, 0, 5, 0],
            &[
                0xC3, 2, 0x81, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1,
            ],
            &[0xC3, 2, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1],
            &[0x82, 0, 0],
            &[0xC4],
        ] {
            assert!(Input::of_bytes(bytes).string().is_err(), "{bytes:x?}");
            assert!(Input::of_bytes(bytes).count(1).is_err(), "{bytes:x?}");
            let mut unbounded = Input::of_reader(Box::new(bytes), None);
            assert!(unbounded.string().is_err(), "{bytes:x?}");
        }
    }
}
