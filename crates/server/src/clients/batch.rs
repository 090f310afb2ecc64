//! Commands of one client, parsed ahead so that their keys are in the cache when they run.
//!
//! Up to [`COMMANDS_MAX`] commands (or [`KEYS_MAX`] keys) are parsed and hashed. Their directory
//! words and table lines are prefetched meanwhile, [`GROUP`] keys at a time; the entries of a group
//! are prefetched before the previous group runs (`execution::batch`). Commands run in sequence. A
//! prefetch is only a hint: any command may change the table, so handlers look up again.
//!
//! The loop has one `Batch`, whose memory all clients reuse; each client lends it the spans of an
//! unfinished command.

use std::ops::Range;

use russet_base::numbers::float::parse_double;
use russet_base::text::is_same;
use russet_command::keys::KeyRun;
use russet_command::table::{CommandTable, Row};
use russet_command::{ElementArgs, Flags};
use russet_keyspace::{DbIndex, KeyHash, Keyspace, SlotMemo};
use russet_resp::{Args, Bounds, Head, LargeArgs, ParseStep, Progress, Source, Span, step};
use russet_types::{Descent, InnerTable};
use smallvec::SmallVec;

/// Commands of a batch. Their prefetched lines, five or six per key, must stay in the first-level
/// cache beside the loop's own data until they run: with 32, a SET among a million keys costs a
/// fifth more, because its stores wait for lines that were evicted again.
pub(crate) const COMMANDS_MAX: usize = 16;
/// A batch takes no further command after this many keys; `COMMAND_KEYS_MAX` is per command.
pub(crate) const KEYS_MAX: usize = 16;
const COMMAND_KEYS_MAX: usize = 64;
/// Keys of which each stage is prefetched together.
pub(crate) const GROUP: usize = 4;
/// Elements sought within containers.
const SOUGHT_MAX: usize = 64;
/// Commands that a client may run in a turn.
pub(crate) const BUDGET: usize = 1024;
/// Argument spans whose memory is kept for the next command; more is freed.
const SPANS_KEPT: usize = 4096;
/// Bytes of input that the log shows when a client breaks the protocol.
pub(crate) const SHOWN_INPUT: usize = 128;
/// Reply bytes after which a client waits for its next turn, so that they are sent first.
pub(crate) const OUTPUT_BUDGET: usize = 256 * 1024;

#[derive(Clone, Copy)]
pub struct ParsedCommand {
    /// Where the command starts and ends in the buffer.
    pub start: usize,
    pub end: usize,
    pub(crate) first_span: usize,
    pub spans: usize,
    pub row: Option<usize>,
    pub(crate) first_hash: usize,
    pub hashes: usize,
}

/// The loop's reusable memory for a batch.
#[derive(Default)]
pub struct Batch {
    pub spans: Vec<Span>,
    /// Large arguments of the first command, if it began earlier.
    pub(crate) apart: Option<Box<LargeArgs>>,
    pub commands: Vec<ParsedCommand>,
    pub hashes: Vec<KeyHash>,
    /// The number of keys whose lines, and whose entries, are prefetched.
    with_lines: usize,
    with_entries: usize,
    sought: Vec<ElementLookup>,
}

/// The command before the command that is being parsed.
pub struct Neighbour<'t, H: 'static> {
    name: Span,
    head: Option<Head>,
    row: Option<&'t Row<H>>,
}

impl<H: 'static> Neighbour<'_, H> {
    /// Whether the command's name is `name`, in the same letters.
    #[inline]
    fn is_called(&self, buf: &[u8], name: &[u8]) -> bool {
        let Span { start, len } = self.name;
        let own = buf.get(start..start + len);
        own.is_some_and(|own| is_same(own, name))
    }
}

/// An element that a command seeks inside its first key's container.
#[derive(Clone, Copy)]
pub struct ElementLookup {
    key: Span,
    hash: KeyHash,
    name: Span,
    /// The element's new score, if the command gives a score.
    score: Option<Span>,
    order: Order,
}

/// A command's use of an element's place in the order of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Unused,
    Read,
    Changed,
}

