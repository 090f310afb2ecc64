//! `--latency`, `--latency-history`: the time of a PING, every 10 ms.
//!
//! On a terminal the figures stand in one line that is written anew; elsewhere one line is printed
//! after the interval (a second), and that is all. Times are milliseconds.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::{ErrorLine, ask};
use crate::link::Link;
use crate::options::Options;
use crate::print::Form;

/// Between two samples.
const PAUSE: Duration = Duration::from_millis(10);

/// Times so far.
#[derive(Debug, Default)]
struct Samples {
    min_ms: f64,
    max_ms: f64,
    sum_ms: f64,
    count: u64,
}

impl Samples {
    fn add(&mut self, ms: f64) {
        self.min_ms = if self.count == 0 {
            ms
        } else {
            self.min_ms.min(ms)
        };
        self.max_ms = self.max_ms.max(ms);
        self.sum_ms += ms;
        self.count += 1;
    }

    fn text(&self, form: Form) -> String {
        let (min, max, count) = (self.min_ms, self.max_ms, self.count);
        let average = self.sum_ms / count.max(1) as f64;
        match form {
            Form::Terminal => {
                format!("min: {min:.3}, max: {max:.3}, avg: {average:.3} ({count} samples)")
            }
            Form::Raw => format!("{min:.3} {max:.3} {average:.3} {count}\n"),
            Form::Csv => format!("{min:.3},{max:.3},{average:.3},{count}\n"),
            Form::Json | Form::QuotedJson => format!(
                "{{\"min\": {min:.3}, \"max\": {max:.3}, \"avg\": {average:.3}, \"count\": {count}}}\n"
            ),
        }
    }
}

/// Measures: without an end on a terminal, for one interval elsewhere.
pub(crate) fn latency(
    link: &mut Link,
    options: &Options,
    form: Form,
    keeps_history: bool,
) -> Result<u8, ErrorLine> {
    let usual = if keeps_history {
        Duration::from_secs(15)
    } else {
        Duration::from_secs(1)
    };
    let interval = options.interval.unwrap_or(usual);
    let is_shown = form == Form::Terminal && io::stdout().is_terminal();
    let form = match form {
        Form::Terminal if !is_shown => Form::Raw,
        form => form,
    };
    let mut samples = Samples::default();
    let mut begun = Instant::now();
    loop {
        let asked = Instant::now();
        ask(link, &["PING"])?;
        samples.add(asked.elapsed().as_secs_f64() * 1e3);
        let mut text = if is_shown {
            format!("\x1b[0G\x1b[2K{}", samples.text(form))
        } else {
            String::new()
        };
        let is_over = begun.elapsed() > interval;
        if is_over && !is_shown {
            text = samples.text(form);
        } else if is_over && keeps_history {
            let seconds = begun.elapsed().as_secs_f64();
            text += &format!(" -- {seconds:.2} seconds range\n");
            samples = Samples::default();
            begun = Instant::now();
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|why| why.to_string())?;
        if is_over && !is_shown {
            return Ok(0);
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_all_samples() {
        let mut samples = Samples::default();
        for ms in [2.0, 1.0, 6.0] {
            samples.add(ms);
        }
        assert_eq!(samples.text(Form::Raw), "1.000 6.000 3.000 3\n");
        assert_eq!(samples.text(Form::Csv), "1.000,6.000,3.000,3\n");
        let shown = "min: 1.000, max: 6.000, avg: 3.000 (3 samples)";
        assert_eq!(samples.text(Form::Terminal), shown);
    }
}
