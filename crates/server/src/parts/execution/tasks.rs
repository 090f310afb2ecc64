//! Tasks: long work of commands, in slices, by the loop in turns that bring nothing else and by
//! worker threads (`task-threads`).
//!
//!     TaskQueue   the tasks that wait, and the workers
//!     Ticket      a client's claim to the result of a task; the client is blocked meanwhile
//!     Task        the work, which owns all that it reads: a document to be parsed, rows to be made
//!     VectorWork  work in a vector set, which is locked for a slice at a time
//!     TaskResult  with it the command runs again
//!
//! A client's command that has long work leaves it here and blocks ([`Until::Task`]). If the loop's
//! next turn has no event, the loop itself runs a slice, and so on from turn to turn: the data is
//! then in the cache of the processor that goes on with it, and no thread has to be woken, which
//! takes as long as a short task. Workers take a task that waits while the loop has other work or
//! another task, and a task that cannot be divided ([`Task::is_for_workers`]).
//!
//! A worker holds a vector set's lock for a slice at a time, so that a writer waits for no longer.
//! Workers take turns with the tasks, so a long task delays the others by no more than its share.
//!
//! Invariants
//!   1. A result is only taken by the client that waits for it: tickets are not used twice.
//!   2. A task whose [`Ticket`] is dropped ends at its next slice, without a result; loops in a
//!      slice that takes long end before (`base::threads::cancel`).
//!
//! Cost: the second run of the command, and with a worker two wake-ups, some 40 us of CPU. So each
//! turn of the loop runs some tasks at once, as far as they are short.
//!
//! [`Until::Task`]: crate::clients::blocked::Until

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::clients::blocked::Ticket;
use russet_base::clock;
use russet_base::threads::{self, cancel};
use russet_base::wake::Wake;
use russet_config::Config;
use russet_keyspace::ClientId;
use russet_types::VectorSet;
use russet_types::vector_set::{Names, Parameters, Placement, Product, Progress, SimilaritySearch};

/// Long work that needs nothing of the keyspace.
pub trait Task: Any + Send {
    /// Continues for about `nanos`; a step that cannot be divided may take more.
    fn step(&mut self, nanos: usize) -> Progress;

    /// Whether a step may take much more: then a worker, if there is any, does the step instead of
    /// the loop.
    fn is_for_workers(&self) -> bool {
        false
    }

    /// Gives the task the flag that is set when its client is gone: a step that takes much more
    /// checks the flag, and ends.
    fn watch(&mut self, _is_dropped: Arc<AtomicBool>) {}
}

impl Task for Product {
    fn step(&mut self, nanos: usize) -> Progress {
        Product::step(self, nanos)
    }
}

/// Work in a vector set.
pub enum VectorWork {
    Inquiry(Box<SimilaritySearch>),
    Placement(Box<Placement>),
    Names(Box<Names>),
}

/// How a task ended.
pub enum TaskResult {
    Hits(Vec<Hit>),
    Names(Vec<Box<[u8]>>),
    /// The planned placement, with the set.
    Planned(Box<Placement>, VectorSet),
    /// The task, which has ended.
    Done(Box<dyn Any + Send>),
    /// The set has been removed: the command must start again.
    Gone,
}

/// An element that was found.
pub struct Hit {
    pub name: Box<[u8]>,
    pub distance: f32,
    pub attributes: Box<[u8]>,
}

/// A task that has ended.
pub struct EndedTask {
    pub client: ClientId,
    pub result: TaskResult,
    /// Ticks of the cycle counter that the work took.
    pub ticks: u64,
    number: u64,
}

impl EndedTask {
    /// Whether the work ended for the holder of this ticket.
    pub fn is_for(&self, ticket: &Ticket) -> bool {
        self.number == ticket.number()
    }
}

struct Job {
    ended: EndedTask,
    subject: Subject,
    is_dropped: Arc<AtomicBool>,
    /// The turn of the loop that the job began in.
    turn: u64,
}

enum Subject {
    Set(VectorSet, VectorWork),
    Task(Box<dyn Task>),
}

/// See the module.
#[derive(Default)]
pub struct TaskQueue {
    shared: Arc<SharedQueue>,
    /// `None`: the loop cannot be woken, so that every task runs at once.
    wake: Option<Wake>,
    threads: usize,
    next: u64,
    /// The result for the command that runs again.
    result: Option<TaskResult>,
    /// The turn of the loop, and approximately how long the loop itself has worked on tasks in it.
    turn: u64,
    spent_nanos: usize,
}

#[derive(Default)]
struct SharedQueue {
    queue: Mutex<Queue>,
    /// Jobs in the queue that the loop may continue; the loop reads this without the lock.
    waiting: AtomicUsize,
    /// There is a job, or there are too many workers.
    has_news: Condvar,
    ended: Mutex<Vec<EndedTask>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Workers that there should be.
    wanted: usize,
    running: usize,
}