/// The end of [`Batch::parse_requests`].
pub enum RequestsEnd {
    /// There are commands to run.
    Commands,
    /// The first command is incomplete; its next argument has this many bytes.
    Incomplete(usize),
    /// The first so many bytes are an empty line, or an array of no elements.
    Nothing(usize),
    /// Not in the form of requests.
    Error,
}

/// The state of the buffer after [`Engine::run_buffer`]: it decides what the caller keeps.
pub enum InputRemainder {
    /// All bytes are executed.
    Nothing,
    /// The command that starts at `start` is incomplete; parsed up to `pos`.
    Partial {
        start: usize,
        pos: usize,
        progress: Progress,
        first_span: usize,
    },
    /// The client is paused, and the first command, with arguments stored apart, did not run: it
    /// must be put before the input from `next` on.
    Postponed { next: usize },
    /// The client stopped (blocked, paused, budget used up): parse again from `start`.
    Stopped { start: usize },
    /// The server closes the client after its replies have been sent.
    Closed,
}

/// Hashes the keys of a command that may have several.
#[inline(never)]
fn hash_keys(
    hashes: &mut Vec<KeyHash>,
    keyspace: &Keyspace,
    keys: KeyRun,
    args: Args<'_>,
    db: DbIndex,
) {
    let (hasher, mut slots) = (keyspace.hasher(), SlotMemo::default());
    for (at, _) in keys.take(COMMAND_KEYS_MAX) {
        let key = hasher.hash_with(&mut slots, args.at(at));
        keyspace.prefetch_directory(db, key);
        hashes.push(key);
    }
}

/// Notes the elements that a command, with these spans, seeks within its key's container.
/// `writes`: it may change them.
#[inline(always)]
fn seek(
    sought: &mut Vec<ElementLookup>,
    within: ElementArgs,
    writes: bool,
    hash: KeyHash,
    spans: &[Span],
) {
    let (first, step) = match within {
        ElementArgs::One(at) | ElementArgs::Ranked(at) => (usize::from(at), usize::MAX),
        ElementArgs::Every { first, step } => (usize::from(first), usize::from(step)),
        ElementArgs::Scored { first } => (usize::from(first), 2),
    };
    let scored = matches!(within, ElementArgs::Scored { .. });
    let order = match within {
        _ if writes => Order::Changed,
        ElementArgs::Ranked(_) => Order::Read,
        _ => Order::Unused,
    };
    let key = spans[1];
    let one = |at: usize| ElementLookup {
        key,
        hash,
        name: spans[at],
        score: scored.then(|| spans[at - 1]),
        order,
    };
    if first.saturating_add(step) < spans.len() {
        seek_many(sought, (first..spans.len()).step_by(step).map(one));
    } else if first < spans.len() && sought.len() < SOUGHT_MAX {
        sought.push(one(first));
    }
}

#[inline(never)]
fn seek_many(sought: &mut Vec<ElementLookup>, all: impl Iterator<Item = ElementLookup>) {
    sought.extend(all.take(SOUGHT_MAX - sought.len()));
}

/// An element sought in a large container, with its hash there.
type Probe<'k, 's> = (InnerTable<'k>, u64, &'s ElementLookup);

/// Prefetches elements that commands seek inside large containers.
fn prefetch_within(keyspace: &Keyspace, db: DbIndex, sought: &[ElementLookup], source: Source<'_>) {
    let text = |span| source.text(span);
    let mut probes: SmallVec<[Probe<'_, '_>; SOUGHT_MAX]> = SmallVec::new();
    // Neighbours mostly seek in the same container, which is then looked up once.
    let mut container = None;
    for s in sought {
        let inner = match container {
            Some((hash, inner)) if hash == s.hash.hash() => inner,
            _ => keyspace.inner(db, s.hash, text(s.key)),
        };
        container = Some((s.hash.hash(), inner));
        if let Some(inner) = inner {
            let name = text(s.name);
            let hash = inner.hash(name);
            inner.prefetch(name, hash);
            probes.push((inner, hash, s));
        }
    }
    let mut are_ordered = false;
    for (inner, hash, s) in &probes {
        inner.prefetch_entries(*hash);
        are_ordered |= matches!(inner, InnerTable::Zset(_)) && s.order != Order::Unused;
    }
    if are_ordered {
        prefetch_places(&probes, source);
    }
}

