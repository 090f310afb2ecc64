//! Work with the answers of all shards: reading the answers, merging and writing their rows.
//!
//! The merger needs nothing of the keyspace, so a worker merges long answers; the client waits
//! meanwhile, and the command runs again and takes the result.

use russet_command::CommandError;
use russet_search::pipeline::shards::Answer;
use russet_server::Call;
use russet_server::tasks::Task;
use russet_types::vector_set::Progress;

pub(crate) const DAMAGED: CommandError =
    CommandError::Text("ERR The answer of a shard is damaged, or of another release");

/// Bytes of answers that are read at once: some hundred microseconds.
const AT_ONCE: usize = 64 << 10;

type Outcome<T> = Result<T, CommandError>;
type Work<T> = Box<dyn FnOnce(Vec<Answer>) -> T + Send>;

/// See the module.
struct MergeTask<T> {
    /// `None`: it is done.
    work: Option<(Vec<Vec<u8>>, Work<T>)>,
    outcome: Option<Outcome<T>>,
}

impl<T: Send + 'static> Task for MergeTask<T> {
    fn step(&mut self, _nanos: usize) -> Progress {
        if let Some((answers, work)) = self.work.take() {
            self.outcome = Some(read(&answers).map(work));
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

fn read(answers: &[Vec<u8>]) -> Outcome<Vec<Answer>> {
    let answers = answers.iter().map(|bytes| {
        let bytes = bytes.strip_prefix(b"=");
        bytes.and_then(Answer::read).ok_or(DAMAGED)
    });
    answers.collect()
}

/// Reads answers and works with them. `None`: a worker does, and the client waits: then the command
/// runs again and takes the result ([`take_result`]).
pub(super) fn off_loop<T: Send + 'static>(
    call: &mut Call<'_>,
    answers: Vec<Vec<u8>>,
    work: impl FnOnce(Vec<Answer>) -> T + Send + 'static,
) -> Option<Outcome<T>> {
    let bytes: usize = answers.iter().map(Vec::len).sum();
    let mut merging = Box::new(MergeTask {
        work: Some((answers, Box::new(work))),
        outcome: None,
    });
    if bytes > AT_ONCE && call.may_leave_loop() {
        call.block_on_task(merging);
        return None;
    }
    merging.step(0);
    merging.outcome
}

/// The result of a worker for the command that runs again.
pub(super) fn take_result<T: Send + 'static>(call: &mut Call<'_>) -> Option<Outcome<T>> {
    call.take_work::<MergeTask<T>>()?.outcome
}