/// A slice of a task takes about so long.
const SLICE_NANOS: usize = 60_000;
/// A distance of short vectors if most of them are in no cache, if all may be, and of each further
/// 16 bytes.
const DISTANCE_NANOS: usize = 50;
const CACHED_NANOS: usize = 20;
/// Bytes of vectors that may be in a cache.
const CACHED_BYTES: usize = 1 << 20;
/// A turn of the loop works on tasks for no longer than this itself.
const TURN_NANOS: usize = 200_000;
/// The time to look at a name.
const NAME_NANOS: usize = 60;
/// Slices after which the next task has its turn.
const SLICES_PER_SHARE: usize = 8;

/// Approximate nanoseconds to compute a distance among `len` vectors.
fn distance_nanos(parameters: &Parameters, len: usize) -> usize {
    let bytes = parameters.vector_bytes();
    let first = if len.saturating_mul(bytes) <= CACHED_BYTES {
        CACHED_NANOS
    } else {
        DISTANCE_NANOS
    };
    first + bytes / 16
}

/// How long a look at `len` names takes, about.
pub fn names_nanos(len: usize) -> usize {
    len.saturating_mul(NAME_NANOS)
}

/// How long a search of `distances` among `len` vectors takes, about.
pub fn nanos(parameters: &Parameters, len: usize, distances: usize) -> usize {
    distances.saturating_mul(distance_nanos(parameters, len))
}

impl Queue {
    /// Jobs that the loop may continue.
    fn for_loop(&self) -> usize {
        let may = |job: &&Job| self.wanted == 0 || !job.is_for_workers();
        self.jobs.iter().filter(may).count()
    }
}

impl TaskQueue {
    /// Sets how a worker wakes the loop.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// Whether work may leave the loop.
    pub fn is_on(&self, config: &Config) -> bool {
        self.wake.is_some() && !config.vset_force_single_threaded_execution
    }

    /// Whether the loop has time for a task in this turn; if so, the task counts.
    pub fn reserve_time(&mut self, turn: u64, nanos: usize) -> bool {
        if self.turn != turn {
            (self.turn, self.spent_nanos) = (turn, 0);
        }
        let spent = self.spent_nanos.saturating_add(nanos);
        let fits = spent <= TURN_NANOS;
        if fits {
            self.spent_nanos = spent;
        }
        fits
    }

    /// Begins work in a vector set for a client, which is to wait with the ticket.
    pub fn begin_search(
        &mut self,
        client: ClientId,
        set: VectorSet,
        work: VectorWork,
        threads: usize,
        turn: u64,
    ) -> Ticket {
        self.begin_job(client, Subject::Set(set, work), threads, turn)
    }

    /// Begins a task for a client, which is to wait with the ticket.
    pub fn begin_task(
        &mut self,
        client: ClientId,
        task: Box<dyn Task>,
        threads: usize,
        turn: u64,
    ) -> Ticket {
        self.begin_job(client, Subject::Task(task), threads, turn)
    }

    /// A ticket with a new number.
    pub fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket::new(self.next)
    }

    fn begin_job(
        &mut self,
        client: ClientId,
        mut subject: Subject,
        threads: usize,
        turn: u64,
    ) -> Ticket {
        let ticket = self.ticket();
        if let Subject::Task(task) = &mut subject {
            task.watch(ticket.is_dropped());
        }
        let job = Job {
            ended: EndedTask {
                client,
                result: TaskResult::Gone,
                ticks: 0,
                number: ticket.number(),
            },
            subject,
            is_dropped: ticket.is_dropped(),
            turn,
        };
        self.adjust(threads);
        let is_for_workers = job.is_for_workers();
        self.shared.add(job);
        if is_for_workers {
            self.shared.has_news.notify_one();
        }
        ticket
    }

    /// Starts workers, or has them end, until there are as many as this.
    fn adjust(&mut self, wanted: usize) {
        if self.threads == wanted {
            return;
        }
        self.threads = wanted;
        let mut queue = self.shared.queue();
        queue.wanted = wanted;
        while queue.running < wanted {
            let (shared, wake) = (Arc::clone(&self.shared), self.wake.clone());
            match threads::start("task", move || shared.work(wake.as_ref())) {
                Ok(_) => queue.running += 1,
                Err(error) => {
                    tracing::warn!("A thread for tasks: {error}");
                    (self.threads, queue.wanted) = (queue.running, queue.running);
                    break;
                }
            }
        }
        self.shared
            .waiting
            .store(queue.for_loop(), Ordering::Relaxed);
        drop(queue);
        self.shared.has_news.notify_all();
    }

    /// Whether tasks wait that the loop can continue.
    pub fn has_slices(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) > 0
    }

    /// Continues a task if the loop has nothing else to do in this turn (`is_idle`) or there are no
    /// workers; otherwise leaves tasks that have waited for a turn to the workers.
    pub fn run_slice(&mut self, turn: u64, is_idle: bool) {
        if !is_idle && self.threads > 0 {
            let began = self.shared.queue().jobs.front().map(|job| job.turn);
            if began.is_some_and(|began| began != turn) {
                self.shared.has_news.notify_one();
            }
            return;
        }
        let job = {
            let mut queue = self.shared.queue();
            let may = |job: &Job| queue.wanted == 0 || !job.is_for_workers();
            let at = queue.jobs.iter().position(may);
            at.and_then(|at| self.shared.take_at(&mut queue, at))
        };
        let Some(job) = job else {
            return;
        };
        if self.threads > 0 && self.has_slices() {
            self.shared.has_news.notify_one();
        }
        if let Some(job) = self.shared.run_share(job, 1) {
            self.shared.add(job);
        }
    }

    /// The tasks that have ended since the last call.
    pub fn take_ended(&mut self) -> Vec<EndedTask> {
        std::mem::take(&mut *lock(&self.shared.ended))
    }

    /// Keeps a result for the command that runs next.
    pub fn put_result(&mut self, result: TaskResult) {
        self.result = Some(result);
    }

    /// The task of the command that runs again, if the command waited for a task.
    pub fn take_task<T: Any>(&mut self) -> Option<Box<T>> {
        match self.result.take() {
            Some(TaskResult::Done(task)) => match task.downcast() {
                Ok(task) => Some(task),
                // A command may wait for tasks of several kinds in sequence.
                Err(task) => {
                    self.result = Some(TaskResult::Done(task));
                    None
                }
            },
            other => {
                self.result = other;
                None
            }
        }
    }

    /// The result for the command that runs again.
    pub fn take_result(&mut self) -> Option<TaskResult> {
        self.result.take()
    }
}

