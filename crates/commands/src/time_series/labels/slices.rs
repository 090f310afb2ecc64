//! The series that satisfy conditions, in order, and the command's work on each.
//!
//! A client's command with long work runs in slices (`execution::slices`): after a slice the loop
//! serves other clients, and the command runs again and continues where it stopped. Meanwhile
//! series may change: the command reads each series at some time between the command's beginning
//! and end, and leaves out series that are gone by then, or have other labels. In a script and in
//! EXEC nothing changes meanwhile. The command copies a series that takes long by itself, and a
//! thread reads the copy.

use super::filters::DENIED;
use bytes::Bytes;
use russet_base::clock;
use russet_command::CommandError;
use russet_resp::{Args, OwnedArgs, Reply, message};
use russet_server::tasks::Task;
use russet_server::{Call, Slice};
use russet_timeseries::index::{Filter, Search};
use russet_timeseries::{Sample, Series};
use russet_types::TimeSeries;
use russet_types::vector_set::Progress;

/// Series that the client may not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Named,
    LeftOut,
    Refused,
}

/// The series that a command asks for.
#[derive(Clone, Copy)]
pub(crate) struct SeriesSelector<'a> {
    /// Without them all series.
    pub filters: Option<&'a [Filter]>,
    pub unreadable: Unreadable,
}

impl SeriesSelector<'_> {
    /// A finished search for the series, for work that is not divided. Some keys may have expired.
    pub(crate) fn search(self, call: &Call<'_>) -> Result<Search, CommandError> {
        let index = call.db.labels();
        let mut search = Search::new(index, self.filters);
        let filters = self.filters.unwrap_or_default();
        search.finish(index, filters, |key| self.admit(call, key))?;
        Ok(search)
    }

    /// Whether the client gets the series of a key.
    fn admit(self, call: &Call<'_>, key: &[u8]) -> Result<bool, CommandError> {
        match self.unreadable {
            Unreadable::Named => Ok(true),
            Unreadable::LeftOut => Ok(call.may_read_key(key)),
            // The series may have expired.
            Unreadable::Refused if !call.may_read_key(key) && call.db.peek_exists(key) => {
                Err(DENIED)
            }
            Unreadable::Refused => Ok(true),
        }
    }
}

/// A copy of a series for a thread, as the series was when the command came to it.
pub(crate) struct PendingSeries {
    pub key: Box<[u8]>,
    pub series: Series,
    pub extra: Option<Sample>,
}

/// A command's work: takes series, and keeps the results so far between slices.
pub(crate) trait Gather: Send + 'static {
    /// The words of the command.
    type Request<'a>;

    /// Takes a series.
    fn take(
        &mut self,
        call: &Call<'_>,
        asked: &Self::Request<'_>,
        series: (&[u8], &Series),
        out: &mut Parts,
    ) -> Result<(), CommandError>;

    /// A copy of the series, if it takes long to take, and then is to be taken by a thread.
    fn is_long(
        &self,
        _call: &Call<'_>,
        _asked: &Self::Request<'_>,
        _series: (&[u8], &Series),
    ) -> Option<PendingSeries> {
        None
    }

    /// Takes a series by a thread, of a command with these arguments and this name.
    fn take_pending(
        &mut self,
        _args: Args<'_>,
        _name: &str,
        _pending: &PendingSeries,
        _out: &mut Parts,
    ) -> Result<(), CommandError> {
        Ok(())
    }

    /// Writes a part after all series; `false`: there is none.
    fn write_next(&mut self, _asked: &Self::Request<'_>, _out: &mut Parts) -> bool {
        false
    }
}

/// The reply without its length.
pub(crate) struct Parts {
    /// The text of this slice, and the texts of the slices before. One text would be copied as it
    /// grows.
    pub reply: Reply,
    texts: Vec<Bytes>,
    /// Parts that are written.
    pub len: usize,
}

impl Parts {
    fn end_slice(&mut self) {
        if self.reply.pending_len() == 0 {
            return;
        }
        self.texts.push(message(self.reply.take_text()));
    }

    /// Writes the parts to the reply, after `begin` has written their number.
    pub(crate) fn reply(mut self, reply: &mut Reply, begin: impl FnOnce(&mut Reply, usize)) {
        begin(reply, self.len);
        self.end_slice();
        self.texts.into_iter().for_each(|text| reply.shared(text));
    }
}

