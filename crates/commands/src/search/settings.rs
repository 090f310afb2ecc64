//! The settings of queries: the meaning of a command's words, and the settings that a query takes
//! from the index's options and the `search-*` directives.

use russet_config::{Config, SearchScorer};
use russet_search::hit::DocumentId;
use russet_search::index::Index;
use russet_search::query::Dialect;
use russet_search::request::{Defaults, Options};
use russet_search::score::Scorer;
use russet_search::search::Search;
use russet_server::Server;

/// The settings that words of a command stand for.
pub(super) fn defaults(server: &Server, rows_max: u64, is_resp3: bool) -> Defaults {
    let config = &server.config;
    let dialect = Dialect::new(config.search_default_dialect as u8);
    // The node that was asked has looked at the limits.
    let without = |max| if server.answers_node() { u64::MAX } else { max };
    Defaults {
        dialect: dialect.unwrap_or(Dialect::FIRST),
        rows_max: without(rows_max),
        offset_max: without(config.search_max_search_results),
        groups_max: without(config.search_max_aggregate_groups) as usize,
        is_resp3,
    }
}

/// How an index is asked, by the options of a command and the settings.
pub(super) fn search_of(config: &Config, index: &Index, options: &Options, scores: bool) -> Search {
    let keys = options.keys.as_ref().map(|keys| {
        let mut ids: Vec<DocumentId> = keys.iter().filter_map(|key| index.id(key)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    });
    let mut search = Search {
        scorer: scorer_of(config, options),
        language: options.language,
        expander: options.expander,
        in_keys: keys,
        payload: options.payload.clone(),
        scores,
        explains: options.explains_scores,
        expansions_max: config.search_max_prefix_expansions as usize,
        prefix_min: config.search_min_prefix as usize,
        ..Search::default()
    };
    let factor = options.tanh_factor;
    search.tanh_factor = factor.unwrap_or(config.search_bm25std_tanh_factor) as f64;
    search
}

/// The scorer that a query names, or the setting.
pub(super) fn scorer_of(config: &Config, options: &Options) -> Scorer {
    match options.scorer {
        Some(name) => Scorer::named(name.as_bytes()).unwrap_or_default(),
        None => default_scorer(config.search_default_scorer),
    }
}

pub(super) fn default_scorer(scorer: SearchScorer) -> Scorer {
    match scorer {
        SearchScorer::Bm25Std => Scorer::Bm25Std,
        SearchScorer::Bm25StdNorm => Scorer::Bm25StdNorm,
        SearchScorer::Bm25StdTanh => Scorer::Bm25StdTanh,
        SearchScorer::Bm25 => Scorer::Bm25,
        SearchScorer::TfIdf => Scorer::TfIdf,
        SearchScorer::TfIdfDocNorm => Scorer::TfIdfDocNorm,
        SearchScorer::DisMax => Scorer::DisMax,
        SearchScorer::DocScore => Scorer::DocScore,
        SearchScorer::Hamming => Scorer::Hamming,
    }
}
