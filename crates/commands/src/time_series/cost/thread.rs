//! A thread reads ranges that take long, off the loop.
//!
//!     RANGE -> the chunks of the range, copied -> a thread makes the rows -> RANGE again
//!
//! A copy of a chunk takes a hundredth of the time that the chunk's samples take to become text. In
//! MULTI, scripts and without threads (`task-threads 0`) the loop makes the rows.

use super::super::rows_text::RowsText;
use russet_command::CommandError;
use russet_resp::{Args, OwnedArgs, Reply, message};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult};
use russet_timeseries::{Sample, Series};
use russet_types::vector_set::Progress;

/// Samples, times aggregators, of which rows are made at once: a millisecond or two.
const LONG: u64 = 1 << 15;

/// A series, and the sample after it that is asked, too.
pub(crate) type Column<'s> = (&'s Series, Option<Sample>);

/// Makes the rows of a command with these arguments and this name from the series.
pub(crate) type MakeRows =
    fn(Args<'_>, &str, &[Column<'_>], &mut RowsText) -> Result<(), CommandError>;

/// Rows that a thread makes.
struct Rows {
    args: OwnedArgs,
    name: &'static str,
    is_resp3: bool,
    series: Vec<(Series, Option<Sample>)>,
    make: MakeRows,
    outcome: Option<Result<Vec<u8>, CommandError>>,
}

impl Rows {
    fn run(&self) -> Result<Vec<u8>, CommandError> {
        let mut reply = Reply::new();
        reply.set_resp3(self.is_resp3);
        reply.copy_pieces();
        let series: Vec<Column<'_>> = self
            .series
            .iter()
            .map(|(one, extra)| (one, *extra))
            .collect();
        let mut rows = RowsText::new(&reply);
        (self.make)(self.args.args(), self.name, &series, &mut rows)?;
        rows.reply(&mut reply);
        Ok(reply.take_text())
    }
}

impl Task for Rows {
    fn step(&mut self, _nanos: usize) -> Progress {
        self.outcome = Some(self.run());
        self.series.clear();
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

/// Replies the rows that the command has waited for; `None`: it has not.
pub(crate) fn made(call: &mut Call<'_>) -> Option<CommandResult> {
    if !call.is_retry() {
        return None;
    }
    let outcome = call.server.tasks.take_task::<Rows>()?.outcome?;
    Some(outcome.map(|bytes| call.reply.shared(message(bytes))))
}

/// Whether so many samples, times aggregators, are for a thread.
pub(crate) fn is_long(call: &Call<'_>, work: u64) -> bool {
    work > LONG && call.may_leave_loop()
}

/// Has a thread make the rows of copies of series; the client waits.
#[cold]
pub(crate) fn leave(
    call: &mut Call<'_>,
    series: Vec<(Series, Option<Sample>)>,
    make: MakeRows,
) -> CommandResult {
    let rows = Rows {
        args: call.args.to_owned(),
        name: call.name,
        is_resp3: call.reply.resp3(),
        series,
        make,
        outcome: None,
    };
    call.block_on_task(Box::new(rows));
    Ok(())
}
