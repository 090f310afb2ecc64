//! Directives whose value is more than one word, number or name.
//!
//! Each type reads its words, prints CONFIG GET's text and says which lines CONFIG
//! REWRITE writes. A value is left as it was when its words are refused.

use super::choices::Choice;
use super::refusal::ValueError;
use super::words::{self, Text};
use crate::base::{float, number};

/// How CONFIG REWRITE writes a directive.
pub enum Lines {
    /// Not at all: the default needs no line, and lines in the file go.
    None,
    /// These values, one line each; a forced line is added even when the file has none.
    Values(Vec<(Vec<u8>, bool)>),
}

/// A value with its own grammar.
pub trait Special: PartialEq + Sized {
    /// Takes the words after the directive's name. `append` says that earlier lines of the
    /// same file gave some already; only `save` adds to them, the others replace.
    fn read(&mut self, words: &[Text], append: bool) -> Result<(), ValueError>;

    /// What CONFIG GET answers.
    fn text(&self) -> Vec<u8>;

    /// One line, forced when the value is not the default.
    fn lines(&self, default: &Self) -> Lines {
        Lines::Values(vec![(self.text(), self != default)])
    }
}

/// `save`: pairs of seconds and changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

/// A snapshot is due `seconds` after the last one if there were `changes` since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: u64,
    /// May be zero.
    pub changes: u32,
}

impl Default for SavePoints {
    fn default() -> Self {
        let points = [(3600, 1), (300, 100), (60, 10_000)];
        SavePoints(
            points
                .map(|(seconds, changes)| SavePoint { seconds, changes })
                .to_vec(),
        )
    }
}

impl Special for SavePoints {
    fn read(&mut self, words: &[Text], append: bool) -> Result<(), ValueError> {
        let clears = words.len() == 1 && words[0].is_empty();
        let words = if clears { &[] } else { words };
        if !words.len().is_multiple_of(2) {
            return Err(ValueError::BadSavePoint);
        }
        let mut points = Vec::with_capacity(words.len() / 2);
        for pair in words.chunks_exact(2) {
            let seconds = words::parse_c_number(&pair[0], 10).filter(|&n| n >= 1);
            let changes = words::parse_c_number(&pair[1], 10);
            points.push(SavePoint {
                seconds: seconds.ok_or(ValueError::BadSavePoint)?.unsigned_abs(),
                changes: changes
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|&n| n <= i32::MAX as u32)
                    .ok_or(ValueError::BadSavePoint)?,
            });
        }
        if clears || !append {
            self.0.clear();
        }
        self.0.extend(points);
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let points: Vec<String> = self
            .0
            .iter()
            .map(|p| format!("{} {}", p.seconds, p.changes))
            .collect();
        points.join(" ").into_bytes()
    }

    /// Always written: without a line, the default points would come back.
    fn lines(&self, _: &Self) -> Lines {
        if self.0.is_empty() {
            return Lines::Values(vec![(b"\"\"".to_vec(), true)]);
        }
        let line = |p: &SavePoint| (format!("{} {}", p.seconds, p.changes).into_bytes(), true);
        Lines::Values(self.0.iter().map(line).collect())
    }
}

/// `client-output-buffer-limit`, one limit per kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Ordinary clients, MONITOR included. No limit by default.
    pub normal: OutputBufferLimit,
    /// Replicas; 256 MiB, or 64 MiB for 60 seconds.
    pub replica: OutputBufferLimit,
    /// Clients with a subscription; 32 MiB, or 8 MiB for 60 seconds.
    pub pubsub: OutputBufferLimit,
}

/// When a client that does not read its replies is closed. Zero bytes mean no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// Closed as soon as this much waits.
    pub hard_bytes: u64,
    /// Closed when this much has waited for `soft_seconds`.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

impl OutputBufferLimit {
    const fn new(hard_bytes: u64, soft_bytes: u64, soft_seconds: u64) -> Self {
        OutputBufferLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        }
    }
}

impl Default for OutputBufferLimits {
    fn default() -> Self {
        OutputBufferLimits {
            normal: OutputBufferLimit::new(0, 0, 0),
            replica: OutputBufferLimit::new(256 << 20, 64 << 20, 60),
            pubsub: OutputBufferLimit::new(32 << 20, 8 << 20, 60),
        }
    }
}

