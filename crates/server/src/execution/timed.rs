//! Counts calls and their time (INFO commandstats, latencystats, LATENCY HISTOGRAM).
//!
//! A call is counted when it has ended; its time is counted then, or together with its neighbours
//! (`parts::run::timing`).

use crate::server::clients::batch::Parsed;
use crate::server::parts::run::timing::{TOGETHER_MAX, Timed};
use crate::server::state::Server;

impl Server {
    /// Counts a finished call.
    #[inline(always)]
    pub(super) fn count_call(&mut self, id: usize, failed: bool) {
        let stats = &mut self.diagnostics.command_stats[id];
        stats.calls += 1;
        stats.failed += failed as u64;
        self.stats.commands += 1;
    }

    /// Counts the time of finished calls.
    #[inline(always)]
    pub(super) fn count_time(&mut self, id: usize, timed: Timed) {
        let Timed { ticks, calls } = timed;
        let stats = &mut self.diagnostics.command_stats[id];
        stats.ticks += ticks;
        if self.gates.latency_tracking {
            let bytes = &mut self.diagnostics.histogram_bytes;
            stats.record_latency(self.cycles.nanos(ticks), calls, bytes);
        }
    }

    /// How many of these commands, which run next, are timed together; at least 1.
    #[inline]
    pub(super) fn begin_timed(&mut self, commands: &[Parsed]) -> usize {
        self.settle_times();
        let joint = self.timed_jointly(commands);
        self.turn.timing.join(commands[0].row.unwrap_or(0), joint);
        joint
    }

    /// Neighbours that are calls of the same fast command, unless a setting needs the time of each
    /// call.
    #[inline]
    fn timed_jointly(&self, commands: &[Parsed]) -> usize {
        let Some(row) = commands[0].row else {
            return 1;
        };
        let gates = &self.gates;
        let asks = gates.is_observed || gates.is_audited || !gates.thresholds.are_long;
        if asks || !self.table.row(row).is_timed_jointly {
            return 1;
        }
        let neighbours = commands.iter().take(TOGETHER_MAX);
        neighbours
            .take_while(|other| other.row == Some(row))
            .count()
    }

    /// Ends the time of calls that wait for it; the next command is timed alone.
    #[inline]
    pub(super) fn settle_times(&mut self) {
        if self.turn.timing.part() {
            self.count_owed();
        }
    }

    #[cold]
    fn count_owed(&mut self) {
        let (row, timed) = self.turn.timing.settle();
        self.stats.command_ticks += timed.ticks;
        self.count_time(row, timed);
    }
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;
    use crate::server::clients::input::request;
    use russet_resp::OwnedArgs;

    fn wire(line: &str) -> Vec<u8> {
        let words: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        request(words.args())
    }

    /// Calls of a command, calls whose time is counted, and whether their sum is.
    fn counted(t: &Testbed, name: &str) -> (u64, u64, bool) {
        let server = &t.engine.server;
        let row = server.table.find(name.as_bytes()).expect("a command").id;
        let stats = &server.diagnostics.command_stats[row];
        let timed = stats.latency.as_ref().map_or(0, |calls| calls.total());
        (stats.calls, timed, stats.ticks > 0)
    }

    fn pipeline(lines: &[String]) -> Testbed {
        let mut t = Testbed::new();
        t.run_pipeline(
            &lines
                .iter()
                .flat_map(|line| wire(line))
                .collect::<Vec<u8>>(),
        );
        t
    }

    #[test]
    fn each_call_of_a_pipeline_is_counted_and_timed_once() {
        for calls in [1, 2, 3, 4, 5, 16, 17, 70] {
            let lines: Vec<String> = (0..calls).map(|n| format!("SET key:{n} value")).collect();
            assert_eq!(counted(&pipeline(&lines), "set"), (calls, calls, true));
        }
    }

    #[test]
    fn other_commands_refused_ones_and_large_ones_end_no_count() {
        let large = format!("SET large {}", "x".repeat(5000));
        let round = [
            "SET a 1",
            "GET a",
            "GET a",
            "GET",
            "GET a",
            "HGET a f",
            "GET a b",
            "GET a",
            &large,
            "GET large",
            "GET a",
            "GET a",
            "GET large",
            "EVAL return(redis.call('GET','a')) 0",
            "MULTI",
            "GET a",
            "GET a",
            "GET a",
            "EXEC",
            "GET a",
            "NOSUCH",
            "GET a",
            "RPUSH l 1",
        ];
        let lines: Vec<String> = (0..50).flat_map(|_| round).map(str::to_owned).collect();
        let t = pipeline(&lines);
        // The GETs of the script and of the transaction are calls, too.
        assert_eq!(counted(&t, "get"), (50 * 14, 50 * 14, true));
        assert_eq!(counted(&t, "set"), (50 * 2, 50 * 2, true));
        assert_eq!(counted(&t, "hget"), (50, 50, true));
        assert_eq!(counted(&t, "exec"), (50, 50, true));
        let sum: u64 = (t.engine.server.diagnostics.command_stats.iter())
            .map(|stats| stats.ticks)
            .sum();
        // The time of calls in a transaction or a script is a part of the outer command's time.
        assert!(t.engine.server.stats.command_ticks < sum);
    }

    #[test]
    fn clients_that_are_served_in_between_take_no_time_of_a_group() {
        let mut t = Testbed::new();
        let blocked = t.connect();
        assert_eq!(t.run_as(blocked, "BLPOP q 0"), "");
        let pushes: Vec<u8> = (0..4).flat_map(|_| wire("RPUSH q v")).collect();
        t.run_pipeline(&pushes);
        assert_ne!(t.take_reply(blocked), b"");
        assert_eq!(counted(&t, "rpush"), (4, 4, true));
        assert_eq!(counted(&t, "blpop"), (1, 1, true));
    }

    #[test]
    fn where_each_call_is_asked_for_it_is_timed_alone() {
        let gets: Vec<u8> = (0..8).flat_map(|_| wire("GET a")).collect();
        let mut t = Testbed::new();
        t.run("CONFIG SET slowlog-log-slower-than 0");
        t.run("SLOWLOG RESET");
        t.run_pipeline(&gets);
        assert_eq!(t.run("SLOWLOG LEN"), ":9\r\n", "and RESET");
    }
}
