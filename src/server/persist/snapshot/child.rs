//! Forks the child that saves a snapshot, and what it does (`parts::snapshot::child`).

use std::io::PipeWriter;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use crate::base::sys;
use crate::config::system_text;
use crate::keyspace::Keyspace;
use crate::server::parts::snapshot::End;
use crate::server::parts::snapshot::child::{Child, ChildProgress, Report};
use crate::server::parts::snapshot::sink::{Hands, Target};
use crate::server::state::Server;

impl Server {
    /// Forks a child that makes `targets` from the current databases.
    pub(in crate::server) fn fork_to_save(
        &mut self,
        keyspace: &Keyspace,
        targets: &[Target],
    ) -> Result<Child, String> {
        let (pipe, theirs) = std::io::pipe().map_err(|error| system_text(&error))?;
        rustix::io::ioctl_fionbio(&pipe, true).map_err(|error| system_text(&error.into()))?;
        let (began, parent) = (Instant::now(), getpid());
        let forked = sys::fork_beside_threads().map_err(|error| system_text(&error))?;
        let Some(pid) = forked.and_then(Pid::from_raw) else {
            self.be_child(parent, theirs, keyspace, targets);
        };
        let forks = &mut self.persist.snapshots.forks;
        forks.total += 1;
        forks.last_us = began.elapsed().as_micros() as u64;
        let (latency, micros) = (&mut self.diagnostics.latency, forks.last_us);
        latency.add_if_slow("fork", micros / 1000);
        let keys_total = keyspace.in_use().map(|(_, db)| db.len() as u64).sum();
        Ok(Child {
            pid,
            pipe,
            told: Vec::new(),
            failed: None,
            progress: ChildProgress {
                keys_total,
                told_ms: self.now.mono_ms,
                ..ChildProgress::default()
            },
            ended: false,
        })
    }

    /// In the child.
    fn be_child(
        &self,
        parent: Pid,
        pipe: PipeWriter,
        keyspace: &Keyspace,
        targets: &[Target],
    ) -> ! {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        // If the parent died before this call, no signal is sent.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        if getppid() != Some(parent) {
            sys::end_child(1);
        }
        sys::close_all_but(pipe.as_raw_fd());
        // Signals that stop the server, from a terminal or a service manager, are not meant for its
        // children: the parent ends them.
        let _ = sys::ignore_signal(SIGINT);
        let _ = sys::ignore_signal(SIGTERM);
        let _ = sys::reset_signal(SIGUSR1);
        let delay = u64::try_from(self.config.rdb_key_save_delay).unwrap_or(0);
        let mut report = Report {
            pipe,
            keys: 0,
            told: Instant::now(),
            delay: Duration::from_micros(delay),
            is_alone: false,
        };
        let result = self.save_in_child(keyspace, targets, &mut report);
        sys::end_child(report.end(result));
    }

    fn save_in_child(
        &self,
        keyspace: &Keyspace,
        targets: &[Target],
        report: &mut Report,
    ) -> Result<(), String> {
        let pid = std::process::id();
        let targets = targets.iter().cloned().map(|t| t.written_by(pid));
        let mut outlets = self.fan_out(keyspace, targets.collect(), &Hands::Here)?;
        report.save_all(keyspace, &mut outlets)?;
        outlets.finish();
        match (outlets.poll(), outlets.end()) {
            (true, End::Done) => Ok(()),
            (true, end) => Err(end.why().to_owned()),
            (false, _) => Err("a file has no end".to_owned()),
        }
    }
}