impl Special for OutputBufferLimits {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let mut limits = *self;
        if !words.len().is_multiple_of(4) {
            return Err(ValueError::BufferLimitCount);
        }
        for row in words.chunks_exact(4) {
            let limit = match row[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err(ValueError::BufferLimitClass),
            };
            let bytes = |word| words::parse_memory(word).ok_or(ValueError::BufferLimitNumber);
            let seconds = words::parse_c_number(&row[3], 10)
                .and_then(|n| u64::try_from(n).ok())
                .ok_or(ValueError::BufferLimitNumber);
            *limit = OutputBufferLimit::new(bytes(&row[1])?, bytes(&row[2])?, seconds?);
        }
        *self = limits;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let row = |name: &str, l: OutputBufferLimit| {
            format!(
                "{name} {} {} {}",
                l.hard_bytes, l.soft_bytes, l.soft_seconds
            )
        };
        // CONFIG GET still calls a replica by its old name; CONFIG REWRITE does not.
        let rows = [
            row("normal", self.normal),
            row("slave", self.replica),
            row("pubsub", self.pubsub),
        ];
        rows.join(" ").into_bytes()
    }

    fn lines(&self, default: &Self) -> Lines {
        let line = |name: &str, l: OutputBufferLimit, standard: OutputBufferLimit| {
            let (hard, soft) = (
                words::memory_text(l.hard_bytes),
                words::memory_text(l.soft_bytes),
            );
            (
                format!("{name} {hard} {soft} {}", l.soft_seconds).into_bytes(),
                l != standard,
            )
        };
        Lines::Values(vec![
            line("normal", self.normal, default.normal),
            line("replica", self.replica, default.replica),
            line("pubsub", self.pubsub, default.pubsub),
        ])
    }
}

/// `oom-score-adj-values`: the kernel's victim score as primary, replica, background child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScoreAdjValues(pub [i32; 3]);

impl Default for OomScoreAdjValues {
    fn default() -> Self {
        OomScoreAdjValues([0, 200, 800])
    }
}

impl Special for OomScoreAdjValues {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words: &[Text; 3] = words.try_into().map_err(|_| ValueError::ArgumentCount)?;
        let mut scores = [0; 3];
        for (score, word) in scores.iter_mut().zip(words) {
            *score = words::parse_c_number(word, 10)
                .and_then(|n| i32::try_from(n).ok())
                .filter(|n| (-2000..=2000).contains(n))
                .ok_or(ValueError::OomScore)?;
        }
        self.0 = scores;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let [primary, replica, child] = self.0;
        format!("{primary} {replica} {child}").into_bytes()
    }
}

/// `notify-keyspace-events`: which events are published, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(u32);

impl KeyspaceEvents {
    /// The letters of `A`, in the order in which they are printed, then those outside it.
    const CLASSES: &'static [u8] = b"g$lshzxetdn";
    const CHANNELS: &'static [u8] = b"KEm";
    /// Every class but `n` (and `m`), which a configuration has to name.
    const ALL: u32 = (1 << 10) - 1;

    /// Whether a class (`g`, `$`, `x`, ...) or a channel (`K`, `E`) is on.
    pub fn has(self, letter: u8) -> bool {
        Self::bit(letter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether anything is published at all.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    fn bit(letter: u8) -> Option<u32> {
        let at = Self::CLASSES
            .iter()
            .chain(Self::CHANNELS)
            .position(|&l| l == letter)?;
        Some(1 << at)
    }
}

impl Special for KeyspaceEvents {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [letters] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let mut bits = 0;
        for &letter in letters.iter() {
            bits |= match letter {
                b'A' => Self::ALL,
                _ => Self::bit(letter).ok_or(ValueError::EventClass)?,
            };
        }
        self.0 = bits;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        match self.0 & Self::ALL == Self::ALL {
            // Redis prints nothing for `n` beside `A`.
            true => text.push(b'A'),
            false => text.extend(Self::CLASSES.iter().filter(|&&l| self.has(l))),
        }
        text.extend(Self::CHANNELS.iter().filter(|&&l| self.has(l)));
        text
    }

    /// With `n` spelled out: the file must give back what was set.
    fn lines(&self, default: &Self) -> Lines {
        let mut letters = self.text();
        if self.has(b'n') && !letters.contains(&b'n') {
            letters.push(b'n');
        }
        let mut line = Vec::new();
        words::quote(&mut line, &letters);
        Lines::Values(vec![(line, self != default)])
    }
}

/// `bind`: addresses to listen on. `-` in front makes one optional, `*` means all of IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<Text>);

/// As many addresses as `bind` takes.
const BIND_ADDRESSES_MAX: usize = 16;

impl Default for BindAddresses {
    fn default() -> Self {
        BindAddresses(vec!["*".into(), "-::*".into()])
    }
}

impl Special for BindAddresses {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        if words.len() > BIND_ADDRESSES_MAX {
            return Err(ValueError::TooManyAddresses);
        }
        if words.iter().any(|word| word.contains(&0)) {
            return Err(ValueError::NulByte);
        }
        self.0 = match words {
            [only] if only.is_empty() => Vec::new(),
            _ => words.to_vec(),
        };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let addresses: Vec<&[u8]> = self.0.iter().map(|a| &**a).collect();
        addresses.join(&b' ')
    }