impl SharedQueue {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn add(&self, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        self.waiting.store(queue.for_loop(), Ordering::Relaxed);
    }

    fn take_at(&self, queue: &mut Queue, at: usize) -> Option<Job> {
        let job = queue.jobs.remove(at);
        self.waiting.store(queue.for_loop(), Ordering::Relaxed);
        job
    }

    /// The work of a thread.
    fn work(&self, wake: Option<&Wake>) {
        while let Some(job) = self.next_job() {
            match self.run_share(job, SLICES_PER_SHARE) {
                Some(job) => self.add(job),
                None => {
                    if let Some(wake) = wake {
                        wake.wake();
                    }
                }
            }
        }
    }

    /// Waits for a job. `None`: there are enough other workers.
    fn next_job(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if queue.running > queue.wanted {
                queue.running -= 1;
                return None;
            }
            if let Some(job) = self.take_at(&mut queue, 0) {
                return Some(job);
            }
            let waited = self.has_news.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Continues a job for so many slices, or longer if no other job waits; returns the job if it
    /// has not ended.
    fn run_share(&self, mut job: Job, slices: usize) -> Option<Job> {
        let began = clock::cycles();
        let _watch = cancel::watch(&job.is_dropped);
        let mut run = 0;
        while !job.is_dropped.load(Ordering::Relaxed) {
            if job.slice() {
                job.ended.ticks += clock::cycles().wrapping_sub(began);
                lock(&self.ended).push(job.end());
                return None;
            }
            run += 1;
            if run % slices == 0 && (slices == 1 || !self.queue().jobs.is_empty()) {
                job.ended.ticks += clock::cycles().wrapping_sub(began);
                return Some(job);
            }
        }
        None
    }
}

impl Job {
    /// See [`Task::is_for_workers`].
    fn is_for_workers(&self) -> bool {
        match &self.subject {
            Subject::Set(..) => false,
            Subject::Task(task) => task.is_for_workers(),
        }
    }

    /// Runs a slice; returns whether the work has ended.
    fn slice(&mut self) -> bool {
        let (set, work) = match &mut self.subject {
            Subject::Set(set, work) => (set, work),
            Subject::Task(task) => return task.step(SLICE_NANOS) == Progress::Done,
        };
        let content = set.read();
        if content.is_gone() {
            return true;
        }
        let budget = (SLICE_NANOS / distance_nanos(content.parameters(), content.len())).max(1);
        let progress = match work {
            VectorWork::Inquiry(inquiry) => inquiry.step(&content, budget),
            VectorWork::Placement(placement) => placement.step(content.index(), budget),
            VectorWork::Names(names) => names.step(&content, SLICE_NANOS / NAME_NANOS),
        };
        if progress == Progress::More {
            return false;
        }
        if let VectorWork::Names(names) = work {
            self.ended.result = TaskResult::Names(names.found());
        }
        if let VectorWork::Inquiry(inquiry) = work {
            let found = inquiry.found(&content);
            let hits = found.iter().map(|found| {
                let element = content.element_at(found.payload);
                Hit {
                    name: element.name.into(),
                    distance: found.distance,
                    attributes: element.attributes.into(),
                }
            });
            self.ended.result = TaskResult::Hits(hits.collect());
        }
        true
    }

    fn end(self) -> EndedTask {
        let Job {
            mut ended, subject, ..
        } = self;
        match subject {
            Subject::Task(task) => ended.result = TaskResult::Done(task),
            Subject::Set(set, VectorWork::Placement(placement)) => {
                let is_gone = set.read().is_gone();
                if !is_gone {
                    ended.result = TaskResult::Planned(placement, set);
                }
            }
            Subject::Set(..) => {}
        }
        ended
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
