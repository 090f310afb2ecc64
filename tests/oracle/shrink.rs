//! Reduces a failing stream to the few commands that matter (delta debugging).

use crate::{DEFAULTS, play::Stream};
use russet_host::simulation::shorten;

/// The smallest stream found that `fails`. The search leaves out ever smaller runs of steps, and
/// RESP3, bursts and small thresholds if they do not matter. It stops after `plays_max` attempts.
pub fn shrink(stream: &Stream, plays_max: usize, mut fails: impl FnMut(&Stream) -> bool) -> Stream {
    let mut smallest = stream.clone();
    let mut plays = 0;
    let mut try_it = |candidate: &Stream| {
        plays += 1;
        plays <= plays_max && fails(candidate)
    };
    for change in [
        |s: &mut Stream| s.burst = false,
        |s: &mut Stream| s.resp3 = false,
    ] {
        let mut candidate = smallest.clone();
        change(&mut candidate);
        if try_it(&candidate) {
            smallest = candidate;
        }
    }
    for at in (0..smallest.config.len()).rev() {
        let mut candidate = smallest.clone();
        candidate.config[at] = DEFAULTS[at];
        if candidate.config != smallest.config && try_it(&candidate) {
            smallest = candidate;
        }
    }
    let steps = shorten(&smallest.steps, |steps| {
        let mut candidate = smallest.clone();
        candidate.steps = steps.to_vec();
        try_it(&candidate)
    });
    Stream { steps, ..smallest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Step;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let step = |n: usize| Step {
            args: vec![n.to_string().into_bytes()],
            client: 0,
            pause_ms: 0,
        };
        let stream = Stream {
            seed: 1,
            steps: (0..50).map(step).collect(),
            resp3: true,
            burst: true,
            events: false,
            is_search: false,
            config: Vec::new(),
        };
        let has = |stream: &Stream, n: usize| stream.steps.contains(&step(n));
        let small = shrink(&stream, 1000, |stream| has(stream, 7) && has(stream, 33));
        assert_eq!(small.steps, [step(7), step(33)]);
        assert!(!small.resp3);
    }
}