    fn lines(&self, default: &Self) -> Lines {
        if self == default {
            return Lines::None;
        }
        let plain = |a: &Text| !a.is_empty() && a.iter().all(|b| b.is_ascii_graphic());
        let line = match self
            .0
            .iter()
            .all(|a| plain(a) && !a.contains(&b'"') && !a.contains(&b'\''))
        {
            true if self.0.is_empty() => b"\"\"".to_vec(),
            true => self.text(),
            false => {
                let mut line = Vec::new();
                for address in &self.0 {
                    words::quote(&mut line, address);
                    line.push(b' ');
                }
                line.pop();
                line
            }
        };
        Lines::Values(vec![(line, true)])
    }
}

/// `replicaof`: the primary to copy, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOf(pub Option<(Text, u16)>);

impl Special for ReplicaOf {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [host, port] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            self.0 = None;
            return Ok(());
        }
        if host.contains(&0) {
            return Err(ValueError::NulByte);
        }
        let port = words::parse_c_number(port, 10).and_then(|n| u16::try_from(n).ok());
        self.0 = Some((host.clone(), port.ok_or(ValueError::BadPrimaryPort)?));
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        match &self.0 {
            Some((host, port)) => [host, format!(" {port}").as_bytes()].concat(),
            None => Vec::new(),
        }
    }

    fn lines(&self, _: &Self) -> Lines {
        let Some((host, port)) = &self.0 else {
            return Lines::None;
        };
        let mut line = Vec::new();
        match host
            .iter()
            .all(|&b| b.is_ascii_graphic() && b != b'"' && b != b'\'')
        {
            true if !host.is_empty() => line.extend_from_slice(host),
            _ => words::quote(&mut line, host),
        }
        line.extend_from_slice(format!(" {port}").as_bytes());
        Lines::Values(vec![(line, true)])
    }
}

/// `latency-tracking-info-percentiles`: what INFO latencystats prints of each command.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Percentiles(vec![50.0, 99.0, 99.9])
    }
}

impl Special for Percentiles {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words = if words.len() == 1 && words[0].is_empty() {
            &[]
        } else {
            words
        };
        let mut percentiles = Vec::with_capacity(words.len());
        for word in words {
            let percentile = float::parse_double(word).ok_or(ValueError::NotAPercentile)?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err(ValueError::PercentileOutOfRange);
            }
            percentiles.push(percentile);
        }
        self.0 = percentiles;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let texts: Vec<String> = self.0.iter().map(|&p| percentile_text(p)).collect();
        texts.join(" ").into_bytes()
    }

    /// Always written: without a line, the default percentiles would come back.
    fn lines(&self, _: &Self) -> Lines {
        let text = if self.0.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.text()
        };
        Lines::Values(vec![(text, true)])
    }
}

