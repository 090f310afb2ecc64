//! Findings: what a check of a server gives, whichever check it is.
//!
//! `russet doctor`, CLUSTER EXPLAIN, MEMORY DOCTOR, LATENCY DOCTOR and `/readyz` are lists of
//! findings; each command shows them in its own way. `Display` is the doctor's form: a line, and a
//! line for the remedy.

use std::borrow::Cow;
use std::fmt;

/// Severity, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The subject is in order.
    Ok,
    /// Worth knowing.
    Notice,
    /// Should be fixed.
    Warning,
    /// Must be fixed: service is lost, now or at the next failure.
    Critical,
}

impl Weight {
    const NAMES: [(Weight, &'static str); 4] = [
        (Weight::Ok, "ok"),
        (Weight::Notice, "notice"),
        (Weight::Warning, "warning"),
        (Weight::Critical, "critical"),
    ];

    /// The word for programs.
    pub fn name(self) -> &'static str {
        Weight::NAMES[self as usize].1
    }

    /// The weight with this [`Weight::name`].
    pub fn of_name(name: &str) -> Option<Weight> {
        let found = Weight::NAMES.iter().find(|(_, its)| *its == name);
        found.map(|(weight, _)| *weight)
    }

    /// The first word of a finding's line, four characters.
    pub fn mark(self) -> &'static str {
        match self {
            Weight::Ok => "ok  ",
            Weight::Notice => "note",
            Weight::Warning => "WARN",
            Weight::Critical => "FAIL",
        }
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Severity.
    pub weight: Weight,
    /// The subject of the check, a word or two; it is the same for all texts of the check.
    pub code: Cow<'static, str>,
    /// The state, and why it matters.
    pub text: String,
    /// A command or directive that fixes it.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding without a remedy.
    pub fn new(
        weight: Weight,
        code: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) -> Finding {
        Finding {
            weight,
            code: code.into(),
            text: text.into(),
            remedy: None,
        }
    }

    /// [`Weight::Ok`], without a remedy.
    pub fn ok(code: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Weight::Ok, code, text)
    }

    /// [`Weight::Notice`], without a remedy.
    pub fn notice(code: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Weight::Notice, code, text)
    }

    /// [`Weight::Warning`].
    pub fn warning(
        code: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding::new(Weight::Warning, code, text).with_remedy(remedy)
    }

    /// [`Weight::Critical`].
    pub fn critical(
        code: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding::new(Weight::Critical, code, text).with_remedy(remedy)
    }

    /// The finding with this remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = Some(remedy.into());
        self
    }

    /// Whether something is to be fixed.
    pub fn is_fault(&self) -> bool {
        self.weight >= Weight::Warning
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.weight.mark(), self.code, self.text)?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "     fix: {remedy}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_found_by_its_name() {
        for (weight, name) in Weight::NAMES {
            assert_eq!((weight.name(), Weight::of_name(name)), (name, Some(weight)));
        }
        assert_eq!(Weight::of_name("fatal"), None);
    }

    #[test]
    fn a_finding_is_a_line_and_one_for_its_remedy() {
        let finding = Finding::warning("disk", "full", "make room");
        assert_eq!(
            finding.to_string(),
            "WARN disk: full\n     fix: make room\n"
        );
        assert_eq!(
            Finding::ok("disk", "1 GiB free").to_string(),
            "ok   disk: 1 GiB free\n"
        );
    }
}
