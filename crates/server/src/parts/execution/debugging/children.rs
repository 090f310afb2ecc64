//! The children that debug scripts, as their parent sees them.

use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitpid,
};

use russet_base::sys;
use russet_config::system_text;

/// Sessions at a time.
const CHILDREN_MAX: usize = 8;
/// A child that lives longer is killed, monotonic milliseconds. It ends by itself before.
const LIFE_MAX: Duration = Duration::from_secs(2 * 3600);

/// The children that debug scripts. Dropping it kills them.
#[derive(Debug, Default)]
pub struct Children(Vec<(Pid, u64)>);

impl Children {
    /// Whether another child may be forked.
    pub fn has_room(&mut self) -> bool {
        self.0.len() < CHILDREN_MAX
    }

    /// Forks at `now_ms`. `true`: this is the parent.
    pub fn fork(&mut self, now_ms: u64) -> Result<bool, String> {
        let parent = getpid();
        let forked = sys::fork_beside_threads().map_err(|error| system_text(&error))?;
        let Some(pid) = forked.and_then(Pid::from_raw) else {
            // If the parent died before this call, no signal is sent.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            if getppid() != Some(parent) {
                sys::end_child(1);
            }
            self.0.clear();
            return Ok(false);
        };
        self.0.push((pid, now_ms));
        let id = pid.as_raw_nonzero();
        tracing::info!("A script is being debugged by the child {id}");
        Ok(true)
    }

    /// Forgets children that have ended, and kills children that live too long. O(children).
    pub fn tend(&mut self, now_ms: u64) {
        self.0.retain(|&(pid, began_ms)| {
            if Duration::from_millis(now_ms.saturating_sub(began_ms)) > LIFE_MAX {
                let _ = kill_process(pid, Signal::KILL);
            }
            let ended = !matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None));
            if ended {
                let id = pid.as_raw_nonzero();
                tracing::info!("The child {id}, which debugged a script, has ended");
            }
            !ended
        });
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for &(pid, _) in &self.0 {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}