/// A percentile with at most six decimals, as INFO prints it too.
pub fn percentile_text(percentile: f64) -> String {
    let text = format!("{percentile:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `maxmemory-clients`: bytes, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// Zero means no limit.
    Bytes(u64),
    /// 1 to 100.
    Percent(u8),
}

impl MemoryOrPercent {
    /// The limit in bytes, given `maxmemory`. Zero means no limit.
    pub fn of(self, maxmemory: u64) -> u64 {
        match self {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => {
                (u128::from(maxmemory) * u128::from(percent) / 100) as u64
            }
        }
    }
}

impl Special for MemoryOrPercent {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if let Some(bytes) = words::parse_memory(word) {
            if bytes > i64::MAX as u64 {
                let (min, max) = ("-100".to_owned(), i64::MAX.to_string());
                return Err(ValueError::OutOfRange { min, max });
            }
            *self = MemoryOrPercent::Bytes(bytes);
            return Ok(());
        }
        let percent = word
            .strip_suffix(b"%")
            .and_then(number::parse_i64)
            .filter(|&n| n >= 0);
        *self = match percent.ok_or(ValueError::NotMemoryOrPercent)? {
            0 => MemoryOrPercent::Bytes(0),
            percent @ 1..=100 => MemoryOrPercent::Percent(percent as u8),
            _ => return Err(ValueError::PercentTooLarge),
        };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        match self {
            MemoryOrPercent::Bytes(bytes) => bytes.to_string().into_bytes(),
            MemoryOrPercent::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn lines(&self, default: &Self) -> Lines {
        let line = match self {
            MemoryOrPercent::Bytes(bytes) => words::memory_text(*bytes).into_bytes(),
            MemoryOrPercent::Percent(_) => self.text(),
        };
        Lines::Values(vec![(line, self != default)])
    }
}

/// `shutdown-on-sigint`, `shutdown-on-sigterm`: the SHUTDOWN options a signal stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go on when saving fails.
    pub force: bool,
}

/// One SHUTDOWN option, as a signal's directive names it.
#[derive(Clone, Copy, PartialEq)]
enum ShutdownWord {
    Default,
    Save,
    Nosave,
    Now,
    Force,
}

impl Choice for ShutdownWord {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("default", ShutdownWord::Default),
        ("save", ShutdownWord::Save),
        ("nosave", ShutdownWord::Nosave),
        ("now", ShutdownWord::Now),
        ("force", ShutdownWord::Force),
    ];
}

impl Special for ShutdownFlags {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let refused = || ValueError::NotOneOf(ShutdownWord::Default.listed());
        if words.is_empty() {
            return Err(refused());
        }
        let mut flags = ShutdownFlags::default();
        for word in words {
            match ShutdownWord::parse(word).ok_or_else(refused)? {
                ShutdownWord::Default => {}
                ShutdownWord::Save => flags.save = true,
                ShutdownWord::Nosave => flags.nosave = true,
                ShutdownWord::Now => flags.now = true,
                ShutdownWord::Force => flags.force = true,
            }
        }
        if flags.save && flags.nosave {
            return Err(ValueError::SaveAndNosave);
        }
        *self = flags;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let words = [
            (self.save, "save"),
            (self.nosave, "nosave"),
            (self.now, "now"),
            (self.force, "force"),
        ];
        let set: Vec<&str> = words
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| *word)
            .collect();
        match set.is_empty() {
            true => b"default".to_vec(),
            false => set.join(" ").into_bytes(),
        }
    }
}

/// `dir`: the working directory. Absolute once a configuration was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir(pub Text);

impl Default for Dir {
    fn default() -> Self {
        Dir("./".into())
    }
}

impl Special for Dir {
    /// Resolves against the present `dir`, as a `chdir` would; the caller moves the process.
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if word.contains(&0) {
            return Err(ValueError::NulByte);
        }
        let target = match word.is_empty() {
            // `chdir("")` fails, but joining an empty path would not.
            true => Err(std::io::Error::from_raw_os_error(libc::ENOENT)),
            false => self.0.path().join(word.path()).canonicalize(),
        };
        let target = target.map_err(|error| ValueError::system(&error))?;
        if !target.is_dir() {
            let error = std::io::Error::from_raw_os_error(libc::ENOTDIR);
            return Err(ValueError::system(&error));
        }
        self.0 = target.as_path().into();
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Always written: the file may be read from another working directory.
    fn lines(&self, _: &Self) -> Lines {
        let mut line = Vec::new();
        words::quote(&mut line, &self.0);
        Lines::Values(vec![(line, true)])
    }
}
