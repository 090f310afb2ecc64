//! The queue of scripts: scripts to be run, running scripts, and scripts that wait for another
//! attempt.
//!
//! At most 16 run at once and 256 are queued; beyond that the oldest that does not run is dropped.
//! A script that exits with 1, or is killed by a signal, is tried again, ten times in all, after 30
//! seconds and then twice as long each time. A script that runs longer than a minute is killed.

use std::collections::VecDeque;

use super::actions::{Order, Outbox};
use super::time::{Ms, Periods};
use russet_host::Level;

const RUNNING_MAX: usize = 16;
const QUEUE_MAX: usize = 256;
const ATTEMPTS_MAX: u32 = 10;

/// A script in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobId(pub u64);

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Not before this moment; `None`: at once.
    Waits(Option<Ms>),
    /// Since this moment; the process is known once the driver has started it.
    Runs { since: Ms, pid: Option<i64> },
}

#[derive(Debug)]
pub struct Job {
    id: JobId,
    pub argv: Vec<Vec<u8>>,
    /// The standard input.
    input: Vec<u8>,
    pub attempts: u32,
    pub state: JobState,
}

impl Job {
    fn runs(&self) -> bool {
        matches!(self.state, JobState::Runs { .. })
    }

    fn pid(&self) -> Option<i64> {
        match self.state {
            JobState::Runs { pid, .. } => pid,
            JobState::Waits(_) => None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Scripts {
    pub jobs: VecDeque<Job>,
    last_id: u64,
}

fn event(out: &mut Outbox, level: Level, channel: &'static str, text: Vec<u8>) {
    out.push(Order::Event {
        level,
        channel,
        text,
    });
}

/// `path number number`.
fn outcome(path: &[u8], first: i64, second: i64) -> Vec<u8> {
    [path, format!(" {first} {second}").as_bytes()].concat()
}

impl Scripts {
    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.runs()).count()
    }

    /// Queues a script with arguments and input.
    pub fn schedule(&mut self, argv: Vec<Vec<u8>>, input: Vec<u8>) {
        self.last_id += 1;
        self.jobs.push_back(Job {
            id: JobId(self.last_id),
            argv,
            input,
            attempts: 0,
            state: JobState::Waits(None),
        });
        if self.jobs.len() > QUEUE_MAX
            && let Some(oldest) = self.jobs.iter().position(|job| !job.runs())
        {
            self.jobs.remove(oldest);
        }
    }

    /// Starts scripts that may start, oldest first, and kills scripts that run too long.
    pub fn tick(&mut self, now: Ms, periods: &Periods, out: &mut Outbox) {
        let mut running = self.running();
        for job in &mut self.jobs {
            if running >= RUNNING_MAX {
                break;
            }
            match job.state {
                JobState::Waits(until) if until.is_none_or(|until| until <= now) => {
                    job.state = JobState::Runs {
                        since: now,
                        pid: None,
                    };
                    job.attempts += 1;
                    running += 1;
                    out.push(Order::RunScript {
                        job: job.id,
                        argv: job.argv.clone(),
                        input: job.input.clone(),
                    });
                }
                _ => {}
            }
        }
        for job in &self.jobs {
            if let JobState::Runs {
                since,
                pid: Some(pid),
            } = job.state
                && now - since > periods.script_runtime_max
            {
                let text = [&job.argv[0], format!(" {pid}").as_bytes()].concat();
                event(out, Level::Warning, "-script-timeout", text);
                out.push(Order::KillScript { pid });
            }
        }
    }

    /// The driver has started a job, or could not: it is then tried again at the next tick.
    pub fn started(&mut self, id: JobId, pid: Option<i64>, out: &mut Outbox) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
            return;
        };
        match (pid, job.state) {
            (Some(pid), JobState::Runs { since, .. }) => {
                job.state = JobState::Runs {
                    since,
                    pid: Some(pid),
                };
                let text = pid.to_string().into_bytes();
                event(out, Level::Debug, "+script-child", text);
            }
            _ => {
                job.state = JobState::Waits(None);
                let text = outcome(&job.argv[0], 99, 0);
                event(out, Level::Warning, "-script-error", text);
            }
        }
    }

    /// A process has ended, with an exit status, or by a signal (else 0).
    pub fn ended(
        &mut self,
        pid: i64,
        (exit, signal): (i32, i32),
        now: Ms,
        periods: &Periods,
        out: &mut Outbox,
    ) {
        let text = format!("{pid} {exit} {signal}").into_bytes();
        event(out, Level::Debug, "-script-child", text);
        let Some(at) = self.jobs.iter().position(|job| job.pid() == Some(pid)) else {
            return;
        };
        let job = &mut self.jobs[at];
        if (signal != 0 || exit == 1) && job.attempts < ATTEMPTS_MAX {
            let delay = periods.script_retry_delay << (job.attempts - 1);
            job.state = JobState::Waits(Some(now + delay));
            return;
        }
        if signal != 0 || exit != 0 {
            let text = outcome(&job.argv[0], signal.into(), exit.into());
            event(out, Level::Warning, "-script-error", text);
        }
        self.jobs.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::super::actions::Action;
    use super::*;

    fn drain(out: &mut Outbox) -> Vec<Action> {
        std::iter::from_fn(|| out.pop()).collect()
    }

    fn started(out: &mut Outbox) -> Vec<JobId> {
        let job = |action| match action {
            Action::Order(Order::RunScript { job, .. }) => Some(job),
            _ => None,
        };
        drain(out).into_iter().filter_map(job).collect()
    }

    #[test]
    fn sixteen_run_at_once_and_the_oldest_waiting_one_is_dropped() {
        let (mut scripts, mut out) = (Scripts::default(), Outbox::default());
        for n in 0..20 {
            scripts.schedule(vec![vec![n]], Vec::new());
        }
        scripts.tick(0, &Periods::default(), &mut out);
        assert_eq!(started(&mut out).len(), RUNNING_MAX);
        for n in 0..=240 {
            scripts.schedule(vec![vec![n]], Vec::new());
        }
        assert_eq!(scripts.jobs.len(), QUEUE_MAX);
        assert_eq!(
            scripts.jobs[16].argv,
            [[1]],
            "16 to 19 and 0 waited longest"
        );
    }

    #[test]
    fn a_failed_script_is_tried_ten_times_with_doubling_delays() {
        let (mut scripts, mut out) = (Scripts::default(), Outbox::default());
        let periods = Periods::default();
        scripts.schedule(vec![b"/bin/x".to_vec(), b"+sdown".to_vec()], Vec::new());
        let (mut now, mut delays) = (0, Vec::new());
        for pid in 1..=10 {
            scripts.tick(now, &periods, &mut out);
            let job = started(&mut out)[0];
            scripts.started(job, Some(pid), &mut out);
            scripts.ended(pid, (1, 0), now, &periods, &mut out);
            if let Some(JobState::Waits(Some(until))) = scripts.jobs.front().map(|j| j.state) {
                delays.push((until - now) / 1000);
                scripts.tick(until - 1, &periods, &mut out);
                assert!(started(&mut out).is_empty(), "too early");
                now = until;
            }
        }
        assert_eq!(delays, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680]);
        assert!(scripts.jobs.is_empty());
        let last = drain(&mut out).pop();
        let expected = Order::Event {
            level: Level::Warning,
            channel: "-script-error",
            text: b"/bin/x 0 1".to_vec(),
        };
        assert_eq!(last, Some(expected.into()));
    }

    #[test]
    fn a_script_that_runs_too_long_is_killed_and_other_exits_are_final() {
        let (mut scripts, mut out) = (Scripts::default(), Outbox::default());
        let periods = Periods::default();
        scripts.schedule(vec![b"x".to_vec()], b"{}\n".to_vec());
        scripts.tick(0, &periods, &mut out);
        let job = started(&mut out)[0];
        scripts.started(job, Some(7), &mut out);
        scripts.tick(60_000, &periods, &mut out);
        scripts.tick(60_001, &periods, &mut out);
        assert_eq!(
            drain(&mut out).pop(),
            Some(Order::KillScript { pid: 7 }.into())
        );
        scripts.ended(7, (2, 0), 60_002, &periods, &mut out);
        assert!(scripts.jobs.is_empty(), "2 is no reason to try again");
    }
}
