//! INFO findings: the verdict of the server on itself (`observe::verdict`). russet's own.
//!
//!     findings:1
//!     finding0:warning,rewrite,the last one failed
//!     finding0_mend:make room, BGREWRITEAOF
//!
//! A line has the weight (`notice`, `warning`, `critical`), the subject, and the text up to its
//! end; a remedy has a line of its own. The worst comes first.

use super::{InfoWriter, Source};

use russet_base::text::Printable;

pub(crate) fn findings(from: &Source<'_>, to: &mut InfoWriter) {
    let found = from.server.verdict(from.keyspace);
    to.section("Findings");
    to.field("findings", found.len());
    for (number, its) in found.iter().enumerate() {
        to.line(format_args!(
            "finding{number}:{},{},{}",
            its.weight.name(),
            its.code,
            Printable(its.text.as_bytes())
        ));
        if let Some(remedy) = &its.remedy {
            let remedy = Printable(remedy.as_bytes());
            to.line(format_args!("finding{number}_mend:{remedy}"));
        }
    }
}
