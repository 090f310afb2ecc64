//! The documents of a query, a few ahead of the stages: their keys and fields are in the cache when
//! they are read. Documents whose keys have expired are left out.

use super::loading::Reader;
use russet_keyspace::Db;
use russet_search::hit::{DocumentId, Hit, ScoredDocument};
use russet_search::index::Index;
use russet_search::iterate::Windows;
use russet_search::pipeline::Hits;
use russet_search::query::QueryError;

/// Documents that are prefetched together.
const AHEAD: usize = 16;

/// The documents of a query, prefetched.
pub(super) struct Prefetcher<'w, 'd, 'i> {
    pub(super) windows: Windows<'i, 'w>,
    /// Documents are prefetched if each of them is read, with these fields.
    pub(super) reader: Option<(&'w Reader<'d>, &'w Index, Vec<Vec<u8>>)>,
    /// Documents that were prefetched, the next document last.
    pub(super) ahead: Vec<Hit>,
    /// Leaves out documents whose keys have expired; `None`: no key has expired.
    pub(super) expiring: Option<ExpiryCheck<'w>>,
}

/// Looks for documents whose keys have expired, and have not been deleted yet.
#[derive(Clone, Copy)]
pub(crate) struct ExpiryCheck<'e> {
    pub(super) db: &'e Db<'e>,
    pub(super) index: &'e Index,
}

impl ExpiryCheck<'_> {
    /// Whether a document counts, because the document's key has not expired.
    pub(crate) fn lives(&self, document: DocumentId) -> bool {
        let key = self.index.living_key(document);
        key.is_none_or(|key| !self.db.is_expired(key))
    }
}

impl Hits for Prefetcher<'_, '_, '_> {
    fn next_hit(&mut self) -> Option<Hit> {
        loop {
            let hit = self.any_hit()?;
            if self.expiring.is_none_or(|its| its.lives(hit.document)) {
                return Some(hit);
            }
        }
    }

    fn are_over(&self) -> bool {
        self.ahead.is_empty() && self.windows.is_over()
    }

    fn are_plain(&self) -> bool {
        self.windows.are_plain()
    }

    fn next_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        let before = out.len();
        while out.len() == before {
            self.any_scored(most, out);
            if out.len() == before {
                break;
            }
            if let Some(expiring) = self.expiring {
                let mut at = 0;
                out.retain(|scored| {
                    at += 1;
                    at <= before || expiring.lives(scored.document)
                });
            }
        }
    }
}

impl Prefetcher<'_, '_, '_> {
    /// The next slice begins with the documents that were prefetched and not taken.
    pub(super) fn finish(mut self) -> Result<(), QueryError> {
        if let Some(hit) = self.ahead.last() {
            self.windows.go_back_to(hit);
        }
        self.windows.failure()
    }

    fn any_hit(&mut self) -> Option<Hit> {
        let Some((reader, index, fields)) = &self.reader else {
            return self.windows.next();
        };
        if self.ahead.is_empty() {
            self.ahead.extend(self.windows.by_ref().take(AHEAD));
            let documents = self.ahead.iter().map(|hit| hit.document);
            reader.find_ahead(index, documents, fields);
            self.ahead.reverse();
        }
        self.ahead.pop()
    }

    fn any_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        let most = match self.reader {
            Some(_) => most.min(AHEAD),
            None => most,
        };
        self.windows.next_scored(most, out);
        if let Some((reader, index, fields)) = &self.reader {
            let documents = out.iter().map(|scored| scored.document);
            reader.find_ahead(index, documents, fields);
        }
    }
}
