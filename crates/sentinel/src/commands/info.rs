//! INFO's section of a Sentinel.

use crate::core::Sentinel;
use crate::discovery::seen::Status;
use crate::instances::Primary;

impl Sentinel {
    /// The section with its headline, lines ending in CR LF.
    pub fn info(&self) -> Vec<u8> {
        let shared = &self.shared;
        let tilt_s = shared.tilt.since.map_or(-1, |at| (shared.now - at) / 1000);
        let mut text = format!(
            "# Sentinel\r\nsentinel_masters:{}\r\nsentinel_tilt:{}\r\n\
             sentinel_tilt_since_seconds:{tilt_s}\r\nsentinel_running_scripts:{}\r\n\
             sentinel_scripts_queue_length:{}\r\nsentinel_simulate_failure_flags:{}\r\n",
            self.primaries.len(),
            u8::from(shared.tilt.since.is_some()),
            shared.scripts.running(),
            shared.scripts.jobs.len(),
            shared.simulated.bits(),
        )
        .into_bytes();
        for (primary, n) in self.primaries.values().zip(0..) {
            text.extend(self.info_line(primary, n));
        }
        text
    }

    /// `masterN:name=..,status=..,address=..,slaves=..,sentinels=..`
    fn info_line(&self, primary: &Primary, n: usize) -> Vec<u8> {
        let status = Status::of(primary).name();
        let address = &primary.node.watch.address;
        let shown = address.shown(self.shared.globals.announce_hostnames);
        let replicas = primary.replicas.len();
        let counts = format!("{},slaves={replicas}", address.port);
        let sentinels = primary.peers.len() + 1;
        [
            format!("master{n}:name=").as_bytes(),
            &primary.name,
            b",status=",
            status.as_bytes(),
            b",address=",
            shown,
            b":",
            counts.as_bytes(),
            format!(",sentinels={sentinels}\r\n").as_bytes(),
        ]
        .concat()
    }
}
