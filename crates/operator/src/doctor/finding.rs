//! Findings: the result of a check, its severity, and the lines that show it.
//!
//! Every kind of report (one server, a group of Sentinels, a cluster) is made of these.

use std::fmt;

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// Should be fixed.
    Warn,
    /// Must be fixed: a failover would not succeed, or slots are not served.
    Fail,
}

impl Weight {
    /// The first word of a finding's line.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Weight::Fine => "ok  ",
            Weight::Note => "note",
            Weight::Warn => "WARN",
            Weight::Fail => "FAIL",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub weight: Weight,
    /// The subject of the check, one or two words.
    pub what: &'static str,
    /// The state, and why it matters.
    pub text: String,
    /// A command or directive that fixes it.
    pub mend: Option<String>,
}

impl Finding {
    pub(super) fn fine(what: &'static str, text: impl Into<String>) -> Finding {
        let (weight, text) = (Weight::Fine, text.into());
        Finding {
            weight,
            what,
            text,
            mend: None,
        }
    }

    pub(super) fn note(what: &'static str, text: impl Into<String>) -> Finding {
        let (weight, text) = (Weight::Note, text.into());
        Finding {
            weight,
            what,
            text,
            mend: None,
        }
    }

    pub(super) fn warn(
        what: &'static str,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        let (weight, text) = (Weight::Warn, text.into());
        Finding {
            weight,
            what,
            text,
            mend: Some(mend.into()),
        }
    }

    pub(super) fn fail(
        what: &'static str,
        text: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            weight: Weight::Fail,
            ..Finding::warn(what, text, mend)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.weight.mark();
        writeln!(f, "{mark} {}: {}", self.what, self.text)?;
        match &self.mend {
            Some(mend) => writeln!(f, "     mend: {mend}"),
            None => Ok(()),
        }
    }
}

/// The last line.
pub(super) fn ending(to_mend: usize) -> String {
    match to_mend {
        0 => "nothing to mend\n".to_owned(),
        1 => "1 thing to mend\n".to_owned(),
        n => format!("{n} things to mend\n"),
    }
}

/// Bytes in human-readable form.
pub(super) fn human(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}