/// Prefetches the places of elements in the orders of sorted sets, level by level.
#[inline(never)]
fn prefetch_places(probes: &[Probe<'_, '_>], source: Source<'_>) {
    let mut descents: SmallVec<[Descent<'_>; 2 * SOUGHT_MAX]> = SmallVec::new();
    for &(inner, hash, s) in probes {
        if s.order == Order::Unused {
            continue;
        }
        if let Some(descent) = inner.descent(hash, s.order == Order::Changed) {
            descents.push(descent);
        }
        if let Some(score) = s.score.and_then(|score| parse_double(source.text(score)))
            && let Some(descent) = inner.descent_to(score)
        {
            descents.push(descent);
        }
    }
    let mut goes_on = !descents.is_empty();
    while goes_on {
        goes_on = false;
        for descent in &mut descents {
            goes_on |= descent.step();
        }
    }
}

impl Batch {
    pub(crate) fn clear_commands(&mut self) {
        self.commands.clear();
        self.hashes.clear();
        (self.with_lines, self.with_entries) = (0, 0);
        self.sought.clear();
    }

    /// Prefetches the lines of the keys that were added last.
    #[inline(always)]
    fn prefetch_lines(&mut self, keyspace: &Keyspace, db: DbIndex) {
        keyspace.prefetch_lines(db, &self.hashes[self.with_lines..]);
        self.with_lines = self.hashes.len();
    }

    /// Prefetches the entries of the keys up to `end`.
    #[inline(always)]
    fn prefetch_entries(&mut self, keyspace: &Keyspace, db: DbIndex, end: usize) {
        keyspace.prefetch_entries(db, &self.hashes[self.with_entries..end]);
        self.with_entries = end;
    }

    /// Before command `i` runs: prefetches the entries of the commands a group after it. Each
    /// prefetch waits for the processor's table of pages: a few at once, beside other work, cost
    /// less than all before the first command.
    #[inline(always)]
    pub(crate) fn prefetch_next(&mut self, i: usize, keyspace: &Keyspace, db: DbIndex) {
        if i.is_multiple_of(GROUP) && self.with_entries < self.with_lines {
            let end = (i + 2 * GROUP).min(self.with_lines);
            self.prefetch_entries(keyspace, db, end);
        }
    }

    /// Parses and adds the request at `*pos`, if it is whole and begins like `last`, the previous
    /// command. `false`: nothing has changed.
    #[inline(always)]
    pub fn repeat<H: 'static>(
        &mut self,
        (keyspace, db): (&Keyspace, DbIndex),
        last: &Neighbour<'_, H>,
        buf: &[u8],
        pos: &mut usize,
        bounds: Bounds,
    ) -> bool {
        let Some(head) = last.head else {
            return false;
        };
        let (start, first_span) = (*pos, self.spans.len());
        if !head.parses(buf, pos, &mut self.spans, bounds) {
            return false;
        }
        self.add(keyspace, db, buf, (start..*pos, first_span), last.row);
        true
    }

    /// Adds the command parsed last, which is at `at` in `buf`: finds its row, hashes its keys.
    /// `last` is the command before it.
    #[inline(always)]
    pub fn file<'t, H: 'static>(
        &mut self,
        keyspace: &Keyspace,
        table: &'t CommandTable<H>,
        db: DbIndex,
        buf: &[u8],
        at: Range<usize>,
        last: &mut Option<Neighbour<'t, H>>,
    ) {
        let first_span = self.commands.last().map_or(0, |c| c.first_span + c.spans);
        let spans = &self.spans[first_span..];
        let name = Args::of(Source::new(buf, self.apart.as_deref()), spans).at(0);
        // Neighbours are mostly calls of the same command; otherwise heads cost more than they
        // save.
        let (row, head) = match last {
            Some(last) if last.is_called(buf, name) => (last.row, Head::of(buf, at.start, spans)),
            _ => (table.find(name), None),
        };
        *last = Some(Neighbour {
            name: spans[0],
            head,
            row,
        });
        self.add(keyspace, db, buf, (at, first_span), row);
    }

    /// Adds a command with its row; the command's spans are the last spans. Hashes its keys.
    #[inline(always)]
    fn add<H: 'static>(
        &mut self,
        keyspace: &Keyspace,
        db: DbIndex,
        buf: &[u8],
        (at, first_span): (Range<usize>, usize),
        row: Option<&Row<H>>,
    ) {
        let spans = &self.spans[first_span..];
        let args = Args::of(Source::new(buf, self.apart.as_deref()), spans);
        let first_hash = self.hashes.len();
        if let Some(row) = row {
            if let Some(at) = row.plan.only_key_at() {
                // Without a key the arity is wrong.
                if at < args.len() {
                    let key = keyspace.hasher().hash(args.at(at));
                    keyspace.prefetch_directory(db, key);
                    self.hashes.push(key);
                }
            } else if row.plan.has_keys() {
                hash_keys(
                    &mut self.hashes,
                    keyspace,
                    row.plan.fixed_keys(args),
                    args,
                    db,
                );
            }
            if let Some(within) = row.within
                && let Some(&hash) = self.hashes.get(first_hash)
            {
                let writes = row.spec.flags.contains(Flags::WRITE);
                seek(&mut self.sought, within, writes, hash, spans);
            }
        }
        self.commands.push(ParsedCommand {
            start: at.start,
            end: at.end,
            first_span,
            spans: spans.len(),
            row: row.map(|row| row.id),
            first_hash,
            hashes: self.hashes.len() - first_hash,
        });
        if self.hashes.len() - self.with_lines >= GROUP {
            self.prefetch_lines(keyspace, db);
        }
    }

    /// The lines of the rest of the keys, and the entries of the first `commands`.
    #[inline(always)]
    fn prefetch_rest(&mut self, keyspace: &Keyspace, db: DbIndex, commands: usize) {
        // A single key gains nothing: its lookup follows immediately.
        let keys = self.hashes.len();
        if keys > 1 {
            self.prefetch_lines(keyspace, db);
            let are_many = keys > self.commands.len();
            let end = if are_many { keys } else { keys.min(commands) };
            self.prefetch_entries(keyspace, db, end);
        }
    }

    /// Prefetches the memory that the first `commands` will read; [`Batch::prefetch_next`]
    /// prefetches the rest.
    #[inline]
    pub fn prefetch(&mut self, keyspace: &Keyspace, db: DbIndex, buf: &[u8], commands: usize) {
        let is_within = self.sought.len() > 1;
        // Elements within containers are found from the entries.
        let ahead = if is_within { COMMANDS_MAX } else { commands };
        self.prefetch_rest(keyspace, db, ahead);
        if is_within {
            let source = Source::new(buf, self.apart.as_deref());
            prefetch_within(keyspace, db, &self.sought, source);
        }
    }

    /// Parses consecutive requests in `buf`, which a server has written, up to the first that is
    /// none, and prefetches their keys. Returns why parsing ended.
    pub fn parse_requests<H: 'static>(
        &mut self,
        keyspace: &Keyspace,
        table: &CommandTable<H>,
        db: DbIndex,
        buf: &[u8],
    ) -> RequestsEnd {
        self.clear();
        self.clear_commands();
        let bounds = Bounds::of_servers(i64::MAX as u64);
        let (mut pos, mut last): (usize, Option<Neighbour<'_, H>>) = (0, None);
        let end = loop {
            let is_full = self.commands.len() >= COMMANDS_MAX || self.hashes.len() >= KEYS_MAX;
            if is_full || !self.commands.is_empty() && buf.get(pos) != Some(&b'*') {
                break RequestsEnd::Commands;
            }
            if let Some(last) = &last
                && self.repeat((keyspace, db), last, buf, &mut pos, bounds)
            {
                continue;
            }
            let (start, mut progress) = (pos, Progress::default());
            match step(buf, &mut pos, &mut self.spans, &mut progress, bounds) {
                ParseStep::Command => self.file(keyspace, table, db, buf, start..pos, &mut last),
                ParseStep::Incomplete if self.commands.is_empty() => {
                    break RequestsEnd::Incomplete(progress.expects().unwrap_or(0));
                }
                // The command is the first of the next batch.
                _ if !self.commands.is_empty() => break RequestsEnd::Commands,
                ParseStep::Nothing => break RequestsEnd::Nothing(pos),
                _ => break RequestsEnd::Error,
            }
        };
        self.prefetch(keyspace, db, buf, COMMANDS_MAX);
        end
    }

    /// Hashes the keys of the first request in `buf`, if it is whole, for [`Batch::prefetch_all`].
    /// It is parsed again when it runs.
    #[inline]
    pub(crate) fn hash_first_request<H: 'static>(
        &mut self,
        keyspace: &Keyspace,
        table: &CommandTable<H>,
        db: DbIndex,
        buf: &[u8],
    ) {
        if buf.first() != Some(&b'*') || self.hashes.len() >= KEYS_MAX {
            return;
        }
        self.clear();
        self.commands.clear();
        let bounds = Bounds::of_servers(i64::MAX as u64);
        let (mut pos, mut progress) = (0, Progress::default());
        let parsed = step(buf, &mut pos, &mut self.spans, &mut progress, bounds);
        if matches!(parsed, ParseStep::Command) {
            self.file(keyspace, table, db, buf, 0..pos, &mut None);
        }
    }

    /// Prefetches the keys that were looked at.
    pub(crate) fn prefetch_all(&mut self, keyspace: &Keyspace, db: DbIndex) {
        self.prefetch_rest(keyspace, db, COMMANDS_MAX);
        self.clear_commands();
    }

    /// The commands that [`Batch::parse_requests`] found in `buf`: row, arguments, key hashes, end
    /// offset.
    pub fn commands<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Iterator<Item = (Option<usize>, Args<'a>, &'a [KeyHash], usize)> {
        self.commands.iter().map(move |c| {
            let spans = &self.spans[c.first_span..][..c.spans];
            let hashes = &self.hashes[c.first_hash..][..c.hashes];
            (c.row, Args::new(buf, spans), hashes, c.end)
        })
    }

    /// The arguments of a command of the batch.
    #[inline]
    pub fn args<'a>(&'a self, command: ParsedCommand, buf: &'a [u8]) -> Args<'a> {
        let spans = &self.spans[command.first_span..][..command.spans];
        Args::of(Source::new(buf, self.apart.as_deref()), spans)
    }

    /// Takes over the argument spans of a command that began earlier; swapped, not copied: O(1).
    pub fn borrow(&mut self, spans: &mut Vec<Span>, apart: Option<Box<LargeArgs>>) {
        std::mem::swap(&mut self.spans, spans);
        self.apart = apart;
    }

    /// Returns the borrowed spans, with the spans parsed since, and the large arguments of a first
    /// command that did not run.
    pub fn give_back(&mut self, spans: &mut Vec<Span>) -> Option<Box<LargeArgs>> {
        std::mem::swap(&mut self.spans, spans);
        self.apart.take()
    }

    pub fn clear(&mut self) {
        self.spans.clear();
        self.apart = None;
    }

    /// The hash of the first key.
    pub(crate) fn first_key(&self) -> Option<KeyHash> {
        self.hashes.first().copied()
    }

    /// The number of arguments of the first command.
    pub fn first_len(&self) -> usize {
        self.commands.first().map_or(0, |c| c.spans)
    }

    /// Frees the memory that a command with very many arguments or keys has left.
    pub fn shrink(&mut self) {
        if self.spans.capacity() > SPANS_KEPT {
            self.spans.clear();
            self.spans.shrink_to(SPANS_KEPT);
        }
        if self.hashes.capacity() > SPANS_KEPT {
            self.hashes.clear();
            self.hashes.shrink_to(SPANS_KEPT);
        }
    }

    /// The spans of the incomplete command of a [`InputRemainder::Partial`].
    pub fn spans_from(&self, first: usize) -> &[Span] {
        &self.spans[first..]
    }
}
