//! Findings as a reply for programs: CLUSTER EXPLAIN FINDINGS, SENTINEL EXPLAIN FINDINGS.

use super::reply::Reply;
use russet_base::finding::Finding;

impl Reply {
    /// An array with an array for each finding: its weight, code, text and remedy, which may be
    /// null.
    pub fn findings(&mut self, found: &[Finding]) {
        self.array(found.len());
        for finding in found {
            self.array(4);
            self.bulk(finding.weight.name().as_bytes());
            self.bulk(finding.code.as_bytes());
            self.bulk(finding.text.as_bytes());
            match &finding.remedy {
                Some(remedy) => self.bulk(remedy.as_bytes()),
                None => self.null(),
            }
        }
    }
}