/// See the module.
struct Slices<G> {
    search: Search,
    has_keys: bool,
    is_later: bool,
    gather: G,
    parts: Parts,
    /// For a thread: the series, the command's words and the command's name.
    pending: Option<(PendingSeries, OwnedArgs, &'static str)>,
    refused: Option<CommandError>,
}

impl<G: Gather> Task for Slices<G> {
    /// Takes the long series, because a thread without the keyspace can do nothing else.
    fn step(&mut self, _nanos: usize) -> Progress {
        if let Some((pending, args, name)) = self.pending.take() {
            let parts = &mut self.parts;
            let taken = self.gather.take_pending(args.args(), name, &pending, parts);
            self.refused = taken.err();
            self.parts.end_slice();
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        self.pending.is_some()
    }
}

/// Takes all series that are wanted. `None`: the client waits, and the command runs again.
pub(crate) fn in_slices<G: Gather>(
    call: &mut Call<'_>,
    asked: &G::Request<'_>,
    wanted: SeriesSelector<'_>,
    new: impl FnOnce(&Reply) -> G,
) -> Result<Option<Parts>, CommandError> {
    let began = clock::cycles();
    let mut slices = match call.server.tasks.take_task::<Slices<G>>() {
        Some(slices) => match slices.refused {
            Some(error) => return Err(error),
            None => *slices,
        },
        None => Slices::new(call, wanted, new),
    };
    loop {
        let waits = call.may_leave_loop();
        let uncounted = clock::cycles();
        let progress = match call.slice() {
            Some(slice) => slices.advance(call, asked, wanted, slice)?,
            None => Progress::More,
        };
        call.end_slice(uncounted);
        if progress == Progress::Done {
            return Ok(Some(slices.parts));
        }
        slices.parts.end_slice();
        slices.is_later = true;
        if slices.pending.is_some() {
            call.block_on_task(Box::new(slices));
            return Ok(None);
        }
        if waits {
            call.wait_for_turn(Box::new(slices), None);
            return Ok(None);
        }
        call.may_continue(began)?;
    }
}

impl<G: Gather> Slices<G> {
    fn new(
        call: &Call<'_>,
        wanted: SeriesSelector<'_>,
        new: impl FnOnce(&Reply) -> G,
    ) -> Slices<G> {
        let mut reply = Reply::new();
        reply.set_resp3(call.reply.resp3());
        reply.copy_pieces();
        Slices {
            search: Search::new(call.db.labels(), wanted.filters),
            has_keys: false,
            is_later: false,
            gather: new(&reply),
            parts: Parts {
                reply,
                texts: Vec::new(),
                len: 0,
            },
            pending: None,
            refused: None,
        }
    }

    /// Goes on until the slice is over.
    fn advance(
        &mut self,
        call: &Call<'_>,
        asked: &G::Request<'_>,
        wanted: SeriesSelector<'_>,
        slice: Slice,
    ) -> Result<Progress, CommandError> {
        let filters = wanted.filters.unwrap_or_default();
        while !self.has_keys {
            let admit = |key: &[u8]| wanted.admit(call, key);
            self.has_keys = !self.search.step(call.db.labels(), filters, admit)?;
            if slice.is_over() {
                return Ok(Progress::More);
            }
        }
        while self.take_next(call, asked, filters)?
            || self.gather.write_next(asked, &mut self.parts)
        {
            if self.pending.is_some() || slice.is_over() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    /// Takes the series of the next key; `false`: there is no key.
    fn take_next(
        &mut self,
        call: &Call<'_>,
        asked: &G::Request<'_>,
        filters: &[Filter],
    ) -> Result<bool, CommandError> {
        let Some(key) = self.search.next_key() else {
            return Ok(false);
        };
        let Ok(Some(series)) = call.db.peek::<TimeSeries>(key) else {
            return Ok(true);
        };
        let labels = series.labels();
        if !self.is_later || filters.iter().all(|filter| filter.admits(labels)) {
            let series: (&[u8], &Series) = (key, &series);
            let pending = if call.may_leave_loop() {
                self.gather.is_long(call, asked, series)
            } else {
                None
            };
            if let Some(pending) = pending {
                self.pending = Some((pending, call.args.to_owned(), call.name));
                return Ok(true);
            }
            self.gather.take(call, asked, series, &mut self.parts)?;
        }
        Ok(true)
    }
}
