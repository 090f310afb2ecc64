//! The largest client buffers of the last seconds: INFO `client_recent_max_input_buffer` and
//! `client_recent_max_output_buffer`.

/// Seconds kept.
const SECONDS: usize = 8;

/// Sizes of a client's buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub input: usize,
    /// Reply bytes beyond the static buffer that every client has.
    pub output: usize,
}

impl Buffers {
    /// The larger of each.
    pub fn max(self, other: Buffers) -> Buffers {
        Buffers {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct RecentPeaks {
    /// The peak of each second, with that second's number.
    seconds: [(u64, Buffers); SECONDS],
}

impl RecentPeaks {
    /// Records buffer sizes at a monotonic time.
    pub fn note(&mut self, now_ms: u64, buffers: Buffers) {
        let second = now_ms / 1000;
        let (at, peak) = &mut self.seconds[second as usize % SECONDS];
        if *at != second {
            (*at, *peak) = (second, Buffers::default());
        }
        *peak = peak.max(buffers);
    }

    /// The peak of the last seconds.
    pub fn max(&self, now_ms: u64) -> Buffers {
        let second = now_ms / 1000;
        let recent = self.seconds.iter();
        recent
            .filter(|(at, _)| at + SECONDS as u64 > second)
            .fold(Buffers::default(), |max, (_, peak)| max.max(*peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_shown_for_some_seconds() {
        let mut peaks = RecentPeaks::default();
        let buffers = |input, output| Buffers { input, output };
        peaks.note(500, buffers(7, 1));
        peaks.note(3000, buffers(5, 2));
        assert_eq!(peaks.max(3000), buffers(7, 2));
        assert_eq!(peaks.max(8500), buffers(5, 2));
        assert_eq!(peaks.max(11_000), buffers(0, 0));
        peaks.note(11_000, buffers(1, 1));
        assert_eq!(peaks.max(11_000), buffers(1, 1));
    }
}
